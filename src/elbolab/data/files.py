"""Where data files live, and how sixteen jobs that start at once get them once."""

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_dir


def data_root(root: str | Path | None) -> Path:
    """The folder of data files: ``root``, or this user's cache folder."""
    return cache_dir() if root is None else Path(str(root)).expanduser()


def cache_dir() -> Path:
    """This user's cache folder of elbolab."""
    return Path(user_cache_dir("elbolab"))


def obtain(files: Sequence[Path], root: Path, download: Callable[[Path], None], what: str) -> None:
    """Makes sure that ``files`` exist: as they are, or downloaded by one process while the others wait.

    The download goes to a folder beside the target, and complete files are moved from there; a failed download leaves
    nothing behind.

    Args:
        files: paths below ``root`` that must exist.
        root: folder of data files.
        download: fills an empty folder as ``root`` shall be filled.
        what: the data set's name, and in words how else to get it.

    Raises:
        ValueError: a file is missing and cannot be downloaded; says what, where it was looked for and how to get it.
    """
    if not _missing(files):
        return
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / ".lock"):
            if _missing(files):
                _download_into(root, download)
    except Exception as error:  # every library has its own kind of failed download
        raise ValueError(_message(files, what, f"the download failed ({type(error).__name__}: {error})")) from error
    if _missing(files):
        raise ValueError(_message(files, what, "the download does not contain it"))


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


def _missing(files: Sequence[Path]) -> list[Path]:
    return [path for path in files if not path.exists()]


def _message(files: Sequence[Path], what: str, why: str) -> str:
    names = ", ".join(str(path) for path in _missing(files))
    return f"missing {names}, and {why}. {what}; data.root or ELBOLAB_DATA says where data files live"
