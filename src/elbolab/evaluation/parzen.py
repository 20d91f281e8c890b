"""The Parzen-window log-likelihood that was reported before there were better estimates."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from elbolab.batch import Batch
from elbolab.common.kind import Kind
from elbolab.densities.base import Densities
from elbolab.densities.latents import Undefined
from elbolab.evaluation.batches import take_first
from elbolab.evaluation.measure import Data, Measure, check_counts
from elbolab.evaluation.quantity import Quantity, mean_of
from elbolab.evaluation.seeded import evaluating
from elbolab.metrics.parzen import parzen_log_density

KINDS = {"parzen_log_lik": Kind("nats", "higher", 115)}

SCALES = tuple(float(scale) for scale in np.logspace(-1, 0, 10))
"""Window widths that validation chooses from, as in Goodfellow et al. (2014)."""

NUM_CHOOSING = 1_000
"""Validation data that choose."""


@final
@dataclass(frozen=True)
class Parzen(Measure):
    """The Parzen-window log-likelihood, by windows that validation data choose; see `parzen_quantities`.

    Args:
        num_samples: windows; None: it is not measured.
    """

    num_samples: int | None = None

    def __post_init__(self) -> None:
        check_counts(self, "num_samples")

    @override
    def __call__(self, densities: Densities, data: Data, split: str, seed: int) -> dict[str, Quantity]:
        batches = data.batches("val"), data.measured(split)
        return parzen_quantities(densities, *batches, seed=seed, num_samples=self.num_samples)


def parzen_quantities(
    densities: Densities, choosing: Iterable[Batch], batches: Iterable[Batch], *, seed: int, num_samples: int | None
) -> dict[str, Quantity]:
    """The parzen_log_lik in nats, by windows of a width that validation chooses around means of p(x | z), z ~ p(z).

    Makhzani et al. (2015), table 1.

    Args:
        densities: the model.
        choosing: the validation data.
        batches: the data that are measured.
        seed: of the draws.
        num_samples: windows; None: it is not asked for.

    Raises:
        Undefined: it is not asked for, or the model has no prior, or conditions.
    """
    if num_samples is None or densities.spec.given:
        raise Undefined("not asked for, or not with conditions")
    with evaluating(densities, "parzen windows", seed):
        samples = densities.generate(num_samples).mean.flatten(1)
        on_validation = parzen_log_density(_rows(take_first(choosing, NUM_CHOOSING)), samples, SCALES).mean(1)
        scale = SCALES[int(on_validation.argmax())]
        (log_px,) = parzen_log_density(_rows(batches), samples, [scale]) - densities.spec.log_scale
    return {"parzen_log_lik": mean_of(log_px.cpu(), KINDS["parzen_log_lik"], k=num_samples, seed=seed)}


def _rows(batches: Iterable[Batch]) -> Tensor:
    return torch.cat([batch.x.flatten(1) for batch in batches])
