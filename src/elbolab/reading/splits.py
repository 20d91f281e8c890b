"""The arrays of a data set, and what must hold of them before a model sees them.

Shapes: n = data, ``*event`` = one datum's shape, F = factors.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any, NamedTuple, Self, final

import numpy as np
import torch

from elbolab.batch import Shape, Spec

Change = Callable[[np.ndarray], np.ndarray]
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
        """The given data, in RAM."""
        return self._map(lambda part: part[index])

    def select(self, index: slice | np.ndarray) -> Self:
        """The given data as a split of its own; of memory-mapped arrays only the index is kept."""
        return self._map(lambda part: _select(part, index))

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
        known = (self.y, self.factors, self.given)
        y, factors, given = (None if part is None else change(part) for part in known)
        return replace(self, x=change(self.x), y=y, factors=factors, given=given)


@final
class Selection:
    """Some rows of a memory-mapped array, read when they are asked for.

    Args:
        base: the array.
        index: row numbers (n,).
        change: rows of the array -> rows of the same shape; None for the array's own.
        dtype: the type of these rows, None for that of the array.
    """

    def __init__(
        self, base: np.ndarray, index: np.ndarray, change: Change | None = None, dtype: np.dtype | None = None
    ) -> None:
        self.base = base
        self.index = index
        self.change = change
        self.shape = (len(index), *base.shape[1:])
        self.dtype = base.dtype if dtype is None else dtype
        self.nbytes = prod(self.shape) * self.dtype.itemsize

    def select(self, index: slice | np.ndarray) -> Self:
        """Some of these rows."""
        return type(self)(self.base, self.index[index], self.change, self.dtype)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        found = np.asarray(self.base[self.index[rows]])
        return found if self.change is None else self.change(found)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)


def _select(part: np.ndarray | Selection, index: slice | np.ndarray) -> np.ndarray | Selection:
    if isinstance(part, Selection):
        return part.select(index)
    return Selection(part, np.arange(len(part))[index]) if isinstance(part, np.memmap) else part[index]


class Splits(NamedTuple):
    """The three parts of a data set."""

    train: Arrays
    val: Arrays
    test: Arrays


def check_splits(splits: Splits, header: Spec) -> None:
    """Makes sure that every split can be trained and evaluated on.

    Args:
        splits: the arrays.
        header: what they are to be, as they are stored: before a model's conditions are taken from them.

    Raises:
        ValueError: an empty split, another shape than the spec's, values that are not finite, or labels out of range.
    """
    for name, arrays in splits._asdict().items():
        if len(arrays) == 0:
            raise ValueError(f"too few data: the {name} split has none; give more data, or make that split larger")
        _check_shapes(f"the {name} split has", arrays, splits.train, header)
        _check_ranges(f"the {name} split has", arrays, header)
        if arrays.levels is None:
            check_finite(arrays.chunks(), f"the {name} split")


def _check_shapes(it_has: str, arrays: Arrays, train: Arrays, spec: Spec) -> None:
    if arrays.event != spec.x:
        raise ValueError(f"{it_has} data of shape {arrays.event}, where the spec says {spec.x}")
    known = (("labels", arrays.y, train.y, 1), ("factors", arrays.factors, train.factors, 2))
    for kind, part, of_train, ndim in known:
        if part is None and of_train is not None:
            raise ValueError(f"{it_has} no {kind}, where the train split has: give all splits or none")
        if part is not None and len(part) != len(arrays):
            raise ValueError(f"{it_has} {len(arrays)} data, but {len(part)} labels or factors")
        if part is not None and part.ndim != ndim:
            raise ValueError(
                f"{it_has} {kind} of shape {part.shape}: labels y are (n,), which y.squeeze() may give; factors are "
                "(n, F)"
            )
    shapes = () if arrays.given is None else (arrays.given.shape[1:],)
    if shapes != spec.given:
        raise ValueError(f"{it_has} conditions of shapes {shapes}, where the spec says {spec.given}")
    if arrays.given is not None and len(arrays.given) != len(arrays):
        raise ValueError(f"{it_has} {len(arrays)} data, but {len(arrays.given)} conditions")


def _check_ranges(it_has: str, arrays: Arrays, spec: Spec) -> None:
    if spec.num_classes is not None and arrays.y is not None:
        low, high = int(arrays.y.min()), int(arrays.y.max())
        if low < 0 or high >= spec.num_classes:
            raise ValueError(f"{it_has} labels from {low} to {high}, where 0 to {spec.num_classes - 1} belong")
    factors, sizes = arrays.factors, np.array(spec.factors)
    if not spec.factors or factors is None:
        return
    if factors.shape[1] != len(sizes) or not ((factors >= 0) & (factors < sizes)).all():
        raise ValueError(f"{it_has} factors beyond the sizes {spec.factors} that the spec says")


def check_finite(chunks: Iterable[np.ndarray], what: str, as_they_are: bool = True) -> None:
    """Makes sure that all data are finite numbers, also as models see them.

    Args:
        chunks: consecutive pieces of an array, data first.
        what: the array, for messages.
        as_they_are: whether models see these numbers, and not numbers that are standardised.

    Raises:
        ValueError: some are not; names the first row.
    """
    largest = torch.finfo(torch.get_default_dtype()).max
    rows = [np.abs(np.asarray(chunk)).reshape(len(chunk), -1).max(1, initial=0) for chunk in chunks]
    most = np.concatenate(rows).astype(np.float64)  # float16 does not hold the largest number

    def place(wrong: np.ndarray) -> str:
        return f"{wrong.sum()} of the {len(wrong)} rows of {what}, the first in row {wrong.argmax()} (counted from 0)"

    unknown, beyond = ~np.isfinite(most), most > largest
    if unknown.any():
        raise ValueError(f"NaN or infinite values in {place(unknown)}: remove or fix them")
    if as_they_are and beyond.any():
        raise ValueError(
            f"values beyond float32, whose largest is {largest:.1e}, in {place(beyond)}: remove or fix them, or "
            "choose trainer.precision=64-true"
        )


def split_at_random(arrays: Arrays, val_size: int, test_size: int, seed: int, train_size: int | None = None) -> Splits:
    """Disjoint random splits; the test and validation data do not depend on ``train_size``.

    Validation and test data stay in the order drawn, so that the first of them, which pictures show and limits keep,
    are a random sample too. Training data are in the order of ``arrays``, in which they are read fastest.

    The order comes from the bare seed and no named stream: the published runs and recorded curves on digits and
    dSprites were split so, and a run on own data of before would be measured on rows that it was trained on.

    Raises:
        ValueError: there are fewer data.
    """
    held_out = val_size + test_size
    if len(arrays) < held_out + (train_size or 1):
        raise ValueError(
            f"too few data: {len(arrays)}, of which {val_size} validate and {test_size} test, and "
            f"{train_size or 'at least 1'} must be left to train on"
        )
    order = np.random.default_rng(seed).permutation(len(arrays))
    train = np.sort(order[held_out:][:train_size])
    return Splits(*(arrays.select(part) for part in (train, order[test_size:held_out], order[:test_size])))
