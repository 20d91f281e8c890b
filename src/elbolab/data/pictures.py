"""Reading picture files to arrays."""

from pathlib import Path

import numpy as np

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
GREY = ("1", "L", "LA", "La")
COLOUR = ("P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "LAB", "HSV")
"""Modes of pictures of 8 bits a channel, as PIL names them."""


def picture_suffixes() -> tuple[str, ...]:
    """Suffixes of the files that are read, in lower case."""
    return SUFFIXES


def read_pictures(paths: list[Path]) -> np.ndarray:
    """Grey pictures (n, H, W) or coloured ones (n, H, W, 3), as bytes.

    Raises:
        ValueError: a picture cannot be read, or they differ in size or in colour.
    """
    first = _picture(paths[0])
    x = np.empty((len(paths), *first.shape), np.uint8)
    for i, path in enumerate(paths):
        picture = _picture(path)
        if picture.shape != first.shape:
            raise ValueError(
                f"{path} has shape {picture.shape}, where {paths[0]} has {first.shape}: make all pictures of one size "
                "and all grey or all coloured"
            )
        x[i] = picture
    return x


def _picture(path: Path) -> np.ndarray:
    """Grey (H, W) or coloured (H, W, 3) bytes."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            mode = image.mode
            if mode in (*GREY, *COLOUR):
                return np.asarray(image.convert("L" if mode in GREY else "RGB"))
    except OSError as error:
        raise ValueError(f"{path} cannot be read as a picture ({error}): mend or remove it") from error
    raise ValueError(
        f"{path} has more than 8 bits a pixel (mode {mode}), which would be cut off: save the pictures as one .npy "
        "array of floats from 0 to 1 (16 bits divided by 65535)"
    )
