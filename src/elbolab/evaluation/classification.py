"""How often a model that names classes is wrong."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import torch
from typing_extensions import override

from elbolab.batch import Batch
from elbolab.common.kind import ERROR
from elbolab.densities.base import Densities
from elbolab.densities.capabilities import Classifying, capability
from elbolab.densities.latents import Undefined
from elbolab.evaluation.measure import Data, Measure
from elbolab.evaluation.quantity import Quantity, mean_of
from elbolab.evaluation.seeded import evaluating
from elbolab.metrics.classification import is_wrong

KINDS = {"error": ERROR}


@final
@dataclass(frozen=True)
class Classification(Measure):
    """How often a model that names classes is wrong; see `classification_quantities`."""

    @override
    def __call__(self, densities: Densities, data: Data, split: str, seed: int) -> dict[str, Quantity]:
        return classification_quantities(densities, data.measured(split), seed=seed)


def classification_quantities(densities: Densities, batches: Iterable[Batch], *, seed: int) -> dict[str, Quantity]:
    """The error: the share of data whose most probable class is not their label.

    Raises:
        Undefined: the model names no classes, or the data have no labels.
    """
    classifying = capability(densities, Classifying)
    with evaluating(densities, "classification", seed):
        rows = [is_wrong(classifying.log_class_probs(b.x), b.y).cpu() for b in batches if b.y is not None]
    if not rows:
        raise Undefined("no error: these data have no labels")
    return {"error": mean_of(torch.cat(rows), ERROR, k=None, seed=seed)}
