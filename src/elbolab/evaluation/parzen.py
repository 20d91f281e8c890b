"""The Parzen-window log-likelihood that was reported before there were better estimates."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from elbolab.batch import Batch
from elbolab.common.kind import Kind
from elbolab.densities.base import Densities
from elbolab.densities.latents import Undefined
from elbolab.evaluation.batches import take_first
from elbolab.evaluation.measure import Data, Measure
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
    """The parzen_log_lik in nats, by windows of a width that validation chooses around means of p(x | z), z ~ p(z).

    Makhzani et al. (2015), table 1. Undefined without a prior, and with conditions.

    Args:
        num_samples: windows; None: it is not measured.
    """

    counts: ClassVar[tuple[str, ...]] = ("num_samples",)
    num_samples: int | None = None

    @override
    def __call__(self, densities: Densities, data: Data, split: str, seed: int) -> dict[str, Quantity]:
        if self.num_samples is None or densities.spec.given:
            raise Undefined("not asked for, or not with conditions")
        with evaluating(densities, "parzen windows", seed):
            samples = densities.generate(self.num_samples).mean.flatten(1)
            choosing = _rows(take_first(data.batches("val"), NUM_CHOOSING))
            scale = SCALES[int(parzen_log_density(choosing, samples, SCALES).mean(1).argmax())]
            (log_px,) = parzen_log_density(_rows(data.measured(split)), samples, [scale]) - densities.spec.log_scale
        return {"parzen_log_lik": mean_of(log_px.cpu(), KINDS["parzen_log_lik"], k=self.num_samples, seed=seed)}


def _rows(batches: Iterable[Batch]) -> Tensor:
    return torch.cat([batch.x.flatten(1) for batch in batches])
