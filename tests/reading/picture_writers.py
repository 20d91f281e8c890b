"""Pictures for tests, also such as Pillow cannot write."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from elbolab.data.own_files import read_arrays
from elbolab.reading.values import scale_deep_pixels

RNG = np.random.default_rng(0)
PNG_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}
"""Colour type of each number of channels."""


def write_deep_png(path: Path, pixels: np.ndarray, transparent: int | None = None) -> None:
    """A PNG of 16 bits a channel, from (H, W, C); ``transparent`` is a level of all channels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, channels = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, PNG_COLOURS[channels], 0, 0, 0)
    level = b"" if transparent is None else chunk(b"tRNS", transparent.to_bytes(2) * channels)
    chunks = chunk(b"IHDR", header) + level + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def write_tiff(path: Path, pixels: np.ndarray, bits: int = 16, photometric: int = 1, is_signed: bool = False) -> None:
    """An uncompressed TIFF from (H, W, C) of integers, or of packed rows where ``bits`` is 12."""
    height, width, channels = pixels.shape
    content = _packed_12(pixels) if bits == 12 else pixels.astype(f"<u{bits // 8}").tobytes()
    tags = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [bits] * channels),
        259: (3, [1]),
        262: (3, [photometric]),
        273: (4, [8]),
        277: (3, [channels]),
        278: (4, [height]),
        279: (4, [len(content)]),
        339: (3, [2 if is_signed else 1] * channels),
    }
    start = 8 + len(content)
    beyond = start + 2 + 12 * len(tags) + 4
    entries, values = b"", b""
    for tag, (kind, numbers) in tags.items():
        packed = struct.pack(f"<{len(numbers)}{'H' if kind == 3 else 'I'}", *numbers)
        if len(packed) > 4:
            place = struct.pack("<I", beyond + len(values))
            values += packed
        else:
            place = packed.ljust(4, b"\0")
        entries += struct.pack("<HHI", tag, kind, len(numbers)) + place
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    path.write_bytes(b"II*\0" + struct.pack("<I", start) + content + directory + values)


def _packed_12(pixels: np.ndarray) -> bytes:
    """Rows of an even number of pixels, two of them in three bytes."""
    first, second = pixels.reshape(-1, 2).T.astype(np.uint32)
    packed = (first << 12) | second
    return np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=1).astype(np.uint8).tobytes()


def grey(height: int = 5, width: int = 6) -> np.ndarray:
    return RNG.integers(256, size=(height, width), dtype=np.uint8)


def colour(height: int = 5, width: int = 6) -> np.ndarray:
    return RNG.integers(256, size=(height, width, 3), dtype=np.uint8)


def deep(*shape: int) -> np.ndarray:
    """Values of 16 bits; their high bytes are alike, so that 8 bits would hold nothing."""
    return 0x2000 + RNG.integers(256, size=shape).astype(np.uint16)


def read(folder: Path) -> np.ndarray:
    """Pictures (n, H, W) or (n, H, W, C) of a folder without classes and splits."""
    named = read_arrays(folder)
    assert list(named) == ["x"]
    x = np.asarray(scale_deep_pixels(named["x"])) if named["x"].dtype == np.uint16 else named["x"]
    return x if x.ndim == 3 else np.moveaxis(x, 1, 3)


def save(folder: Path, **images: Image.Image) -> Path:
    for name, image in images.items():
        image.save(folder / f"{name}.png")
    return folder


def refuses(folder: Path, *parts: str) -> None:
    for part in parts:
        with pytest.raises(ValueError, match=part):
            read_arrays(folder)


def fill(root: Path, *names: str) -> dict[str, int]:
    """Writes one-pixel pictures, each of its own grey; the grey of each name."""
    greys = {name: 3 * i + 1 for i, name in enumerate(names)}
    for name, grey in greys.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (1, 1), grey).save(root / name)
    return greys
