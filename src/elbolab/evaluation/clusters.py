"""How well the groups that a model finds without labels agree with classes.

Shapes: N = data, C = groups.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from typing_extensions import override

from elbolab.batch import Batch
from elbolab.common.kind import Kind
from elbolab.densities.base import Densities
from elbolab.densities.capabilities import Grouping, capability
from elbolab.densities.latents import Undefined
from elbolab.evaluation.measure import Data, Measure
from elbolab.evaluation.quantity import Quantity, mean_of
from elbolab.evaluation.seeded import evaluating

KINDS = {"cluster_error": Kind("fraction", "lower", 190)}


@final
@dataclass(frozen=True)
class Clusters(Measure):
    """The cluster_error of a model that finds groups: the share of data whose group is named after another class.

    A group has the label of that datum of the validation data which is most probably in it (Makhzani et al. 2015,
    section 5).
    """

    @override
    def __call__(self, densities: Densities, data: Data, split: str, seed: int) -> dict[str, Quantity]:
        grouping = capability(densities, Grouping)
        with evaluating(densities, "clusters", seed):
            named, labels = _group_probs(grouping, data.batches("val"))
            probs, y = _group_probs(grouping, data.measured(split))
        names = labels[named.argmax(0)]
        wrong = (names[probs.argmax(1)] != y).to(probs.dtype)
        return {"cluster_error": mean_of(wrong, KINDS["cluster_error"], k=None, seed=seed)}


def _group_probs(densities: Grouping, batches: Iterable[Batch]) -> tuple[Tensor, Tensor]:
    """Log q(y | x) (N, C) and the labels (N,) of all data."""
    held = [(densities.log_group_probs(batch.x), batch.y) for batch in batches]
    labels = [y for _, y in held if y is not None]
    if len(labels) < len(held):
        raise Undefined("groups are named by labels, and some of these data have none")
    return torch.cat([log_y for log_y, _ in held]), torch.cat(labels)
