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
    """How well groups agree with classes, when validation data give them names; see `cluster_quantities`."""

    @override
    def __call__(self, densities: Densities, data: Data, split: str, seed: int) -> dict[str, Quantity]:
        return cluster_quantities(densities, data.batches("val"), data.measured(split), seed=seed)


def cluster_quantities(
    densities: Densities, naming: Iterable[Batch], batches: Iterable[Batch], *, seed: int
) -> dict[str, Quantity]:
    """The cluster_error: the share of data whose group is named after another class.

    A group has the label of that datum of ``naming`` which is most probably in it (Makhzani et al. 2015, section 5).

    Args:
        densities: the model.
        naming: labelled data that give groups their names, the validation data.
        batches: the data that are measured.
        seed: for the report; nothing is drawn.

    Raises:
        Undefined: the model finds no groups, or some of the data have no labels.
    """
    grouping = capability(densities, Grouping)
    with evaluating(densities, "clusters", seed):
        named, measured = _group_probs(grouping, naming), _group_probs(grouping, batches)
    names = named[1][named[0].argmax(0)]
    wrong = (names[measured[0].argmax(1)] != measured[1]).to(measured[0].dtype)
    return {"cluster_error": mean_of(wrong, KINDS["cluster_error"], k=None, seed=seed)}


def _group_probs(densities: Grouping, batches: Iterable[Batch]) -> tuple[Tensor, Tensor]:
    """Log q(y | x) (N, C) and the labels (N,) of all data."""
    held = [(densities.log_group_probs(batch.x), batch.y) for batch in batches]
    labels = [y for _, y in held if y is not None]
    if len(labels) < len(held):
        raise Undefined("groups are named by labels, and some of these data have none")
    return torch.cat([log_y for log_y, _ in held]), torch.cat(labels)
