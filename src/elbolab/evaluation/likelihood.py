"""How probable a model finds data: the bound and its parts, and the importance-sampled log-likelihood.

Shapes: N = data, G = data in a group, K = samples per datum, S and B = samples and data in a chunk; nats throughout.

Noise is drawn for groups of data whose size depends on the model and K alone, and is seeded by the group's number. So
no result depends on how the data were batched, on the number of ranks or threads, or on the memory budget.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from math import log, prod
from typing import Any, ClassVar, NamedTuple, final

import torch
from torch import Tensor, nn
from typing_extensions import override

from elbolab.batch import Batch
from elbolab.common.kind import DISTORTION, ELBO, RATE, RATE_OF_LAYER, Kind
from elbolab.common.rng import seed_device, seed_of
from elbolab.densities.base import Densities
from elbolab.densities.latents import Undefined
from elbolab.evaluation.batches import share_out
from elbolab.evaluation.measure import Data, Measure
from elbolab.evaluation.proposals import (
    DRAWN,
    DrawLatents,
    Proposal,
    Rows,
    from_posterior,
    sampling_of,
    with_log_densities,
)
from elbolab.evaluation.quantity import Quantity, mean_of, means_of
from elbolab.evaluation.seeded import device_of, evaluating
from elbolab.metrics.pareto import LEAST as LEAST_WEIGHTS
from elbolab.metrics.pareto import tail_shape

NLL = Kind("nats", "lower", 60)
BITS_PER_DIM = Kind("bits/dim", "lower", 100)
KINDS = {
    "elbo": ELBO,
    "rate": RATE,
    "distortion": DISTORTION,
    "nll": NLL,
    "conditional_nll": replace(NLL, headline=70),
    "bits_per_dim": BITS_PER_DIM,
    "conditional_bits_per_dim": replace(BITS_PER_DIM, headline=110),
    "ess": Kind("samples", "higher", 130),
    "degenerate": Kind("fraction", "lower"),
    "psis_khat": Kind("tail shape", "lower", label="Pareto k̂, median"),
    "psis_unreliable": Kind("fraction", "lower", label="Pareto k̂ above 0.7"),
}

GROUP = 256
"""Most data that noise is drawn for at once."""

LIVE = 4
"""Tensors of a network's largest size that a density holds at once: logits and the temporaries of their log_prob."""

ENOUGH = 10
"""Fewest samples a datum at which an effective sample size below 2 says something: with 2 it always is below."""

UNRELIABLE = 0.7
"""Pareto k-hat above which no practical number of samples makes a mean of weights settle (Vehtari et al. 2024)."""

LEAST = 64
"""Fewest pairs in a chunk of default size: with fewer, a matrix product spends its time reading weights."""


@final
class Marginal(NamedTuple):
    """Importance-sampled log-likelihood.

    Attributes:
        log_px: log 1/K sum_k w_k, (N,), a lower bound on log p(x) in expectation, in the dtype of the computation.
        ess: effective sample size (sum w)^2 / sum w^2 of each datum, (N,), between 1 and K.
        khat: shape of the weights' tail, (N,), see `elbolab.metrics.pareto.tail_shape`.
    """

    log_px: Tensor
    ess: Tensor
    khat: Tensor


@final
@dataclass(frozen=True)
class Likelihood(Measure):
    """Elbo, rate, distortion, nll, ess, degenerate, psis_khat, psis_unreliable and bits_per_dim, as far as they exist.

    A model of several layers has the rate of each, rate_1 that of the lowest.

    Of a model with conditions it is the conditional log-likelihood, and so nll and bits_per_dim are named
    conditional_nll and conditional_bits_per_dim. A denoising model has ``num_samples`` samples from each of
    ``num_corruptions`` corruptions of a datum, weighted by the equal mixture of its posteriors there (Im et al. 2017);
    its ``k`` is the number of all of them.

    ``degenerate`` is the fraction of data whose effective sample size is below 2: one sample dominates their estimate.
    With few samples one nearly always does, so it is absent below `ENOUGH` of them; ess is absent for a single sample.
    ``psis_khat`` is the median over data of the Pareto k-hat, and ``psis_unreliable`` the fraction of data where it is
    above `UNRELIABLE`; they need `LEAST_WEIGHTS` samples.

    Args:
        num_samples: K of the importance-sampled NLL.
        num_corruptions: M of a denoising model.
        memory: as that of `importance_log_likelihood`.
    """

    is_shared: ClassVar[bool] = True
    counts: ClassVar[tuple[str, ...]] = ("num_samples", "num_corruptions", "memory")
    num_samples: int
    num_corruptions: int = 1
    memory: int | None = None

    @override
    def __call__(self, densities: Densities, data: Data, split: str, seed: int) -> dict[str, Quantity]:
        batches, spec = data.measured(split), densities.spec
        found = bound(densities, batches, seed=seed)
        quantities = means_of(found, dict.fromkeys(found, RATE_OF_LAYER) | KINDS, k=1, seed=seed)
        proposal, k = sampling_of(densities, self.num_samples, self.num_corruptions)
        options: dict[str, Any] = {"num_samples": k, "seed": seed, "memory": self.memory}
        try:
            marginal = importance_log_likelihood(densities, batches, proposal=proposal, **options)
        except Undefined:
            return quantities
        of_what = "conditional_" if spec.given else ""
        sampled = {f"{of_what}nll": -marginal.log_px}
        if k > 1:
            sampled["ess"] = marginal.ess
        if k >= ENOUGH:
            sampled["degenerate"] = (marginal.ess < 2).to(marginal.ess.dtype)
        if _is_discrete(densities, batches):
            sampled[f"{of_what}bits_per_dim"] = -marginal.log_px / (prod(spec.x) * log(2))
        if k >= LEAST_WEIGHTS:
            sampled["psis_unreliable"] = (marginal.khat > UNRELIABLE).to(marginal.khat.dtype)
            median = mean_of(marginal.khat, KINDS["psis_khat"], k=k, seed=seed)
            quantities["psis_khat"] = replace(median, value=float(marginal.khat.median()), stderr=None)
        return quantities | means_of(sampled, KINDS, k=k, seed=seed)


