"""What a command's output is read on."""

import shutil
import sys


def terminal_width() -> int | None:
    """Columns of the terminal that stdout goes to; None where it goes to a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
