"""A line of text that is drawn over in a notebook, where no cursor can move."""

import io
import sys
from typing import Any, final

from typing_extensions import override


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, which shows and updates outputs; it has imported ipykernel."""
    shells = sys.modules.get("ipykernel.zmqshell")
    return shells is not None and isinstance(sys.modules["IPython"].get_ipython(), shells.ZMQInteractiveShell)


@final
class NotebookLine(io.TextIOBase):
    """A stream whose newest line, from the last carriage return on, takes the place of the one before it.

    It is one output of the cell, updated in place: unlike carriage returns on stderr it leaves a single line in a
    notebook that is saved or executed without a browser, and unlike widgets it needs nothing installed.
    """

    encoding = "utf-8"

    def __init__(self) -> None:
        self.line = self.shown = ""
        self.output: Any = None

    @override
    def write(self, text: str, /) -> int:
        self.line = (self.line + text).rpartition("\r")[2]
        return len(text)

    @override
    def flush(self) -> None:
        line = self.line.rstrip()
        if line == self.shown:
            return
        self.shown, bundle = line, {"text/plain": line}
        if self.output is None:
            from IPython.display import display

            self.output = display(bundle, raw=True, display_id=True)
        else:
            self.output.update(bundle, raw=True)
