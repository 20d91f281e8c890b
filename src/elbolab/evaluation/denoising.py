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
from elbolab.evaluation.batches import share_out
from elbolab.evaluation.likelihood import GROUP, in_groups
from elbolab.evaluation.measure import Data, Measure
from elbolab.evaluation.proposals import Rows, mixture_log_prob
from elbolab.evaluation.quantity import Quantity, in_units_of, means_of
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
    counts: ClassVar[tuple[str, ...]] = ("num_corruptions",)
    num_corruptions: int

    @override
    def __call__(self, densities: Densities, data: Data, split: str, seed: int) -> dict[str, Quantity]:
        bounds = denoising_bounds(densities, data.measured(split), num_corruptions=self.num_corruptions, seed=seed)
        return means_of(bounds, KINDS, k=self.num_corruptions, seed=seed)


def denoising_bounds(
    densities: Densities, batches: Iterable[Batch], *, num_corruptions: int, seed: int
) -> dict[str, Tensor]:
    """Two bounds per datum, (N,) each, from one draw of z under each of M corruptions.

    ``dvae_bound`` is L_dvae = E log p(x, z) / q(z | x~). ``mixture_bound`` divides by the equal mixture of q over that
    datum's M corruptions. Its mean lies between L_dvae, which it is for M = 1, and E_q~ log p(x, z) / q~(z | x), its
    limit for large M, which is I(z; x~ | x) above L_dvae. Like both, it does not exceed log p(x).

    Undefined where the model corrupts nothing.
    """
    capability(densities, Corrupting)

    def measure(number: int, rows: Rows) -> dict[str, Tensor]:
        seed_device(device_of(densities), seed_of("denoising bounds", seed, number))
        terms = corrupted_terms(densities, *rows, corruption_shape=(num_corruptions,))
        bounds = {"dvae_bound": terms.elbo.mean(0)}
        with suppress(Undefined):  # of several layers of latents, there is only the first
            latent = terms.latents.only()
            if latent.q is None or latent.drawn_log_q is not None:
                raise Undefined("no mixture over corruptions: the density of q(z | x~) is known at its own draws alone")
            log_weight = terms.log_weight + latent.log_q - mixture_log_prob(latent.q, latent.z)
            bounds["mixture_bound"] = log_weight.mean(0)
        return bounds

    with evaluating(densities, "denoising bounds", seed):
        return share_out(measure, in_groups(batches, max(1, GROUP // num_corruptions)))


@final
@dataclass(frozen=True)
class Restoration(Measure):
    """How a model restores corrupted data: of every model with a code, denoising or not, and every corruption.

    ``restoration`` is -log p(x | z = code of x~) of the clean x, ``restoration_mse`` the squared error of its mean an
    element, ``corruption_mse`` that of x~ itself. Undefined where nothing is decoded.

    Args:
        corruption: recipe of what is done to clean data, the same under the same seed for every model; None: nothing.
    """

    is_shared: ClassVar[bool] = True
    corruption: MakeCorruption | None = None

    @override
    def __call__(self, densities: Densities, data: Data, split: str, seed: int) -> dict[str, Quantity]:
        if self.corruption is None:
            raise Undefined("no corruption, and so no restoration")
        corrupt = self.corruption()
        check_corruptions(corrupt, densities.spec)

        def measure(number: int, rows: Rows) -> dict[str, Tensor]:
            seed_device(device_of(densities), seed_of("restoration", seed, number))
            x, *given = rows
            corrupted = corrupt(x)
            p = densities.decode(densities.encode(corrupted, *given), *given)
            errors = {"restoration_mse": mse(p.mean, x), "corruption_mse": mse(corrupted, x)}
            return {"restoration": -p.log_prob(x)} | errors

        with evaluating(densities, "restoration", seed):
            found = share_out(measure, in_groups(data.measured(split), GROUP))
        of_errors = {name: in_units_of(densities.spec, KINDS[name]) for name in ("restoration_mse", "corruption_mse")}
        return means_of(found, KINDS | of_errors, k=1, seed=seed)
