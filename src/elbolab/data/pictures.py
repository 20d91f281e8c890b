"""Reading many picture files to one array.

Shapes: n = pictures, H, W = height and width.
"""

import logging
from collections import defaultdict
from pathlib import Path
from typing import final

import numpy as np
import torch
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from elbolab.data.stream import free_memory
from elbolab.reading.folders import name_some
from elbolab.reading.picture_files import Picture, UnreadableError, read_picture, upright_size

AS_BY = "as by PIL.ImageOps.fit(PIL.Image.open(path), (64, 64)).save(path)"
WHITE = {"bool": 1, "uint8": 255, "uint16": 65535}
warn = rank_zero_only(logging.getLogger(__name__).warning)


def read_pictures(paths: list[Path]) -> np.ndarray:
    """Grey pictures (n, H, W), or coloured ones (n, 3, H, W) where any has colour or all are stored in colour.

    They are of type bool where all are of 1 bit, uint8 up to 8 bits, uint16 beyond, and float32 where the files have
    floats. Pictures that cannot be read, or differ in size, are refused.
    """
    stack = Stack(paths)
    failed: dict[Path, UnreadableError] = {}
    for index, path in enumerate(paths):
        try:
            picture = read_picture(path)
        except UnreadableError as error:
            failed[path] = error
        else:
            stack.add(index, picture)
    if failed:
        first, *others = failed
        likewise = f"; so it is with {name_some([str(path) for path in others])}" if others else ""
        fix = "fix or remove them" if others else "fix or remove it"
        raise ValueError(f"{first} cannot be read as a picture: {failed[first]}{likewise}: {fix}") from failed[first]
    stack.say_what_was_changed()
    return stack.pixels()


@final
class Stack:
    """Pictures of one size in one array, which is widened as pictures with more levels or colour come."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths
        self.x: np.ndarray | None = None
        self.kinds: defaultdict[str, list[Path]] = defaultdict(list)
        self.all_stored_in_colour = True

    def add(self, index: int, picture: Picture) -> None:
        """Stores a picture; refuses one whose size or kind of numbers is not that of the others."""
        pixels, path = picture.pixels, self.paths[index]
        if self.x is None:
            self._check_memory(pixels)
            self.x = np.empty((len(self.paths), *pixels.shape), pixels.dtype)
        if pixels.shape[:2] != self.x.shape[1:3]:
            self._refuse_sizes()
        if (self.x.dtype == np.float32) != (pixels.dtype == np.float32):
            raise ValueError(f"{path}: some pictures have floats and others whole numbers: save all alike")
        are = {"in colour": pixels.ndim == 3, "grey": pixels.ndim == 2, "transparent": picture.transparent}
        for kind, is_so in {**are, "deep": pixels.dtype == np.uint16}.items():
            self.kinds[kind] += [path] * is_so
        self.all_stored_in_colour &= picture.stored_in_colour
        dtype, in_colour = np.promote_types(self.x.dtype, pixels.dtype), bool(self.kinds["in colour"])
        self.x = _widen(self.x, 4, dtype, in_colour)
        self.x[index] = _widen(pixels, 3, dtype, in_colour)

    def pixels(self) -> np.ndarray:
        """All pictures, with channels first where they have three."""
        assert self.x is not None
        x = _widen(self.x, 4, self.x.dtype, self.all_stored_in_colour)
        return np.moveaxis(x, 3, 1) if x.ndim == 4 else x

    def say_what_was_changed(self) -> None:
        """Says where pictures are read otherwise than they are stored."""
        num, (coloured, grey) = len(self.paths), (self.kinds["in colour"], self.kinds["grey"])
        if coloured and grey:
            text = "%d of %d pictures are grey, as is %s: all are read in colour, which %s has"
            warn(text, len(grey), num, grey[0], coloured[0])
        if clear := self.kinds["transparent"]:
            warn("%d of %d pictures are partly transparent, as is %s: shown on white", len(clear), num, clear[0])
        if deep := len(self.kinds["deep"]):
            assert self.x is not None
            low, high = self.x.min() / 65535, self.x.max() / 65535
            warn("%d of %d pictures have 16 bits: read as floats, v / 65535, here %.3g to %.3g", deep, num, low, high)

    def _check_memory(self, pixels: np.ndarray) -> None:
        needed, free = len(self.paths) * pixels.nbytes, free_memory(torch.device("cpu"))
        if needed > free:
            size = f"{len(self.paths)} pictures as large as {self.paths[0]}, {pixels.shape[1]} x {pixels.shape[0]}"
            there = f"{free / 1e9:.3g} GB are free"
            raise ValueError(f"{size}, take {needed / 1e9:.3g} GB, and {there}: make them smaller, {AS_BY}")

    def _refuse_sizes(self) -> None:
        examples: defaultdict[str, list[Path]] = defaultdict(list)
        for path in self.paths:
            try:
                size = "of {} x {}".format(*upright_size(path))
            except UnreadableError:
                size = "unreadable"
            examples[size].append(path)
        by_count = sorted(examples.items(), key=lambda item: -len(item[1]))
        found = [f"{len(paths)} {size}, as {paths[0]}" for size, paths in by_count[:5]]
        raise ValueError(f"the pictures have {len(examples)} sizes: {'; '.join(found)}. Bring all to one size, {AS_BY}")


def _widen(pixels: np.ndarray, ndim: int, dtype: np.dtype, in_colour: bool) -> np.ndarray:
    """Pixels in a type that holds more levels, white as white, and with ``ndim`` dimensions, in colour, if wanted."""
    if pixels.dtype != dtype:
        pixels = pixels.astype(dtype) * dtype.type(WHITE[str(dtype)] // WHITE[str(pixels.dtype)])
    if in_colour and pixels.ndim < ndim:
        pixels = np.repeat(pixels[..., None], 3, axis=-1)
    return pixels
