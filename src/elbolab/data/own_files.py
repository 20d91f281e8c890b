"""Reading a user's own data: files of arrays, or a folder of pictures, to named arrays.

The names are ``x``, or ``train``, ``val`` and ``test``; labels ``y`` or ``y_train``, ...; factors likewise.
"""

from pathlib import Path

import numpy as np

from elbolab.data.array_folders import read_array_folder
from elbolab.data.folders import scan
from elbolab.data.layouts import arrange
from elbolab.data.npz import read_npz
from elbolab.data.pictures import read_pictures

WRITERS = {".npz": "numpy.savez(path, x=x)", ".npy": "numpy.save(path, x)"}


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


def read_folder(path: Path) -> dict[str, np.ndarray]:
    """The pictures of a folder, by split, with labels where there are class folders; or its arrays.

    Raises:
        ValueError: there are neither, the layout has two readings, or they do not go together.
    """
    folder = scan(path)
    if not folder.pictures and not folder.folders:
        return read_array_folder(folder, read_named)
    parts = arrange(folder)
    x = read_pictures([picture for part in parts.values() for picture in part.paths])
    ends = np.cumsum([len(part.paths) for part in parts.values()])
    named = dict(zip(parts, np.split(x, ends[:-1]), strict=True))
    labels = {name: np.array(part.classes) for name, part in parts.items() if part.classes is not None}
    return named | {"y" if name == "x" else f"y_{name}": y for name, y in labels.items()}


def _read_numpy(path: Path) -> dict[str, np.ndarray]:
    if path.suffix == ".npy":
        return {"x": np.lib.format.open_memmap(path, mode="r")}
    return read_npz(path)
