"""Where the samples of an importance-sampled likelihood come from.

Shapes: G = data in a group, K = samples per datum (from each of M corruptions, where it has some), S = some of them.
"""

from collections.abc import Callable
from functools import partial
from math import log, prod
from typing import final

import torch
from torch import Tensor
from torch.distributions import Distribution

from elbolab.densities.base import Corrupting, Densities
from elbolab.densities.class_terms import Enumerating
from elbolab.densities.terms import Certain, Latent, Sampled, Undefined

DRAWN = 2**22
"""Latent numbers drawn at once: 16 MiB in float32."""

Rows = tuple[Tensor, ...]
"""Data and their conditions, x (G, *event) and (G, *shape) each."""

Size = torch.Size | list[int] | tuple[int, ...]


@final
class Drawn(Distribution):
    """A proposal whose draws were made beforehand: the noise is independent of the chunks, and q is computed once.

    Args:
        z: the draws, (S, G, *latent_shape).
        log_q: their log-density, (S, G).
    """

    def __init__(self, z: Tensor, log_q: Tensor) -> None:
        super().__init__(log_q.shape[1:], z.shape[log_q.dim() :], validate_args=False)
        self.z, self.log_q = z, log_q

    def part(self, samples: slice, data: slice) -> "Drawn":
        """The draws of some samples and data."""
        return Drawn(self.z[samples, data], self.log_q[samples, data])

    def sample(self, sample_shape: Size = ()) -> Tensor:
        """The draws; there is one set of them."""
        assert tuple(sample_shape) == self.log_q.shape[:1]
        return self.z

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density of the draws."""
        assert value is self.z
        return self.log_q


Draw = Callable[[slice], Drawn | None]
"""Some of the K samples of one group; None where the model must draw them itself."""

Proposal = Callable[[Densities, Rows, int], Draw]
"""(model, group, K) -> what draws the group's samples."""


def from_posterior(densities: Densities, rows: Rows, num_samples: int) -> Draw:
    """Z ~ q(z | x): the proposal of every model that says nothing else; a model's classes by `from_strata`."""
    if isinstance(densities, Enumerating):
        return partial(from_strata, densities, rows, num_samples)
    latents = densities.terms(*rows).latents
    return lambda samples: _of_one_layer(latents, samples.stop - samples.start)


def from_strata(densities: Enumerating, rows: Rows, num_samples: int, samples: slice) -> Drawn:
    """Classes in proportion to their probabilities, the k-th of K by a level in [(k - 1) / K, k / K), and z of each.

    Stratified sampling (Owen 2013, "Monte Carlo theory, methods and examples", section 8.4): the mean weight is p(x)
    without bias, and varies less than that of independent draws of the class.
    """
    (x,) = rows
    start = torch.arange(samples.start, samples.stop, dtype=x.dtype, device=x.device)[:, None]
    levels = (start + torch.rand(len(start), len(x), dtype=x.dtype, device=x.device)) / num_samples
    return Drawn(*densities.draw(x, levels))


def _of_one_layer(latents: tuple[Latent, ...], num: int) -> Drawn | None:
    """``num`` draws where the model has one layer of latents with a density, which then takes them as its proposal."""
    match latents:
        case (Sampled(q=q),):
            return _drawn(q, num)
    return None


def from_prior(densities: Densities, rows: Rows, num_samples: int) -> Draw:
    """Z ~ p(z | c) of one layer of latents; where there is no latent to be drawn, nothing is.

    Raises:
        Undefined: the model has several layers of latents, or none.
    """
    match densities.terms(*rows).latents:
        case (Sampled(p=p, q=q),):
            p = p if p.batch_shape == q.batch_shape else p.expand(q.batch_shape)
            return lambda samples: _drawn(p, samples.stop - samples.start)
        case (Certain(),):
            return lambda samples: None
    raise Undefined("no draws from the prior: the model has several layers of latents, or none")


def _drawn(q: Distribution, num: int) -> Drawn:
    z = _draws(q, num)
    return Drawn(z, q.log_prob(z))


def _draws(q: Distribution, num: int) -> Tensor:
    return q.rsample((num,)) if q.has_rsample else q.sample((num,))  # torch's `sample` first looks at every scale


def sampling_of(densities: Densities, num_samples: int, num_corruptions: int) -> tuple[Proposal, int]:
    """What draws the samples of each datum, and how many.

    Of a denoising model they are K from each of its M corruptions, M K in all; of any other K from its posterior.
    """
    if isinstance(densities, Corrupting):
        return partial(from_corruptions, num_corruptions), num_corruptions * num_samples
    return from_posterior, num_samples


def from_corruptions(num_corruptions: int, densities: Densities, rows: Rows, num_samples: int) -> Draw:
    """Z from M corruptions x~_m of each datum, as many from each q(z | x~_m): what a denoising model's bound is of.

    Sample k comes from component k mod M, and every weight is divided by the equal mixture (1/M) sum_m q(z | x~_m) over
    that datum's own corruptions. So the mean weight is p(x) without bias (deterministic mixture sampling, Owen and Zhou
    2000), whatever was drawn as corruptions.

    Args:
        num_corruptions: M.
        densities: a denoising model.
        rows: the group.
        num_samples: M K, those of all components together.
    """
    assert isinstance(densities, Corrupting), "`sampling_of` has asked for it"
    assert num_samples % num_corruptions == 0
    x, *given = rows
    q = densities.proposal(densities.corrupt(x.expand(num_corruptions, *x.shape)), *given)

    def draw(samples: slice) -> Drawn:
        first, size = samples.start % num_corruptions, samples.stop - samples.start
        z = _draws(q, -(-(first + size) // num_corruptions)).flatten(0, 1)[first : first + size]
        return Drawn(z, mixture_log_prob(q, z))

    return draw


def mixture_log_prob(q: Distribution, z: Tensor) -> Tensor:
    """Log (1/M) sum_m q_m(z), (S, G), in parts that hold `DRAWN` numbers.

    Args:
        q: the components, batch shape (M, G).
        z: points, (S, G, *event).
    """
    at_once = max(1, DRAWN // (prod(q.batch_shape) * prod(q.event_shape)))
    return torch.cat([q.log_prob(part[:, None]).logsumexp(1) for part in z.split(at_once)]) - log(q.batch_shape[0])
