"""What groups without names have to do with classes.

Shapes: N = data, C = groups.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from elbolab.batch import Batch
from elbolab.common.kind import Kind
from elbolab.densities.base import Densities
from elbolab.densities.capabilities import Grouping
from elbolab.evaluation.quantity import Quantity, mean_of
from elbolab.evaluation.seeded import evaluating

KINDS = {"cluster_error": Kind("fraction", "lower", 190)}


def cluster_quantities(
    densities: Densities, naming: Iterable[Batch], batches: Iterable[Batch], *, seed: int
) -> dict[str, Quantity]:
    """cluster_error: the share of data whose group is named after another class; empty without groups or labels.

    A group has the label of the datum of ``naming`` that it is surest of (Makhzani et al. 2015, section 5).

    Args:
        densities: the model.
        naming: labelled data that give groups their names, the validation data.
        batches: the data that are measured.
        seed: for the report; nothing is drawn.
    """
    if not isinstance(densities, Grouping):
        return {}
    with evaluating(densities, "clusters", seed):
        named, measured = _group_probs(densities, naming), _group_probs(densities, batches)
    if named is None or measured is None:
        return {}
    names = named[1][named[0].argmax(0)]
    wrong = (names[measured[0].argmax(1)] != measured[1]).to(measured[0].dtype)
    return {"cluster_error": mean_of(wrong, KINDS["cluster_error"], k=None, seed=seed)}


def _group_probs(densities: Grouping, batches: Iterable[Batch]) -> tuple[Tensor, Tensor] | None:
    """Log q(y | x) (N, C) and the labels (N,) of all data; None where some have no label."""
    held = [(densities.log_group_probs(batch.x), batch.y) for batch in batches]
    labels = [y for _, y in held if y is not None]
    return (torch.cat([log_y for log_y, _ in held]), torch.cat(labels)) if len(labels) == len(held) else None
