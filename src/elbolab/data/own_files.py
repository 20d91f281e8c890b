"""Reading a user's own data: files of arrays, or a folder of pictures, to named arrays.

The names are ``x``, or ``train``, ``val`` and ``test``; labels ``y`` or ``y_train``, ...; factors likewise.
"""

from pathlib import Path

import numpy as np

from elbolab.data.npz import read_npz

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
WRITERS = {".npz": "numpy.savez(path, x=x)", ".npy": "numpy.save(path, x)"}
GREY = ("1", "L", "LA", "La")
COLOUR = ("P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "LAB", "HSV")
"""Modes of pictures of 8 bits a channel, as PIL names them."""


def read_named(path: Path) -> dict[str, np.ndarray]:
    """The arrays at ``path``; an .npy file is memory-mapped.

    Raises:
        ValueError: there is nothing, or nothing that can be read.
    """
    if path.is_dir():
        return read_folder(path)
    if not path.is_file():
        raise ValueError(f"data.path={path}: there is no such file or folder")
    if path.suffix not in WRITERS:
        raise ValueError(f"data.path={path}: give an .npz or .npy file, or a folder of pictures")
    try:
        return _read_numpy(path)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(
            f"data.path={path} cannot be read as {path.suffix} ({error}): write arrays of numbers with "
            f"{WRITERS[path.suffix]}"
        ) from error


def read_folder(folder: Path) -> dict[str, np.ndarray]:
    """Pictures in sorted order; where they lie in subfolders, these are the classes.

    Raises:
        ValueError: there are no pictures, or they differ in size or in colour.
    """
    classes = [sub for sub in sorted(folder.iterdir()) if sub.is_dir() and _pictures(sub)]
    paths, labels = _pictures(folder), None
    if not paths:
        paths = [path for sub in classes for path in _pictures(sub)]
        labels = [number for number, sub in enumerate(classes) for _ in _pictures(sub)]
    if not paths:
        raise ValueError(f"data.path={folder}: no pictures there ({', '.join(SUFFIXES)})")
    named = {"x": _stack(paths)}
    return named if labels is None else named | {"y": np.array(labels)}


def _read_numpy(path: Path) -> dict[str, np.ndarray]:
    if path.suffix == ".npy":
        return {"x": np.lib.format.open_memmap(path, mode="r")}
    return read_npz(path)


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def _stack(paths: list[Path]) -> np.ndarray:
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
