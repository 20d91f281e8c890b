"""The Parzen-window log-likelihood that was reported before there were better estimates."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from elbolab.batch import Batch
from elbolab.common.kind import Kind
from elbolab.densities.base import Densities
from elbolab.densities.latents import Undefined
from elbolab.evaluation.batches import first
from elbolab.evaluation.quantity import Quantity, mean_of
from elbolab.evaluation.seeded import evaluating
from elbolab.metrics.parzen import parzen_log_density

KINDS = {"parzen_log_lik": Kind("nats", "higher", 115)}

SCALES = tuple(float(scale) for scale in np.logspace(-1, 0, 10))
"""Window widths that validation chooses from, as in Goodfellow et al. (2014)."""

NUM_CHOOSING = 1_000
"""Validation data that choose."""


def parzen_quantities(
    densities: Densities, choosing: Iterable[Batch], batches: Iterable[Batch], *, seed: int, num_samples: int | None
) -> dict[str, Quantity]:
    """parzen_log_lik, nats: by windows around so many means p(x | z) at draws of the prior, their width by validation.

    Makhzani et al. (2015), table 1. Empty where it is not asked for, without a prior, or with conditions.

    Args:
        densities: the model.
        choosing: the validation data.
        batches: the data that are measured.
        seed: of the draws.
        num_samples: windows; None: it is not asked for.
    """
    if num_samples is None or densities.spec.given:
        return {}
    with evaluating(densities, "parzen windows", seed):
        try:
            samples = densities.generate(num_samples).mean.flatten(1)
        except Undefined:
            return {}
        on_validation = parzen_log_density(_rows(first(choosing, NUM_CHOOSING)), samples, SCALES).mean(1)
        scale = SCALES[int(on_validation.argmax())]
        (log_px,) = parzen_log_density(_rows(batches), samples, [scale]) - densities.spec.log_scale
    return {"parzen_log_lik": mean_of(log_px.cpu(), KINDS["parzen_log_lik"], k=num_samples, seed=seed)}


def _rows(batches: Iterable[Batch]) -> Tensor:
    return torch.cat([batch.x.flatten(1) for batch in batches])
