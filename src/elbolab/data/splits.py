"""The arrays of a data set, and what must hold of them before a model sees them.

Shapes: n = data, ``*event`` = one datum's shape, F = factors.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, Self, final

import numpy as np

from elbolab.batch import Spec

CHUNK = 4096
"""Data looked at together, so that a memory-mapped array is never read whole."""


@final
@dataclass(frozen=True)
class Arrays:
    """One split of a data set, in RAM or memory-mapped.

    Attributes:
        x: the data, (n, *event): integers k that stand for k / (levels - 1), or floats as they are.
        y: class labels, (n,) integers, or None.
        factors: ground-truth factors, (n, F) integers, or None.
        levels: number of values that the integers of ``x`` take; None for floats.
        draws: whether ``x`` are Bernoulli probabilities from which binary data are drawn anew at every use.
    """

    x: np.ndarray
    y: np.ndarray | None = None
    factors: np.ndarray | None = None
    levels: int | None = None
    draws: bool = False

    def __len__(self) -> int:
        """Number of data, n."""
        return len(self.x)

    def rows(self, index: slice | np.ndarray) -> Self:
        """The given data; a slice makes views, an index array copies."""
        parts = {name: part[index] for name, part in vars(self).items() if isinstance(part, np.ndarray)}
        return replace(self, **parts)

    def chunks(self) -> Iterator[np.ndarray]:
        """``x`` in consecutive pieces, float64 in the scale of the data."""
        scale = 1 if self.levels is None else self.levels - 1
        for start in range(0, len(self), CHUNK):
            yield np.asarray(self.x[start : start + CHUNK], dtype=np.float64) / scale

    @property
    def nbytes(self) -> int:
        """Size of the arrays."""
        return sum(part.nbytes for part in vars(self).values() if isinstance(part, np.ndarray))

    @property
    def on_disk(self) -> bool:
        """Whether ``x`` is memory-mapped."""
        return isinstance(self.x, np.memmap)


class Splits(NamedTuple):
    """The three parts of a data set."""

    train: Arrays
    val: Arrays
    test: Arrays


def check(splits: Splits, spec: Spec, batch_size: int) -> None:
    """Makes sure that every split can be trained and evaluated on.

    Raises:
        ValueError: too few data, another shape than the spec's, values that are not finite, or labels out of range.
    """
    for name, arrays in splits._asdict().items():
        _check_size(name, len(arrays), batch_size if name == "train" else 1)
        _check_shape(name, arrays, spec)
        _check_labels(name, arrays, spec)
        _check_finite(name, arrays)


def _check_size(name: str, num: int, least: int) -> None:
    if num < least:
        raise ValueError(
            f"too few data: the {name} split has {num}, needs at least {least} "
            "(lower data.batch_size, or change the sizes of the splits)"
        )


def _check_shape(name: str, arrays: Arrays, spec: Spec) -> None:
    if arrays.x.shape[1:] != spec.x:
        raise ValueError(f"the {name} split has data of shape {arrays.x.shape[1:]}, where the spec says {spec.x}")
    for part in (arrays.y, arrays.factors):
        if part is not None and len(part) != len(arrays):
            raise ValueError(f"the {name} split has {len(arrays)} data, but {len(part)} labels or factors")


def _check_labels(name: str, arrays: Arrays, spec: Spec) -> None:
    if spec.num_classes is None or arrays.y is None:
        return
    low, high = int(arrays.y.min()), int(arrays.y.max())
    if low < 0 or high >= spec.num_classes:
        raise ValueError(f"the {name} split has labels from {low} to {high}, where 0 to {spec.num_classes - 1} belong")


def _check_finite(name: str, arrays: Arrays) -> None:
    if arrays.levels is not None:
        return
    wrong = np.concatenate([~np.isfinite(x).reshape(len(x), -1).all(1) for x in arrays.chunks()])
    if wrong.any():
        raise ValueError(
            f"NaN or infinite values in {wrong.sum()} of {len(wrong)} data of the {name} split, the first at index "
            f"{wrong.argmax()}: remove or mend them"
        )
