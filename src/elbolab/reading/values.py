"""What the values of a user's arrays say of them: binary, grey levels, the unit interval or the real line.

Shapes: n = data.
"""

import logging
from dataclasses import dataclass
from typing import final

import numpy as np
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from elbolab.batch import Support
from elbolab.reading.splits import Arrays, Selection, check_finite

KINDS = {"b": "booleans", "i": "integers", "u": "integers", "f": "floats"}
WHITE, DEEP_WHITE = 255, 65535
"""Of pixels of 8 bits and of 16."""
FAR = 10
"""Data that reach further than this are on another scale than data in [0, 1]."""
warn = rank_zero_only(logging.getLogger(__name__).warning)


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
        return f"{self.name} has {self.kind} from {self.low:g} to {self.high:g}"


def measure_values(name: str, arrays: Arrays, where: str, standardise: bool = False) -> Values:
    """Looks at every value of a split, which is called ``name`` in the file ``where``.

    Values that are to be standardised may be beyond the numbers that models see.

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
    """Support and levels of the values of all splits together; what is to be standardised is real.

    Raises:
        ValueError: splits that do not go together, or numbers that are most likely meant to be others.
    """
    if standardise:
        for values in arrays:  # zeros and ones, grey levels and numbers from 0 to 1 have a scale of their own
            if values.kind != "floats" or all(values.within(1) for values in arrays):
                raise ValueError(
                    f"{where}: data.standardise=true is for real numbers, and {values}: leave it out, or give floats "
                    "of any size"
                )
        return Support.REAL, None
    if all(values.binary for values in arrays):
        return Support.BINARY, 2
    for values in arrays:
        if values.kind != arrays[0].kind:
            raise _unlike(arrays[0], values, where)
    for values in arrays:
        _check_pixels(values, where)
    narrow, wide = (choose(arrays, key=lambda values: max(-values.low, values.high)) for choose in (min, max))
    if narrow.within(1) and not -FAR <= wide.low <= wide.high <= FAR:  # one scale for all splits would destroy one
        raise _unlike(narrow, wide, where)
    if arrays[0].kind == "floats":
        return (Support.UNIT if all(values.within(1) for values in arrays) else Support.REAL), None
    return Support.UNIT, WHITE + 1


def _unlike(one: Values, other: Values, where: str) -> ValueError:
    fix = "give all splits in one type and on one scale, as uint8 from 0 to 255 or as floats"
    return ValueError(f"{where}: {one}, but {other}: {fix}")


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


def has_deep_pixels(x: dict[str, np.ndarray], *, are_pictures: bool) -> bool:
    """Whether images are of 16 bits: uint16 beyond 255 in some split, or in picture files any.

    Vectors of such numbers may be counts, and whole numbers up to 255 are grey levels of 8 bits in any type.
    """
    if any(part.dtype != np.uint16 or part.ndim < 4 for part in x.values()):
        return False
    return are_pictures or any(chunk.max() > 255 for part in x.values() for chunk in Arrays(part).chunks())


def scale_deep_pixels(x: np.ndarray) -> np.ndarray | Selection:
    """Pixels k as k / 65535, all levels of which a float32 keeps; memory-mapped ones are scaled when they are read."""
    if isinstance(x, np.memmap):
        return Selection(x, np.arange(len(x)), _scale, np.dtype(np.float32))
    return _scale(x)


def _scale(x: np.ndarray) -> np.ndarray:
    return x / np.float32(DEEP_WHITE)


def say_what_is_scaled(x: dict[str, np.ndarray], where: str) -> None:
    """Says how arrays of 16 bits are read, and how much of the range they fill."""
    chunks = [chunk for part in x.values() for chunk in Arrays(part).chunks()]
    low, high = (choose(map(extreme, chunks)) / DEEP_WHITE for choose, extreme in ((min, np.min), (max, np.max)))
    warn(
        "%s: images of uint16 are read as floats, v / 65535, here %.3g to %.3g; where white is another value, give "
        "floats, x / 4095 say",
        *(where, low, high),
    )
