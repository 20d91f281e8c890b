"""Proposal distributions for importance-sampled likelihoods.

Shapes: G = data in a group, K = samples per datum (from each of M corruptions, where it has some), S = some of them.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import log, prod

import torch
from torch import Tensor
from torch.distributions import Distribution, OneHotCategorical

from elbolab.batch import Shape
from elbolab.densities.base import Densities
from elbolab.densities.capabilities import Corrupting, capability
from elbolab.densities.latents import Drawn, Latent, Latents, Undefined, centre, sample

DRAWN = 2**22
"""Latent numbers drawn at once: 16 MiB in float32."""

DEFENSIVE = 0.1
"""Fraction of draws spread evenly over all classes, in case q(y | x) is certain of a class where p(y | x) is not."""

SCORED = 2**13
"""Latent numbers whose log-density is computed at once; a mixture needs the memory once per component."""

Rows = tuple[Tensor, ...]
"""Data and their conditions, x (G, *event) and (G, *shape) each."""

DrawLatents = Callable[[slice], Latents]
"""Function from a slice of the K samples of a group to the latents (S, G), with log-densities under the proposal."""

Proposal = Callable[[Densities, Rows, int], DrawLatents]
"""(model, rows of a group, K) -> the function that draws the samples of the group."""


def from_posterior(densities: Densities, rows: Rows, num_samples: int) -> DrawLatents:
    """Draws of q(z | x), with classes drawn in strata: the proposal of every model that has no other."""
    x, *given = rows

    def draw(samples: slice) -> Latents:
        in_strata = partial(draw_in_strata, num_samples, samples)
        return densities.infer(x, *given, shape=(samples.stop - samples.start,), draw=in_strata)

    return draw


def with_log_densities(latents: Latents) -> Latents:
    """Adds the log-densities of their draws under q and p to the latents (S, G).

    To save memory they are computed `SCORED` numbers at a time, unless the density has other parameters for every draw.

    Undefined where a latent has no density.
    """
    found = []
    for latent in latents:
        own, log_q, log_p = replace(latent, drawn_log_q=None, drawn_log_p=None), latent.drawn_log_q, latent.drawn_log_p
        log_q = torch.cat([part.log_q for part in _split_draws(own, own.q)]) if log_q is None else log_q
        log_p = torch.cat([part.log_p for part in _split_draws(own, own.p)]) if log_p is None else log_p
        found.append(replace(latent, drawn_log_q=log_q, drawn_log_p=log_p))
    return Latents(found, latents.state)


def _split_draws(latent: Latent, p: Distribution | None) -> list[Latent]:
    """Splits the draws of a latent into parts; one part if ``p`` has different parameters for every draw."""
    if p is not None and len(p.batch_shape) > 1:
        return [latent]
    return [replace(latent, z=z) for z in latent.z.split(max(1, SCORED // latent.z[0].numel()))]


def draw_in_strata(num_samples: int, samples: slice, q: Distribution, shape: Shape) -> Drawn:
    """A draw of q; the k-th of K draws of a class is the inverse CDF at a level in [(k - 1) / K, k / K).

    This is stratified sampling (Owen 2013, "Monte Carlo theory, methods and examples", section 8.4): classes occur in
    proportion to their probabilities, the mean weight is p(x) without bias, and it varies less than that of independent
    draws of the class.
    """
    if not isinstance(q, OneHotCategorical):
        return sample(q, shape)
    log_probs = spread_class_probs(q.logits)
    first = torch.arange(samples.start, samples.stop, dtype=log_probs.dtype, device=log_probs.device)
    noise = torch.rand(*shape, *q.batch_shape, dtype=log_probs.dtype, device=log_probs.device)
    index = class_at(log_probs, (first.view(-1, *[1] * (noise.dim() - 1)) + noise) / num_samples)
    y = torch.zeros(*index.shape, log_probs.shape[-1]).to(log_probs).scatter_(-1, index[..., None], 1)
    return Drawn(y, (y * log_probs).sum(-1))


def spread_class_probs(log_q: Tensor) -> Tensor:
    """Log of 0.9 q(y | x) + 0.1 / C, (..., C), which bounds every weight p(y) / q(y | x) (Hesterberg 1995)."""
    return (log_q.exp() * (1 - DEFENSIVE) + DEFENSIVE / log_q.shape[-1]).log()


def class_at(log_probs: Tensor, levels: Tensor) -> Tensor:
    """The inverse distribution function of classes (..., B, C) at levels (S, B) in [0, 1]: (S, B) int64."""
    ends = log_probs.exp().cumsum(-1)[..., :-1]
    return (levels[..., None] >= ends).sum(-1)


def from_prior(densities: Densities, rows: Rows, num_samples: int) -> DrawLatents:
    """Z ~ p(z | c), all of equal weight beside the likelihood; undefined where the model has no prior."""
    x, *given = rows

    def draw(samples: slice) -> Latents:
        num = samples.stop - samples.start
        latents = densities.imagine((num,) if given else (num, len(x)), *given)
        none = x.new_zeros(num, len(x))
        return Latents([Latent(latent.z, drawn_log_q=none, drawn_log_p=none) for latent in latents], latents.state)

    return draw


def sampling_of(densities: Densities, num_samples: int, num_corruptions: int) -> tuple[Proposal, int]:
    """The proposal for the samples of each datum, and their number.

    A denoising model draws K samples from each of M corruptions, M K in total; any other draws K from its posterior.
    """
    try:
        capability(densities, Corrupting)
    except Undefined:
        return from_posterior, num_samples
    return partial(from_corruptions, num_corruptions), num_corruptions * num_samples


def from_corruptions(num_corruptions: int, densities: Densities, rows: Rows, num_samples: int) -> DrawLatents:
    """Z from M corruptions x~_m of each datum, as many from each q(z | x~_m): what a denoising model's bound is of.

    Sample k comes from component k mod M, and every weight is divided by the equal mixture (1/M) sum_m q(z | x~_m) over
    that datum's own corruptions. So the mean weight is p(x) without bias (deterministic mixture sampling, Owen and Zhou
    2000), whatever was drawn as corruptions.

    ``num_corruptions`` is M, ``num_samples`` M K, those of all components together.

    Undefined where the model corrupts nothing, has not one latent, or one without a density.
    """
    assert num_samples % num_corruptions == 0
    x, *given = rows
    corrupted = capability(densities, Corrupting).corrupt(x.expand(num_corruptions, *x.shape))
    of_corrupted = densities.infer(corrupted, *given, draw=centre).only()
    q = of_corrupted.q
    if q is None or of_corrupted.drawn_log_q is not None:
        raise Undefined("no mixture over corruptions: the density of q(z | x~) is known at its own draws alone")

    def draw(samples: slice) -> Latents:
        first, size = samples.start % num_corruptions, samples.stop - samples.start
        z = sample(q, (-(-(first + size) // num_corruptions),)).z.flatten(0, 1)[first : first + size]
        return Latents([Latent(z, p=of_corrupted.p, drawn_log_q=mixture_log_prob(q, z))])

    return draw


def mixture_log_prob(q: Distribution, z: Tensor) -> Tensor:
    """Log (1/M) sum_m q_m(z), (S, G), in parts that hold `DRAWN` numbers.

    Args:
        q: the components, batch shape (M, G).
        z: points, (S, G, *event).
    """
    at_once = max(1, DRAWN // (prod(q.batch_shape) * prod(q.event_shape)))
    return torch.cat([q.log_prob(part[:, None]).logsumexp(1) for part in z.split(at_once)]) - log(q.batch_shape[0])
