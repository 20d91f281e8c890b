"""What the values of arrays are: finite, binary, grey levels, in the unit interval or on the real line.

Shapes: n = data.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import final

import numpy as np
import torch
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from elbolab.batch import Spec, Support
from elbolab.reading.splits import Arrays, Selection, Splits

KINDS = {"b": "booleans", "i": "integers", "u": "integers", "f": "floats"}
WHITE, DEEP_WHITE = 255, 65535
"""Of pixels of 8 bits and of 16."""
FAR = 10
"""Data that reach further than this are on another scale than data in [0, 1]."""
CHECKED = 100
"""Chunks of a split that are compared with the support of its spec."""
warn = rank_zero_only(logging.getLogger(__name__).warning)


def check_splits(splits: Splits, header: Spec) -> None:
    """Makes sure that every split can be trained and evaluated on, and is what the header of its data set says."""
    for name, arrays in splits._asdict().items():
        if len(arrays) == 0:
            raise ValueError(f"too few data: the {name} split has none; give more data, or make that split larger")
        _check_shapes(f"the {name} split has", arrays, splits.train, header)
        _check_labels(f"the {name} split has", arrays, header)
        if arrays.levels is None:
            check_finite(arrays.chunks(), f"the {name} split")
        _check_support(f"the {name} split has", arrays, header)


def _check_shapes(it_has: str, arrays: Arrays, train: Arrays, spec: Spec) -> None:
    if arrays.event != spec.x:
        raise ValueError(f"{it_has} data of shape {arrays.event}, where the spec says {spec.x}")
    shapes = () if arrays.given is None else (arrays.given.shape[1:],)
    if shapes != spec.given:
        raise ValueError(f"{it_has} conditions of shapes {shapes}, where the spec says {spec.given}")
    known = (
        ("labels", arrays.y, train.y, spec.classes, 1),
        ("factors", arrays.factors, train.factors, spec.factors, 2),
        ("conditions", arrays.given, train.given, (), arrays.given is not None and arrays.given.ndim),
    )
    for kind, part, of_train, sizes, ndim in known:
        if part is None and (of_train is not None or sizes):
            there = "the train split has" if of_train is not None else f"the spec says {len(sizes)}"
            raise ValueError(f"{it_has} no {kind}, where {there}: give all splits or none")
        if part is not None and len(part) != len(arrays):
            raise ValueError(f"{it_has} {len(arrays)} data, but {len(part)} {kind}")
        if part is not None and part.ndim != ndim:
            fix = "labels y are (n,), which y.squeeze() may give; factors are (n, F)"
            raise ValueError(f"{it_has} {kind} of shape {part.shape}: {fix}")


def _check_labels(it_has: str, arrays: Arrays, spec: Spec) -> None:
    num, y = len(spec.classes), arrays.y
    if num and y is not None and not 0 <= y.min() <= y.max() < num:
        raise ValueError(f"{it_has} labels from {y.min()} to {y.max()}, where 0 to {num - 1} belong")
    sizes, factors = spec.factors, arrays.factors
    if sizes and factors is not None and (factors.shape[1] != len(sizes) or ((factors < 0) | (factors >= sizes)).any()):
        raise ValueError(f"{it_has} factors beyond the sizes {sizes} that the spec says")


def _check_support(it_has: str, arrays: Arrays, spec: Spec) -> None:
    """Compares values as models see them with the support and the levels of the spec."""
    if spec.support is Support.REAL or arrays.packed is not None:
        return
    top = 1 if arrays.levels is None else arrays.levels - 1
    steps = 1 if spec.support is Support.BINARY else (spec.levels or 1) - 1
    if arrays.draws:  # what is stored are the probabilities of the values
        steps = 0
    if arrays.x.dtype.kind in "biu" and steps % top == 0:  # no level lies between steps
        steps = 0
    for chunk in islice(arrays.chunks(), CHECKED):
        wrong = (chunk < 0) | (chunk > top)
        if steps:
            place = np.asarray(chunk, np.float64) * (steps / top)
            wrong |= np.abs(place - np.rint(place)) > 1e-3
        if wrong.any():
            levels = "" if spec.levels is None else f" of {spec.levels} levels"
            found = f"the value {chunk[wrong][0]:g}" + f" / {top}" * (top > 1)
            wanted = f"{spec.support.words}{levels}: change the support and the levels of the spec, or the data"
            raise ValueError(f"{it_has} {found}, where the spec says {wanted}")


def check_finite(chunks: Iterable[np.ndarray], what: str, as_they_are: bool = True) -> None:
    """Makes sure that all data are finite numbers, also in the type of models, if these see them as they are."""
    largest = torch.finfo(torch.get_default_dtype()).max
    rows = [np.abs(np.asarray(chunk)).reshape(len(chunk), -1).max(1, initial=0) for chunk in chunks]
    most = np.concatenate(rows).astype(np.float64)  # float16 does not hold the largest number

    def place(wrong: np.ndarray) -> str:
        return f"{wrong.sum()} of the {len(wrong)} rows of {what}, the first in row {wrong.argmax()} (counted from 0)"

    unknown, beyond = ~np.isfinite(most), most > largest
    if unknown.any():
        raise ValueError(f"NaN or infinite values in {place(unknown)}: remove or fix them")
    if as_they_are and beyond.any():
        fix = "remove or fix them, or choose trainer.precision=64-true"
        raise ValueError(f"values beyond float32, whose largest is {largest:.1e}, in {place(beyond)}: {fix}")


@final
@dataclass(frozen=True)
class Values:
    """What one array of a file holds: booleans, integers or floats, all whole numbers or not, of images or not."""

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
    """Looks at every value of a split; those that are to be standardised may be beyond the numbers that models see."""
    kind = arrays.x.dtype.kind
    if not arrays.x.nbytes or kind not in KINDS:
        raise ValueError(f"{where}: the array {name} is empty or not of numbers")
    if kind == "f":
        check_finite(arrays.chunks(), f"{name} in {where}", as_they_are=not standardise)
    low, high = min(chunk.min() for chunk in arrays.chunks()), max(chunk.max() for chunk in arrays.chunks())
    whole = kind != "f" or all((chunk == np.floor(chunk)).all() for chunk in arrays.chunks())
    return Values(name, KINDS[kind], float(low), float(high), whole, pictures=len(arrays.event) == 3)


def choose_support(arrays: list[Values], where: str, standardise: bool = False) -> tuple[Support, int | None]:
    """Support and levels of the values of all splits together; what is to be standardised is real."""
    if standardise:
        for values in arrays:  # zeros and ones, grey levels and numbers from 0 to 1 have a scale of their own
            if values.kind != "floats" or all(values.within(1) for values in arrays):
                why = f"data.standardise=true is for real numbers, and {values}"
                raise ValueError(f"{where}: {why}: leave it out, or give floats of any size")
        return Support.REAL, None
    if all(values.binary for values in arrays):
        return Support.BINARY, 2
    narrow, wide = (choose(arrays, key=lambda values: max(-values.low, values.high)) for choose in (min, max))
    unlike = [(arrays[0], values) for values in arrays if values.kind != arrays[0].kind]
    if not unlike:
        for values in arrays:
            _check_pixels(values, where)
        if narrow.within(1) and not -FAR <= wide.low <= wide.high <= FAR:  # one scale for all splits would destroy one
            unlike = [(narrow, wide)]
    for one, other in unlike:
        fix = "give all splits in one type and on one scale, as uint8 from 0 to 255 or as floats"
        raise ValueError(f"{where}: {one}, but {other}: {fix}")
    if arrays[0].kind == "floats":
        return (Support.UNIT if all(values.within(1) for values in arrays) else Support.REAL), None
    return Support.UNIT, WHITE + 1


def _check_pixels(values: Values, where: str) -> None:
    """Grey levels are bytes. As floats they would be real numbers; a vector that ends at white is an image too."""
    if values.kind != "floats" and not values.within(WHITE):
        floats = "floats (x / 65535 of pixels of 16 bits, x.astype('float32') of counts or other numbers)"
        fix = f"give 0 to 255, {floats}, or images of 16 bits as uint16"
        raise ValueError(f"{where}: {values}, which are no 256 grey levels: {fix}")
    looks_grey = values.whole and not values.binary and values.within(WHITE)
    if values.kind == "floats" and looks_grey and (values.pictures or values.high == WHITE):
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
    is_mapped = isinstance(x, np.memmap)
    return Selection(x, np.arange(len(x)), _scale, np.dtype(np.float32)) if is_mapped else _scale(x)


def _scale(x: np.ndarray) -> np.ndarray:
    """A function of the module, which processes that gather data can be sent."""
    return x / np.float32(DEEP_WHITE)


def say_what_is_scaled(x: dict[str, np.ndarray], where: str) -> None:
    """Says how arrays of 16 bits are read, and how much of the range they fill."""
    chunks = [chunk for part in x.values() for chunk in Arrays(part).chunks()]
    low, high = (choose(map(extreme, chunks)) / DEEP_WHITE for choose, extreme in ((min, np.min), (max, np.max)))
    text = "%s: images of uint16 are read as floats, v / 65535, here %.3g to %.3g"
    warn(f"{text}; where white is another value, give floats, x / 4095 say", where, low, high)