def bound(densities: Densities, batches: Iterable[Batch], *, seed: int, num_samples: int = 1) -> dict[str, Tensor]:
    """ELBO, rate, those of several layers, and distortion per datum, (N,) each, averaged over ``num_samples`` draws.

    What does not exist is absent.

    Undefined where the model has no density of the data (a classifier).
    """

    def measure(number: int, rows: Rows) -> dict[str, Tensor]:
        seed_device(device_of(densities), seed_of("bound", seed, number))
        terms, means = densities.terms(*rows, shape=(num_samples,)), {}
        for name in ("elbo", "rate", "distortion"):
            with suppress(Undefined):
                means[name] = getattr(terms, name).mean(0)
        if "rate" in means:
            means |= {name: rate.mean(0) for name, rate in terms.layer_rates.items()}
        return means

    with evaluating(densities, "bound", seed):
        return share_out(measure, in_groups(batches, max(1, GROUP // num_samples)))


def importance_log_likelihood(
    densities: Densities,
    batches: Iterable[Batch],
    *,
    num_samples: int,
    seed: int,
    memory: int | None = None,
    proposal: Proposal = from_posterior,
) -> Marginal:
    """Estimate log p(x) by log 1/K sum_k p(x, z_k) / q(z_k | x), z_k ~ q(z | x): L_K of Burda et al. (2016), eq. 8.

    With conditions c it is log p(x | c) (Sohn et al. 2015, section 4.1).

    Weights are computed in the model's dtype, in chunks of samples and data that fit ``memory``; their logarithms are
    summed in float64.

    ``memory`` is in bytes, for the activations of one chunk, beside one pass over a group; None takes
    `default_memory`. ``proposal`` is the distribution of the samples, see `elbolab.evaluation.proposals`.

    Undefined where the model has no importance weight (an autoencoder).
    """

    def estimate(rows: Rows, chunk: int) -> dict[str, Tensor]:
        return marginal_of(densities, rows, num_samples, chunk, proposal)._asdict()

    options: dict[str, Any] = {"num_samples": num_samples, "seed": seed, "memory": memory}
    return Marginal(**estimate_in_groups(densities, batches, estimate, **options))


def estimate_in_groups(
    densities: Densities,
    batches: Iterable[Batch],
    estimate: Callable[[Rows, int], dict[str, Tensor]],
    *,
    num_samples: int,
    seed: int,
    memory: int | None,
) -> dict[str, Tensor]:
    """Estimates values of every datum in groups that all ranks share; every group has its own seed of the noise.

    ``estimate`` is (a group's rows, pairs of a sample and a datum that fit the memory) -> values by name, (G, ...)
    each; the options are those of `importance_log_likelihood`.
    """
    groups = in_groups(batches, min(GROUP, max(1, DRAWN // (num_samples * _latent_numbers(densities)))))
    first = next(groups)
    with evaluating(densities, "importance sampling", seed):
        chunk = _chunk_size(densities, first, memory)

        def measure(number: int, rows: Rows) -> dict[str, Tensor]:
            seed_device(device_of(densities), seed_of("importance sampling", seed, number))
            return estimate(rows, chunk)

        return share_out(measure, chain([first], groups))


def _latent_numbers(densities: Densities) -> int:
    """Numbers of one latent draw, 1 where there is no latent."""
    return max(1, prod(densities.latent_shape))


def marginal_of(densities: Densities, rows: Rows, num_samples: int, chunk: int, proposal: Proposal) -> Marginal:
    """Estimate of log p(x), effective sample size and tail shape of one group, (G,) each."""
    log_w = _log_weights(densities, rows, num_samples, chunk, proposal(densities, rows, num_samples))
    log_sum = log_w.logsumexp(0)
    ess = (2 * log_sum - (2 * log_w).logsumexp(0)).exp()
    return Marginal(*(each.to(rows[0].dtype) for each in (log_sum - log(num_samples), ess, tail_shape(log_w))))


def _log_weights(densities: Densities, rows: Rows, num_samples: int, chunk: int, draw: DrawLatents) -> Tensor:
    """Log-weight of every sample and datum, (K, G) in float64, from draws made `DRAWN` numbers at a time."""
    block = max(1, DRAWN // (len(rows[0]) * _latent_numbers(densities)))
    log_w = torch.empty(num_samples, len(rows[0]), dtype=torch.float64, device=rows[0].device)
    for drawn in _slices(num_samples, block):
        latents, of_block = with_log_densities(draw(drawn)), log_w[drawn]
        at_once = min(len(of_block), chunk)  # many samples of few data: what depends on x or c alone is then cheap
        for data in _slices(len(rows[0]), max(1, chunk // at_once)):
            x, *given = (tensor[data] for tensor in rows)
            for samples in _slices(len(of_block), at_once):
                of_block[samples, data] = densities.score(x, latents.at(samples, data), *given).log_weight
    return log_w


def _is_discrete(densities: Densities, batches: Iterable[Batch]) -> bool:
    """Whether the likelihood gives probabilities to data of several levels: only then do bits/dim mean something."""
    if densities.spec.levels is None or densities.spec.levels <= 2:
        return False
    with evaluating(densities, "kind of likelihood", 0):
        x, *given = next(in_groups(batches, 1))
        support = densities.decode(densities.encode(x, *given), *given).support
    return support is not None and support.is_discrete


def degeneracy(quantities: Mapping[str, Quantity]) -> str | None:
    """Advice if the importance weights of more than a tenth of the data are degenerate, else None."""
    share = quantities.get("degenerate")
    if share is None or not isinstance(share.value, float) or share.value <= 0.1:
        return None
    return (
        f"importance weights degenerate: for {share.value:.0%} of {share.n} data one of K={share.k} samples carries "
        "the estimate (effective sample size below 2), so the NLL is still biased upwards: raise "
        "evaluation.num_samples, or bring q(z | x) closer to p(z | x): richer posterior, larger net, longer training"
    )


def heavy_tail(quantities: Mapping[str, Quantity]) -> str | None:
    """Advice if the importance weights of the median datum have a tail too heavy for their mean, else None."""
    khat = quantities.get("psis_khat")
    if khat is None or not isinstance(khat.value, float) or khat.value <= UNRELIABLE:
        return None
    return (
        f"importance weights with heavy tails: the median Pareto k̂ of {khat.n} data is {khat.value:.2f}, and above "
        f"{UNRELIABLE} their mean, the NLL, is not to be trusted with any practical number of samples: take "
        "evaluation=ais, or bring q(z | x) closer to p(z | x): richer posterior, larger net, longer training"
    )


def in_groups(batches: Iterable[Batch], size: int) -> Iterator[Rows]:
    """The data in groups of ``size``, the last one smaller, however they were batched."""
    held: Rows = ()
    for batch in batches:
        new = (batch.x, *batch.given)
        held = tuple(torch.cat(pair) for pair in zip(held, new, strict=True)) if held else new
        while len(held[0]) >= size:
            yield tuple(tensor[:size] for tensor in held)
            held = tuple(tensor[size:] for tensor in held)
    if held and len(held[0]) > 0:
        yield held


def _slices(total: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, total)) for start in range(0, total, size))


def default_memory(device: torch.device) -> int:
    """Bytes of one chunk: on a CPU 3 MiB a thread, which its caches hold, elsewhere 2 GiB.

    Measured on a CPU: tensors above 1 MiB go back to the system when freed, and taking them again costs a third more.
    """
    return 3 * 2**20 * torch.get_num_threads() if device.type == "cpu" else 2 * 2**30


def _chunk_size(densities: Densities, rows: Rows, memory: int | None) -> int:
    """Pairs of a sample and a datum whose activations fit ``memory``."""
    pair = LIVE * _largest_activation(densities, [tensor[:1] for tensor in rows]) * rows[0].element_size()
    if memory is None:
        return max(LEAST, default_memory(device_of(densities)) // pair)
    return max(1, memory // pair)


def _largest_activation(densities: Densities, row: list[Tensor]) -> int:
    """Numbers in the largest tensor that any submodule returns for one datum and one sample."""
    sizes = [row[0].numel()]

    def note(module: nn.Module, inputs: tuple, output: object) -> None:
        if isinstance(output, Tensor):
            sizes.append(output.numel())

    hooks = [module.register_forward_hook(note) for module in densities.modules()]
    try:
        densities.terms(*row, shape=(1,))
    finally:
        for hook in hooks:
            hook.remove()
    return max(sizes)
