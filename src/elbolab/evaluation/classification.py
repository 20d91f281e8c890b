"""How often a model that names classes is wrong."""

from dataclasses import dataclass
from typing import final

import torch
from typing_extensions import override

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
    """The error of a model that names classes: the share of data whose most probable class is not their label."""

    @override
    def __call__(self, densities: Densities, data: Data, split: str, seed: int) -> dict[str, Quantity]:
        classifying, batches = capability(densities, Classifying), data.measured(split)
        with evaluating(densities, "classification", seed):
            rows = [is_wrong(classifying.log_class_probs(b.x), b.y).cpu() for b in batches if b.y is not None]
        if not rows:
            raise Undefined("no error: these data have no labels")
        return {"error": mean_of(torch.cat(rows), ERROR, k=None, seed=seed)}
