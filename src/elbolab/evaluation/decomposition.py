"""What the rate consists of.

Shapes: n = data used, B = data in a batch, D = latent dimensions.
"""

from dataclasses import dataclass
from math import inf, log, prod
from typing import ClassVar, NamedTuple, final

import torch
from torch import Tensor
from torch.distributions import Distribution
from typing_extensions import override

from elbolab.common.kind import Kind
from elbolab.densities.base import Densities
from elbolab.densities.latents import Latent, Undefined
from elbolab.evaluation.batches import take_first
from elbolab.evaluation.likelihood import GROUP, Rows, in_groups
from elbolab.evaluation.measure import Data, Measure
from elbolab.evaluation.quantity import Quantity, means_of
from elbolab.evaluation.seeded import evaluating

KINDS = {
    "mutual_information": Kind("nats"),
    "marginal_kl": Kind("nats", "lower"),
    "cross_entropy": Kind("nats", "lower"),
    "posterior_entropy": Kind("nats"),
}

PAIR_ELEMENTS = 2**23
"""Elements of one chunk of pairs (z, q(z | x)): 32 MiB in float32."""

BRACKET = 0.2
"""Nats between a lower and an upper estimate of the mutual information, at most: its middle is then within 0.1."""


@final
@dataclass(frozen=True)
class Decomposition(Measure):
    """Two readings of E_x KL(q(z | x) || p(z)), at one draw z ~ q(z | x) per datum.

    Hoffman and Johnson 2016, "ELBO surgery"::

        rate = mutual_information + marginal_kl        I_q(x; z) + KL(q(z) || p(z))
             = cross_entropy - posterior_entropy       E_q(z)[-log p(z)] - E_x H(q(z | x))

    so that -ELBO = distortion - posterior_entropy + cross_entropy. All four use the same draws, so both identities hold
    exactly, up to rounding, for the one-sample rate mean_i log q(z_i | x_i) - log p(z_i). Standard errors take the
    draws as independent.

    Only n data represent q(z), which gives two estimates of the mutual information that bracket it (Poole et al. 2019,
    "On Variational Bounds of Mutual Information", the bounds with a known conditional). With each datum's own posterior
    among the n the estimate is too low in mean and at most log n; without it, it is too high. mutual_information is the
    middle of the bracket, where the bias of first order in 1/n cancels. A bracket wider than `BRACKET` says that the
    estimate has saturated, and marginal_kl would absorb what is missing: both are then absent.

    They are absent too where a draw alone knows its density, as of a flow, so that it is not known at the draws of
    other data; and with conditions c, as p(z | c) differs between data and q(z) has no such prior to be compared with.
    All four are undefined without a prior, of a deterministic or implicit code, and of several layers of latents.

    Args:
        limit: n at most, the first data, all in memory as posteriors; the cost is n^2 densities.
    """

    counts: ClassVar[tuple[str, ...]] = ("limit",)
    limit: int = 2_000

    @override
    def __call__(self, densities: Densities, data: Data, split: str, seed: int) -> dict[str, Quantity]:
        with evaluating(densities, "rate decomposition", seed):
            groups = in_groups(take_first(data.measured(split), self.limit), GROUP)
            latents = [_latent(densities, rows) for rows in groups]
            values = _values(latents, conditional=bool(densities.spec.given))
        return means_of(values, KINDS, k=1, seed=seed, dtype=latents[0].z.dtype)  # densities', not their sums'


@final
class Aggregate(NamedTuple):
    """Estimates of log q(z_i) at the draw of each of n data, (n,) each in float64.

    Attributes:
        with_own: log 1/n sum_j q(z_i | x_j): q(z_i | x_i) is at most n times as large.
        without_own: log 1/(n - 1) sum_{j != i} q(z_i | x_j); -inf where n = 1.
    """

    with_own: Tensor
    without_own: Tensor


def log_aggregate(z: Tensor, posteriors: list[Distribution], pair_elements: int = PAIR_ELEMENTS) -> Aggregate:
    """The aggregate posterior q(z) = E_x q(z | x) at one draw of each posterior, with ``pair_elements`` at a time.

    z is (n, *latent_shape), in the order of the posteriors of n data, in batches of batch shape (B_j,) each.
    """
    n = sum(q.batch_shape[0] for q in posteriors)
    with_own, without_own, first = [], [], 0
    for rows in z.split(max(1, pair_elements // (n * prod(z.shape[1:])))):
        pairs = torch.cat([q.log_prob(rows.unsqueeze(1)).double() for q in posteriors], dim=1)  # log q(z_a | x_b)
        with_own.append(pairs.logsumexp(1) - log(n))
        pairs.diagonal(first).fill_(-inf)
        without_own.append(pairs.logsumexp(1) - log(max(1, n - 1)))
        first += len(rows)
    return Aggregate(torch.cat(with_own), torch.cat(without_own))


def _latent(densities: Densities, rows: Rows) -> Latent:
    """The one latent of the bound, which must not be a relaxed draw.

    Undefined where there is none, there are several, or it is relaxed.
    """
    latent = densities.infer(*rows).only()
    if latent.is_relaxed:
        raise Undefined("the decomposition needs a latent that is drawn from a density")
    return latent


def _values(latents: list[Latent], *, conditional: bool) -> dict[str, Tensor]:
    """Per datum, (n,) in float64."""
    log_posterior = torch.cat([latent.log_q.double() for latent in latents])
    log_prior = torch.cat([latent.log_p.double() for latent in latents])
    values = {"posterior_entropy": -log_posterior, "cross_entropy": -log_prior}
    posteriors = [latent.q for latent in latents if latent.q is not None and latent.drawn_log_q is None]
    if not conditional and len(posteriors) == len(latents):
        log_q = log_aggregate(torch.cat([latent.z for latent in latents]), posteriors)
        if (log_q.with_own - log_q.without_own).mean() <= BRACKET:
            middle = (log_q.with_own + log_q.without_own) / 2
            values |= {"mutual_information": log_posterior - middle, "marginal_kl": middle - log_prior}
    return values
