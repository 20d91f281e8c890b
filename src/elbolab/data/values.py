"""What the values of a user's arrays say of them: binary, grey levels, the unit interval or the real line.

Shapes: n = data.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from elbolab.batch import Support
from elbolab.data.splits import Arrays, check_finite

KINDS = {"b": "booleans", "i": "integers", "u": "integers", "f": "floats"}
WHITE = 255
FAR = 10
"""Data that reach further than this are on another scale than data in [0, 1]."""


@final
@dataclass(frozen=True)
class Values:
    """What one array of a file holds.

    Attributes:
        name: the array.
        kind: booleans, integers or floats.
        low: the least value.
        high: the largest value.
        whole: whether all are whole numbers.
        pictures: whether the data are images.
    """

    name: str
    kind: str
    low: float
    high: float
    whole: bool
    pictures: bool

    def within(self, high: float) -> bool:
        """Whether the values lie in [0, high]."""
        return self.low >= 0 and self.high <= high

    @property
    def binary(self) -> bool:
        """Whether all values are 0 or 1."""
        return self.whole and self.within(1)

    def __str__(self) -> str:
        """In words."""
        return f"{self.name} has {self.kind} from {self.low:g} to {self.high:g}"


def measure(name: str, arrays: Arrays, where: str, standardise: bool = False) -> Values:
    """Looks at every value of a split.

    Args:
        name: the split's name in its file.
        arrays: the split, in RAM or memory-mapped.
        where: the file, for messages.
        standardise: whether they are to be standardised, and so may be beyond the numbers that models see.

    Raises:
        ValueError: no values, or such that are no finite numbers.
    """
    kind = arrays.x.dtype.kind
    if not arrays.x.nbytes or kind not in KINDS:
        raise ValueError(f"{where}: the array {name} is empty or not of numbers")
    chunks = list(arrays.chunks())
    if kind == "f":
        check_finite(chunks, f"{name} in {where}", as_they_are=not standardise)
    low, high = min(chunk.min() for chunk in chunks), max(chunk.max() for chunk in chunks)
    whole = kind != "f" or all((chunk == np.floor(chunk)).all() for chunk in chunks)
    return Values(name, KINDS[kind], float(low), float(high), whole, pictures=len(arrays.event) == 3)


def support_of(arrays: list[Values], where: str, standardise: bool = False) -> tuple[Support, int | None]:
    """Support and levels of the values of all splits together.

    Args:
        arrays: what each split holds.
        where: the file, for messages.
        standardise: whether they are to be standardised, and so are no pixels.

    Raises:
        ValueError: splits that do not go together, or numbers that are most likely meant to be others.
    """
    if standardise:
        _check_real(arrays, where)
        return Support.REAL, None
    if all(values.binary for values in arrays):
        return Support.BINARY, 2
    _check_kinds(arrays, where)
    for values in arrays:
        _check_pixels(values, where)
    _check_scales(arrays, where)
    if arrays[0].kind == "floats":
        return (Support.UNIT if all(values.within(1) for values in arrays) else Support.REAL), None
    return Support.UNIT, WHITE + 1


def _check_real(arrays: list[Values], where: str) -> None:
    """Zeros and ones, grey levels and numbers from 0 to 1 have a scale of their own."""
    for values in arrays:
        if values.kind != "floats" or all(values.within(1) for values in arrays):
            raise ValueError(
                f"{where}: data.standardise=true is for real numbers, and {values}: leave it out, or give floats of "
                "any size"
            )


def _check_kinds(arrays: list[Values], where: str) -> None:
    for values in arrays:
        if values.kind != arrays[0].kind:
            raise ValueError(_unlike(arrays[0], values, where))


def _check_scales(arrays: list[Values], where: str) -> None:
    """All splits are scaled alike, so that another scale in one of them would destroy it."""
    narrow, wide = (choose(arrays, key=lambda values: max(-values.low, values.high)) for choose in (min, max))
    if narrow.within(1) and not -FAR <= wide.low <= wide.high <= FAR:
        raise ValueError(_unlike(narrow, wide, where))


def _unlike(one: Values, other: Values, where: str) -> str:
    mend = "give all splits in one type and on one scale, as uint8 from 0 to 255 or as floats"
    return f"{where}: {one}, but {other}: {mend}"


def _check_pixels(values: Values, where: str) -> None:
    """Grey levels are bytes. As floats they would be real numbers; a vector that ends at white is an image too."""
    if values.kind != "floats":
        if not values.within(WHITE):
            raise ValueError(
                f"{where}: {values}, which are no 256 grey levels: give 0 to 255, floats (x / 65535 of pixels of 16 "
                "bits, x.astype('float32') of counts or other numbers), or images of 16 bits as uint16"
            )
    elif values.whole and not values.binary and values.within(WHITE) and (values.pictures or values.high == WHITE):
        raise ValueError(
            f"{where}: {values}, all of them whole numbers: give pixels as uint8, or divide them by 255 (by the value "
            "of white, where that is another); what are no pixels, standardise"
        )
