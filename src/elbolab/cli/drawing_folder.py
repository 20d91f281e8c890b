"""Where matplotlib keeps the list of a machine's fonts, which takes seconds to make."""

import atexit
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path


def settle_drawing_folder() -> None:
    """Gives matplotlib a temporary folder, for this command, where its own cannot be written (a home of nobody's).

    It would do the same by itself, with two warnings, in every process of a sweep. Call it before matplotlib is
    imported.
    """
    if all(map(_is_writable, _list_folders())):
        return
    with suppress(OSError):  # without one matplotlib says what to do
        folder = tempfile.mkdtemp(prefix="matplotlib-")
        os.environ["MPLCONFIGDIR"] = folder
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


def _list_folders() -> list[Path]:
    """Those that matplotlib asks for."""
    if chosen := os.environ.get("MPLCONFIGDIR"):
        return [Path(chosen)]
    home = Path(os.path.expanduser("~"))
    if not sys.platform.startswith(("linux", "freebsd")):
        return [home / ".matplotlib"]
    bases = (("XDG_CONFIG_HOME", ".config"), ("XDG_CACHE_HOME", ".cache"))
    return [Path(os.environ.get(name) or home / own) / "matplotlib" for name, own in bases]


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
