"""How well the aggregate posterior q(z), the distribution of the codes of all data, matches the model's prior.

Shapes: N = data used, D = latent dimensions.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import torch
from torch import Tensor
from torch.distributions import Distribution
from typing_extensions import override

from elbolab.batch import Batch
from elbolab.common.kind import MMD2, Kind
from elbolab.densities.base import Densities
from elbolab.densities.checks import is_discrete
from elbolab.densities.latents import Undefined
from elbolab.distributions.planar import coordinate_cdf
from elbolab.distributions.priors import Partitioned
from elbolab.evaluation.batches import take_first
from elbolab.evaluation.likelihood import GROUP, Rows, in_groups
from elbolab.evaluation.measure import Data, Measure
from elbolab.evaluation.quantity import Quantity, describe
from elbolab.evaluation.seeded import evaluating
from elbolab.metrics.match import ks_between, ks_to_uniform, mmd2

KINDS = {"mmd2": MMD2, "mmd2_null": Kind("squared distance"), "ks": Kind("probability", "lower")}

LARGE = 100_000
"""Number of draws that represent a prior whose coordinates have no known distribution function."""


@final
class Match(NamedTuple):
    """Codes and draws of the prior, one of each for every datum.

    Attributes:
        z: z ~ q(z | x), (N, D).
        drawn: draws of the prior under the same conditions, (N, D).
        p: the prior where it is one for all data, None where it depends on conditions.
        y: class labels, (N,), None where the data have none.
    """

    z: Tensor
    drawn: Tensor
    p: Distribution | None
    y: Tensor | None


@final
@dataclass(frozen=True)
class Aggregation(Measure):
    """mmd2 and ks between q(z) and the prior, of a model with one continuous latent beside its categories.

    ``mmd2`` is under the mean of the kernels of `metrics.match.mmd2`, without bias; ``ks`` has one distance a
    coordinate, to the prior's distribution function where it is known, else to a large draw. Undefined of one datum.

    Args:
        limit: N at most, the first data; the cost is N^2, a third of a second for 10,000.
        null_pairs: ``mmd2_null`` is the 99th percentile of mmd2 between so many pairs of draws of the prior, N points
            each; each pair costs as much as mmd2. None: none.
    """

    counts: ClassVar[tuple[str, ...]] = ("limit", "null_pairs")
    limit: int = 10_000
    null_pairs: int | None = None

    @override
    def __call__(self, densities: Densities, data: Data, split: str, seed: int) -> dict[str, Quantity]:
        with evaluating(densities, "aggregate posterior", seed):
            match = match_codes(densities, take_first(data.measured(split), self.limit))
            if len(match.z) < 2:
                raise Undefined("one datum is no distribution")
            values: dict[str, float | list[float]] = {
                "mmd2": mmd2(match.z, match.drawn).mean().item(),
                "ks": _ks_distances(match),
            }
            if self.null_pairs is not None and match.p is not None:
                values["mmd2_null"] = null_percentile(match.p, len(match.z), self.null_pairs)
        n, dtype = len(match.z), describe(match.z.dtype)
        return {name: Quantity(value, None, n, 1, seed, dtype, KINDS[name]) for name, value in values.items()}


def match_codes(densities: Densities, batches: Iterable[Batch]) -> Match:
    """Codes and draws of the prior; Undefined without a prior, or without one single continuous latent variable."""
    held = list(batches)
    pairs = [_latent(densities, rows) for rows in in_groups(held, GROUP)]
    z = torch.cat([codes for codes, _ in pairs])
    drawn = torch.cat([_draw(p, len(codes)) for codes, p in pairs])
    p = pairs[0][1]
    labels = [batch.y for batch in held if batch.y is not None]
    y = torch.cat(labels) if len(labels) == len(held) else None
    return Match(z, drawn, None if p.batch_shape else p, y)


def null_percentile(p: Distribution, num: int, pairs: int) -> float:
    """The 99th percentile of mmd2 between two draws of ``p`` of ``num`` points, over so many pairs."""
    values = [mmd2(_draw(p, num), _draw(p, num)).mean() for _ in range(pairs)]
    return torch.stack(values).quantile(0.99).item()


def labelled_draws(p: Distribution, num: int) -> tuple[Tensor, Tensor | None]:
    """Draws of ``p`` (num, D), and the part that each is from where it has labelled parts."""
    if not isinstance(p, Partitioned):
        return _draw(p, num), None
    labels = torch.arange(num, device=p.device) % p.num_labels
    return p.sample_of(labels), labels


def _latent(densities: Densities, rows: Rows) -> tuple[Tensor, Distribution]:
    """The draw of the one continuous latent variable, and its prior."""
    match [latent for latent in densities.infer(*rows) if latent.p is None or not is_discrete(latent.p)]:
        case [latent] if latent.p is not None:
            return latent.z.flatten(1), latent.p
    raise Undefined("q(z) is compared with the prior of a model with one continuous latent variable")


def _draw(p: Distribution, num: int) -> Tensor:
    """``num`` draws, or one for each condition of a batch, (num, D)."""
    return p.sample(() if p.batch_shape else (num,)).flatten(1)


def _ks_distances(match: Match) -> list[float]:
    if match.p is None:
        return ks_between(match.z.cpu().numpy(), match.drawn.cpu().numpy())
    try:
        return ks_to_uniform(coordinate_cdf(match.p, match.z.double()).cpu().numpy())
    except NotImplementedError:
        return ks_between(match.z.cpu().numpy(), _draw(match.p, LARGE).cpu().numpy())
