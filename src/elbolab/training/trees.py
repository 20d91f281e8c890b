"""Functions on batches: nested (named) tuples of tensors, in which None stands for an absent part."""

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor

from elbolab.batch import Semi


def map_tensors(function: Callable[[Tensor], Tensor], tree: Any) -> Any:
    """``tree`` with ``function`` applied to every tensor."""
    match tree:
        case None:
            return None
        case Tensor():
            return function(tree)
        case tuple() if type(tree) is tuple:
            return tuple(map_tensors(function, branch) for branch in tree)
        case _:
            return type(tree)(*(map_tensors(function, branch) for branch in tree))


def leaves(tree: Any) -> Iterator[Tensor]:
    """The tensors of ``tree``, from left to right."""
    if isinstance(tree, Tensor):
        yield tree
    elif tree is not None:
        for branch in tree:
            yield from leaves(branch)


def size_of(batch: Any) -> int:
    """Data in a batch: the rows of its first tensor; of a semi-supervised batch those of its unlabelled part."""
    return size_of(batch.unlabelled) if isinstance(batch, Semi) else len(next(leaves(batch)))


def split_batch(batch: Any, parts: int) -> list[Any]:
    """Splits a batch along the first dimension of its tensors into ``parts`` parts, or fewer if it has fewer rows.

    The labelled data of semi-supervised parts are weighted so that the objectives of the parts, weighted by the sizes
    of the parts, add up to that of the batch.
    """
    parts = min(parts, *(len(leaf) for leaf in leaves(batch)))
    split = [map_tensors(lambda leaf, i=i: leaf.tensor_split(parts)[i], batch) for i in range(parts)]  # type: ignore[misc]
    return [_reweight(part, batch) for part in split]


def _reweight(part: Any, whole: Any) -> Any:
    """A semi-supervised part whose labelled data weigh, in the mean over parts of unequal size, what they did before.

    With b of B unlabelled and l of L labelled data in a part: b / B * mean(weight * cost) = l / L * mean(cost).
    """
    if not isinstance(part, Semi):
        return part
    labelled = len(part.weight) / len(whole.weight)
    return part._replace(weight=part.weight * (labelled * size_of(whole) / size_of(part)))
