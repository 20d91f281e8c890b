"""Files that a kill or a full disk cannot tear. It imports nothing heavy."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import Any

FULL = (ENOSPC, EDQUOT)
"""How a system says that a disk, or what a user may have of it, is full."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a path beside ``path`` to write to; what was written there takes the place of ``path`` at the end.

    Whoever reads ``path`` finds the whole new content or the old one, also where two processes write it at once.

    Raises:
        OSError: the content cannot be written. ``path`` is as it was, and nothing is left beside it: a full disk needs
            that room for the message that it is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield beside
        os.replace(beside, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        beside.unlink(missing_ok=True)


def write_atomically(path: Path, text: str) -> None:
    """Writes a whole text in UTF-8; see `replacing`."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8", errors="surrogateescape")  # a path may have bytes that are no text


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Readable JSON, atomically."""
    write_atomically(path, json.dumps(content, indent=2) + "\n")


def overwrite_json(path: Path, content: Mapping[str, Any]) -> None:
    """Compact JSON in the place of what a file holds, whose blocks it has already: a full disk takes that, too.

    Raises:
        OSError: it does not; the file is as it was.
    """
    text = json.dumps(content).encode()
    with path.open("r+b", buffering=0) as file:
        before = file.read()
        file.seek(0)
        if file.write(text) == len(text):
            file.truncate()
            return
        file.seek(0)
        file.write(before)
        file.truncate()
    raise OSError(ENOSPC, os.strerror(ENOSPC), str(path))
