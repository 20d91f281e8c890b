"""How often a model that names classes is wrong."""

from collections.abc import Iterable

import torch

from elbolab.batch import Batch
from elbolab.common.kind import ERROR
from elbolab.densities.base import Densities
from elbolab.densities.capabilities import Classifying
from elbolab.evaluation.quantity import Quantity, mean_of
from elbolab.evaluation.seeded import evaluating
from elbolab.metrics.classification import wrong

KINDS = {"error": ERROR}


def classification_quantities(densities: Densities, batches: Iterable[Batch], *, seed: int) -> dict[str, Quantity]:
    """error: the share of data whose most probable class is not their label; absent without labels."""
    if not isinstance(densities, Classifying):
        return {}
    with evaluating(densities, "classification", seed):
        rows = [wrong(densities.log_class_probs(b.x), b.y).cpu() for b in batches if b.y is not None]
    return {"error": mean_of(torch.cat(rows), ERROR, k=None, seed=seed)} if rows else {}
