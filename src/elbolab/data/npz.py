"""Files of several arrays."""

import zipfile
import zlib
from pathlib import Path

import numpy as np


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an .npz file.

    Raises:
        ValueError: it cannot be read; says why, and leaves it to the caller to say what to do.
    """
    return {name: read_member(path, name) for name in list_npz(path)}


def list_npz(path: Path) -> list[str]:
    """Names of the arrays of an .npz file.

    Raises:
        ValueError: as `read_npz`.
    """
    if not zipfile.is_zipfile(path):  # numpy would take it for a pickle
        raise ValueError("it is no zip archive, as .npz files are, or a part of one")
    try:
        with np.load(path) as file:
            return file.files
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(str(error)) from error


def read_member(path: Path, name: str) -> np.ndarray:
    """One array of an .npz file.

    Raises:
        ValueError: as `read_npz`; or it is an array of Python objects, or no array.
    """
    try:
        with np.load(path) as file:
            array = file[name]
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(str(error)) from error
    if not isinstance(array, np.ndarray):  # numpy hands out other members as bytes
        raise ValueError(f"{name} is no array")
    return array
