"""What a stream is shown on: a terminal that moves its cursor, or one that cannot, a pipe, a file."""

import os
from typing import TextIO

DUMB = ("", "dumb", "unknown")
"""Values of ``TERM`` of a terminal that knows nothing but lines; the first also where it is not set."""

NARROW = 40
"""Columns below which a bar or a table that is drawn again and again shows nothing."""


def is_dumb() -> bool:
    """Whether the terminal, where there is one, takes colours and cursor movements for text."""
    return os.environ.get("TERM", "").lower() in DUMB


def redraws(stream: TextIO) -> bool:
    """Whether what is written to ``stream`` can be drawn over: on a terminal, of a width that is known and suffices."""
    if not stream.isatty() or is_dumb():
        return False
    try:
        return os.get_terminal_size(stream.fileno()).columns >= NARROW
    except OSError:
        return False
