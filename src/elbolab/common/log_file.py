"""``log.txt``, which ends no run."""

import logging
import sys
from contextlib import suppress
from pathlib import Path
from typing import final

from typing_extensions import override


@final
class LogFile(logging.FileHandler):
    """Says once on stderr that the file cannot be written, and why; Python's own prints a traceback at every message.

    It is opened with the first message, and again after one that could not be written: there may be room by then.
    """

    def __init__(self, filename: str | Path, encoding: str = "utf-8", errors: str = "backslashreplace") -> None:
        super().__init__(filename, encoding=encoding, errors=errors, delay=True)
        self.has_warned = False

    @override
    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:  # of the opening, which Python's own leaves to whoever logs
            self.handleError(record)

    @override
    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):  # a message that cannot be formatted
            super().handleError(record)
            return
        stream, self.stream = self.stream, None  # type: ignore[assignment]  # the next message opens it again
        if stream is not None:
            with suppress(OSError):  # of what it holds back
                stream.close()
        if not self.has_warned:
            self.has_warned = True
            print(f"{self.baseFilename} cannot be written: {error.strerror}", file=sys.stderr, flush=True)
