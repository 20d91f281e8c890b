"""Reading a user's own data: files of arrays, or a folder of pictures, to named arrays.

The names are ``x``, or ``train``, ``val`` and ``test``; labels ``y`` or ``y_train``, ...; factors likewise.
"""

import zipfile
from pathlib import Path

import numpy as np

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")


def read_named(path: Path) -> dict[str, np.ndarray]:
    """The arrays at ``path``; an .npy file is memory-mapped.

    Raises:
        ValueError: there is nothing, or nothing that can be read.
    """
    if path.is_dir():
        return read_folder(path)
    if not path.is_file():
        raise ValueError(f"data.path={path}: there is no such file or folder")
    if path.suffix not in (".npz", ".npy"):
        raise ValueError(f"data.path={path}: give an .npz or .npy file, or a folder of pictures")
    try:
        return _read_numpy(path)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"data.path={path} cannot be read as {path.suffix}: {error}") from error


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
        return {"x": np.load(path, mmap_mode="r")}
    with np.load(path) as file:
        return dict(file)


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

    with Image.open(path) as image:
        return np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"))
