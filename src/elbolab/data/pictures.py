"""Reading many picture files to one array.

Shapes: n = pictures, H, W = height and width.
"""

import logging
from collections import Counter
from collections.abc import Iterator
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
    floats.

    Raises:
        ValueError: a picture cannot be read, or they differ in size.
    """
    stack = Stack(paths)
    for index, picture in _decoded(paths):
        stack.add(index, picture)
    stack.say_what_was_changed()
    return stack.pixels()


def _decoded(paths: list[Path]) -> Iterator[tuple[int, Picture]]:
    """Each picture and its number."""
    failed: dict[Path, UnreadableError] = {}
    for index, path in enumerate(paths):
        try:
            picture = read_picture(path)
        except UnreadableError as error:
            failed[path] = error
        else:
            yield index, picture
    if failed:
        first, *others = failed
        why = failed[first]
        likewise = f"; so it is with {name_some([str(path) for path in others])}" if others else ""
        fix = "fix or remove them" if others else "fix or remove it"
        raise ValueError(f"{first} cannot be read as a picture: {why}{likewise}: {fix}") from why


@final
class Stack:
    """Pictures of one size in one array, which is widened as pictures with more levels or colour come.

    Args:
        paths: the files, for messages.
    """

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths
        self.x: np.ndarray | None = None
        self.coloured: list[int] = []
        self.grey: list[int] = []
        self.transparent: list[int] = []
        self.types: Counter[str] = Counter()
        self.all_stored_in_colour = True

    def add(self, index: int, picture: Picture) -> None:
        """Stores a picture.

        Raises:
            ValueError: its size or its kind of numbers is not that of the others.
        """
        pixels = picture.pixels
        if self.x is None:
            self._check_memory(pixels)
            self.x = np.empty((len(self.paths), *pixels.shape), pixels.dtype)
        if pixels.shape[:2] != self.x.shape[1:3]:
            self._refuse_sizes()
        self.types[str(pixels.dtype)] += 1
        if len(self.types) > 1 and "float32" in self.types:
            raise ValueError(f"{self.paths[index]}: some pictures have floats and others whole numbers: save all alike")
        (self.coloured if pixels.ndim == 3 else self.grey).append(index)
        if picture.transparent:
            self.transparent.append(index)
        self.all_stored_in_colour &= picture.stored_in_colour
        dtype, in_colour = np.promote_types(self.x.dtype, pixels.dtype), bool(self.coloured)
        self.x = _widen(self.x, 4, dtype, in_colour)
        self.x[index] = _widen(pixels, 3, dtype, in_colour)

    def pixels(self) -> np.ndarray:
        """All pictures, with channels first where they have three."""
        assert self.x is not None
        x = _widen(self.x, 4, self.x.dtype, self.all_stored_in_colour)
        return np.moveaxis(x, 3, 1) if x.ndim == 4 else x

    def say_what_was_changed(self) -> None:
        """Says where pictures are read otherwise than they are stored."""
        num = len(self.paths)
        if self.coloured and self.grey:
            warn(
                "%d of %d pictures are grey, as is %s: all are read in colour, which %s has",
                len(self.grey),
                num,
                self.paths[self.grey[0]],
                self.paths[self.coloured[0]],
            )
        if self.transparent:
            first = self.paths[self.transparent[0]]
            warn(
                "%d of %d pictures are partly transparent, as is %s: shown on white", len(self.transparent), num, first
            )
        if deep := self.types["uint16"]:
            assert self.x is not None
            low, high = self.x.min() / 65535, self.x.max() / 65535
            warn("%d of %d pictures have 16 bits: read as floats, v / 65535, here %.3g to %.3g", deep, num, low, high)

    def _check_memory(self, pixels: np.ndarray) -> None:
        needed, free = len(self.paths) * pixels.nbytes, free_memory(torch.device("cpu"))
        if needed > free:
            raise ValueError(
                f"{len(self.paths)} pictures as large as {self.paths[0]}, {pixels.shape[1]} x {pixels.shape[0]}, take "
                f"{needed / 1e9:.3g} GB, and {free / 1e9:.3g} GB are free: make them smaller, {AS_BY}"
            )

    def _refuse_sizes(self) -> None:
        examples: dict[str, Path] = {}
        counts: Counter[str] = Counter()
        for path in self.paths:
            size = _size_in_words(path)
            examples.setdefault(size, path)
            counts[size] += 1
        found = [f"{num} {size}, as {examples[size]}" for size, num in counts.most_common()]
        raise ValueError(
            f"the pictures have {len(counts)} sizes: {'; '.join(found[:5])}. Bring all to one size, {AS_BY}"
        )


def _size_in_words(path: Path) -> str:
    try:
        width, height = upright_size(path)
    except UnreadableError:
        return "unreadable"
    return f"of {width} x {height}"


def _widen(pixels: np.ndarray, ndim: int, dtype: np.dtype, in_colour: bool) -> np.ndarray:
    """Pixels in a type that holds more levels, white as white; grey ones (..., H, W) in colour where they are to be.

    Args:
        pixels: one picture or all.
        ndim: number of dimensions of coloured ones.
        dtype: the type.
        in_colour: whether they are to have three channels.
    """
    if pixels.dtype != dtype:
        pixels = pixels.astype(dtype) * dtype.type(WHITE[str(dtype)] // WHITE[str(pixels.dtype)])
    if in_colour and pixels.ndim < ndim:
        pixels = np.repeat(pixels[..., None], 3, axis=-1)
    return pixels
