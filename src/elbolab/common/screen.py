"""Whether output can be redrawn in place: on a terminal that can move its cursor, not in a pipe or a file."""

import os
from typing import TextIO

DUMB = ("", "dumb", "unknown")
"""Values of ``TERM`` for terminals that cannot move the cursor; an unset ``TERM`` counts as empty."""

NARROW = 40
"""Columns of the narrowest terminal on which a progress bar or table is redrawn."""


def is_dumb() -> bool:
    """Whether a terminal, if there is one, would print colours and cursor movements as text."""
    return os.environ.get("TERM", "").lower() in DUMB


def redraws(stream: TextIO) -> bool:
    """Whether output to ``stream`` can be redrawn: on a terminal whose width is known and at least `NARROW`."""
    if not stream.isatty() or is_dumb():
        return False
    try:
        return os.get_terminal_size(stream.fileno()).columns >= NARROW
    except OSError:
        return False
