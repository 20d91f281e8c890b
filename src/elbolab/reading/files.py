"""Data files: where they live, how sixteen jobs that start at once get them once, and the formats idx and npz."""

import gzip
import hashlib
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from filelock import FileLock
from platformdirs import user_cache_dir


def cache_dir() -> Path:
    """This user's cache folder of elbolab."""
    return Path(user_cache_dir("elbolab"))


def data_root(root: str | Path | None) -> Path:
    """The folder of data files: ``root``, or this user's cache folder."""
    return cache_dir() if root is None else Path(str(root)).expanduser()


def obtain_files(files: Sequence[Path], root: Path, download: Callable[[Path], None], what: str) -> None:
    """Makes sure that ``files`` exist: as they are, or downloaded by one process while the others wait.

    ``download`` fills an empty folder as ``root`` shall be filled. Complete files are moved from there; a failed
    download leaves nothing behind.

    Raises:
        ValueError: a file is missing and cannot be downloaded; says so, and ``what`` else can be done.
    """
    why, cause = "the download does not contain it", None
    try:
        if not all(path.exists() for path in files):
            root.mkdir(parents=True, exist_ok=True)
            with FileLock(root / ".lock"):
                if not all(path.exists() for path in files):
                    _download_into(root, download)
    except Exception as error:  # every library has its own kind of failed download
        why, cause = f"the download failed ({type(error).__name__}: {error})", error
    if missing := ", ".join(str(path) for path in files if not path.exists()):
        where = "data.root or ELBOLAB_DATA says where data files live"
        raise ValueError(f"missing {missing}, and {why}. {what}; {where}") from cause


def _download_into(root: Path, download: Callable[[Path], None]) -> None:
    partial = Path(tempfile.mkdtemp(dir=root, prefix=".download-"))
    try:
        download(partial)
        for source in sorted(path for path in partial.rglob("*") if path.is_file()):
            target = root / source.relative_to(partial)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, target)
    finally:
        shutil.rmtree(partial)


def read_idx(path: Path, md5: str | None = None) -> np.ndarray:
    """The array in an idx file of bytes, the format of MNIST, gzipped or plain.

    A file is two zero bytes, a type code (8 for bytes), the number of dimensions, each size as a big-endian 32-bit
    integer, and the values. ``md5`` is that of the file as it is stored, None where it may differ.
    """
    if not path.is_file():
        raise ValueError(f"missing data file {path}")
    raw = path.read_bytes()
    if md5 is not None and hashlib.md5(raw, usedforsecurity=False).hexdigest() != md5:
        raise ValueError(f"corrupt data file {path}: its md5 is not {md5}; remove it and get it again")
    try:
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
        if raw[:3] != b"\x00\x00\x08":
            raise ValueError("no idx file of bytes")
        sizes = np.frombuffer(raw, ">i4", count=raw[3], offset=4)
        return np.frombuffer(bytearray(raw), np.uint8, offset=4 + 4 * raw[3]).reshape(sizes)
    except (ValueError, IndexError, EOFError, OSError) as error:
        raise ValueError(f"corrupt data file {path} ({error}); remove it and get it again") from None


def list_npz(path: Path) -> list[str]:
    """Names of the arrays of an .npz file; raises ValueError that says why, and not what to do."""
    if not zipfile.is_zipfile(path):  # numpy would take it for a pickle
        raise ValueError("it is no zip archive, as .npz files are, or a part of one")
    try:
        with np.load(path) as file:
            return file.files
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(str(error)) from error


def read_member(path: Path, name: str) -> np.ndarray:
    """One array of an .npz file; raises ValueError as `list_npz` does."""
    try:
        with np.load(path) as file:
            array = file[name]
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(str(error)) from error
    if not isinstance(array, np.ndarray):  # numpy hands out other members as bytes
        raise ValueError(f"{name} is no array")
    return array
