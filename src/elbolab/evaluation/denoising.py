"""The bounds that a denoising model is trained by, and how well any model restores corrupted data.

Shapes: N = data, G = data in a group, M = corruptions of a datum; nats unless said otherwise.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import ClassVar, final

from torch import Tensor
from typing_extensions import override

from elbolab.batch import Batch
from elbolab.common.kind import DVAE_BOUND, MSE, Kind
from elbolab.common.rng import seed_device, seed_of
from elbolab.densities.base import Densities
from elbolab.densities.capabilities import Corrupting, capability
from elbolab.densities.denoising import corrupted_terms
from elbolab.densities.latents import Undefined
from elbolab.distributions.corruption import MakeCorruption, check_corruptions
from elbolab.evaluation.likelihood import GROUP, in_groups
from elbolab.evaluation.measure import Data, Measure, check_counts
from elbolab.evaluation.proposals import Rows, mixture_log_prob
from elbolab.evaluation.quantity import Quantity, in_units_of, mean_of
from elbolab.evaluation.ranks import share_out
from elbolab.evaluation.seeded import device_of, evaluating
from elbolab.metrics.images import mse

KINDS = {
    "dvae_bound": DVAE_BOUND,
    "mixture_bound": Kind("nats", "higher", 50),
    "restoration": Kind("nats", "lower", 220),
    "restoration_mse": replace(MSE, headline=230),
    "corruption_mse": Kind(MSE.unit),
}


@final
@dataclass(frozen=True)
class DenoisingBounds(Measure):
    """What a denoising model is trained by; see `denoising_bounds`.

    Args:
        num_corruptions: M, of each datum.
    """

    is_shared: ClassVar[bool] = True
    num_corruptions: int

    def __post_init__(self) -> None:
        check_counts(self, "num_corruptions")

    @override
    def __call__(self, densities: Densities, data: Data, split: str, seed: int) -> dict[str, Quantity]:
        batches = data.measured(split)
        return denoising_quantities(densities, batches, num_corruptions=self.num_corruptions, seed=seed)


@final
@dataclass(frozen=True)
class Restoration(Measure):
    """How a model restores corrupted data; see `restoration_quantities`.

    Args:
        corruption: recipe of what is done to them; None: nothing.
    """

    is_shared: ClassVar[bool] = True
    corruption: MakeCorruption | None = None

    @override
    def __call__(self, densities: Densities, data: Data, split: str, seed: int) -> dict[str, Quantity]:
        return restoration_quantities(densities, data.measured(split), self.corruption, seed=seed)


def denoising_quantities(
    densities: Densities, batches: Iterable[Batch], *, num_corruptions: int, seed: int
) -> dict[str, Quantity]:
    """``dvae_bound`` and ``mixture_bound`` of a denoising model, see `denoising_bounds`."""
    bounds = denoising_bounds(densities, batches, num_corruptions=num_corruptions, seed=seed)
    return {name: mean_of(values, KINDS[name], k=num_corruptions, seed=seed) for name, values in bounds.items()}


def denoising_bounds(
    densities: Densities, batches: Iterable[Batch], *, num_corruptions: int, seed: int
) -> dict[str, Tensor]:
    """Two bounds per datum, (N,) each, from one draw of z under each of M corruptions.

    ``dvae_bound`` is L_dvae = E log p(x, z) / q(z | x~). ``mixture_bound`` divides by the equal mixture of q over that
    datum's M corruptions. Its mean lies between L_dvae, which it is for M = 1, and E_q~ log p(x, z) / q~(z | x), its
    limit for large M, which is I(z; x~ | x) above L_dvae. Like both, it does not exceed log p(x).

    Raises:
        Undefined: the model corrupts nothing.
    """
    capability(densities, Corrupting)

    def measure(number: int, rows: Rows) -> dict[str, Tensor]:
        seed_device(device_of(densities), seed_of("denoising bounds", seed, number))
        return _bounds(densities, rows, num_corruptions)

    with evaluating(densities, "denoising bounds", seed):
        return share_out(measure, in_groups(batches, max(1, GROUP // num_corruptions)))


def _bounds(densities: Densities, rows: Rows, num_corruptions: int) -> dict[str, Tensor]:
    """Both bounds of one group, (G,) each; the second only of one layer of latents."""
    terms = corrupted_terms(densities, *rows, corruption_shape=(num_corruptions,))
    bounds = {"dvae_bound": terms.elbo.mean(0)}
    with suppress(Undefined):
        latent = terms.latents.only()
        if latent.q is None or latent.drawn_log_q is not None:
            raise Undefined("no mixture over corruptions: the density of q(z | x~) is known at its own draws alone")
        log_weight = terms.log_weight + latent.log_q - mixture_log_prob(latent.q, latent.z)
        bounds["mixture_bound"] = log_weight.mean(0)
    return bounds


def restoration_quantities(
    densities: Densities, batches: Iterable[Batch], corruption: MakeCorruption | None, *, seed: int
) -> dict[str, Quantity]:
    """How a model restores corrupted data: of every model with a code, denoising or not, and every corruption.

    Args:
        densities: the model.
        batches: clean data.
        corruption: recipe of what is done to them, the same under the same seed for every model; None: nothing.
        seed: of the corruptions.

    Returns:
        restoration, -log p(x | z = code of x~) of the clean x, in nats; restoration_mse, the squared error of its mean
        an element; and corruption_mse, that of x~ itself.

    Raises:
        Undefined: there is no corruption, or nothing is decoded.
        ValueError: a corruption that is none of this data.
    """
    if corruption is None:
        raise Undefined("no corruption, and so no restoration")
    corrupt = corruption()
    check_corruptions(corrupt, densities.spec)

    def measure(number: int, rows: Rows) -> dict[str, Tensor]:
        seed_device(device_of(densities), seed_of("restoration", seed, number))
        x, *given = rows
        corrupted = corrupt(x)
        p = densities.decode(densities.encode(corrupted, *given), *given)
        errors = {"restoration_mse": mse(p.mean, x), "corruption_mse": mse(corrupted, x)}
        return {"restoration": -p.log_prob(x)} | errors

    with evaluating(densities, "restoration", seed):
        found = share_out(measure, in_groups(batches, GROUP))
    kinds = KINDS | {name: in_units_of(densities.spec, KINDS[name]) for name in ("restoration_mse", "corruption_mse")}
    return {name: mean_of(values, kinds[name], k=1, seed=seed) for name, values in found.items()}
