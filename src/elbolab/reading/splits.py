"""The arrays of a data set, whole or as splits.

Shapes: n = data, ``*event`` = one datum's shape, F = factors.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any, NamedTuple, Self, final

import numpy as np

from elbolab.batch import Shape

CHUNK = 1024
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
        packed: shape of one datum where ``x`` (n, bytes) holds binary data as bits (`numpy.packbits`), else None.
        given: conditions that the data bring along, (n, *shape) floats or booleans as they are or bytes k that stand
            for k / 255, or None.
    """

    x: "np.ndarray | Selection"
    y: np.ndarray | None = None
    factors: np.ndarray | None = None
    levels: int | None = None
    draws: bool = False
    packed: Shape | None = None
    given: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def event(self) -> Shape:
        """Shape of one datum."""
        return self.x.shape[1:] if self.packed is None else self.packed

    def rows(self, index: slice | np.ndarray) -> Self:
        """The data at ``index``, in RAM."""
        return self._map(lambda part: part[index])

    def select(self, index: slice | np.ndarray) -> Self:
        """The data at ``index`` as a split of its own; of memory-mapped arrays only the index is kept."""

        def select_rows(part: np.ndarray | Selection) -> np.ndarray | Selection:
            if isinstance(part, Selection):
                return Selection(part.base, part.index[index], part.change, part.dtype)
            return Selection(part, np.arange(len(part))[index]) if isinstance(part, np.memmap) else part[index]

        return self._map(select_rows)

    def chunks(self) -> Iterator[np.ndarray]:
        """``x`` as it is stored, but unpacked, in consecutive pieces (up to CHUNK, *event)."""
        for start in range(0, len(self), CHUNK):
            x = self.x[start : start + CHUNK]
            shape = (len(x), *self.event)
            yield x if self.packed is None else np.unpackbits(x, axis=1, count=prod(self.packed)).reshape(shape)

    @property
    def nbytes(self) -> int:
        """Size of all rows."""
        return sum(part.nbytes for part in (self.x, self.y, self.factors, self.given) if part is not None)

    @property
    def on_disk(self) -> bool:
        """Whether ``x`` is memory-mapped."""
        return isinstance(self.x, np.memmap | Selection)

    def _map(self, change: Callable[[Any], Any]) -> Self:
        known = {"x": self.x, "y": self.y, "factors": self.factors, "given": self.given}
        return replace(self, **{name: change(part) for name, part in known.items() if part is not None})


@final
class Selection:
    """Some rows (n,) of a memory-mapped array, read when they are asked for, and changed to others of ``dtype``."""

    def __init__(
        self,
        base: np.ndarray,
        index: np.ndarray,
        change: Callable[[np.ndarray], np.ndarray] | None = None,
        dtype: np.dtype | None = None,
    ) -> None:
        self.base, self.index, self.change = base, index, change
        self.shape = (len(index), *base.shape[1:])
        self.dtype = base.dtype if dtype is None else dtype
        self.nbytes = prod(self.shape) * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        found = np.asarray(self.base[self.index[rows]])
        return found if self.change is None else self.change(found)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)


class Splits(NamedTuple):
    """The three parts of a data set."""

    train: Arrays
    val: Arrays
    test: Arrays


def split_at_random(arrays: Arrays, val_size: int, test_size: int, seed: int, train_size: int | None = None) -> Splits:
    """Disjoint random splits; the test and validation data do not depend on ``train_size``.

    Validation and test data stay in the order drawn, so that the first of them, which pictures show and limits keep,
    are a random sample too. Training data are in the order of ``arrays``, in which they are read fastest.

    The order comes from the bare seed and no named stream: the published runs and recorded curves on digits and
    dSprites were split so, and a run on own data of before would be measured on rows that it was trained on.
    """
    held_out = val_size + test_size
    if len(arrays) < held_out + (train_size or 1):
        left = f"{train_size or 'at least 1'} must be left to train on"
        raise ValueError(f"too few data: {len(arrays)}, of which {val_size} validate and {test_size} test, and {left}")
    order = np.random.default_rng(seed).permutation(len(arrays))
    train = np.sort(order[held_out:][:train_size])
    return Splits(*(arrays.select(part) for part in (train, order[test_size:held_out], order[:test_size])))
