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
    if not zipfile.is_zipfile(path):  # numpy would take it for a pickle
        raise ValueError("it is no zip archive, as .npz files are, or a part of one")
    try:
        with np.load(path) as file:
            return dict(file)
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(str(error)) from error
