"""Pixels of 16 bits: whole numbers that stand for k / 65535, all levels of which a float32 keeps.

Shapes: n = data.
"""

import logging

import numpy as np
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from elbolab.data.splits import Arrays, Selection

WHITE = 65535
warn = rank_zero_only(logging.getLogger(__name__).warning)


def has_deep_pixels(x: dict[str, np.ndarray], *, are_pictures: bool) -> bool:
    """Whether images are of 16 bits: uint16 beyond 255 in some split, or in picture files any.

    Vectors of such numbers may be counts, and whole numbers up to 255 are grey levels of 8 bits in any type.
    """
    if any(part.dtype != np.uint16 or part.ndim < 4 for part in x.values()):
        return False
    return are_pictures or any(chunk.max() > 255 for part in x.values() for chunk in Arrays(part).chunks())


def scale_deep_pixels(x: np.ndarray) -> np.ndarray | Selection:
    """Pixels k as k / 65535; memory-mapped ones are scaled when they are read."""
    if isinstance(x, np.memmap):
        return Selection(x, np.arange(len(x)), _scaled, np.dtype(np.float32))
    return _scaled(x)


def say_what_is_scaled(x: dict[str, np.ndarray], where: str) -> None:
    """Says how arrays of 16 bits are read, and how much of the range they fill."""
    chunks = [chunk for part in x.values() for chunk in Arrays(part).chunks()]
    low, high = (choose(map(extreme, chunks)) / WHITE for choose, extreme in ((min, np.min), (max, np.max)))
    warn(
        "%s: images of uint16 are read as floats, v / 65535, here %.3g to %.3g; where white is another value, give "
        "floats, x / 4095 say",
        where,
        low,
        high,
    )


def _scaled(x: np.ndarray) -> np.ndarray:
    return x / np.float32(WHITE)
