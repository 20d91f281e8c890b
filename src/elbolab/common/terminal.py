"""What a command's output is read on: a terminal, a pipe or a file of any encoding, which may go away at any time."""

import codecs
import io
import os
import select
import shutil
import signal
import sys
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, final

ASCII = dict(zip("−–—×·•≈‘’“”\N{NO-BREAK SPACE}─━╌═╴╶╸╺│┃║╷╵╎", "---x.*~''\"\" --------||||||", strict=True)) | dict(
    [("±", "+-"), ("…", "..."), ("→", "->"), ("←", "<-"), ("≤", "<="), ("≥", ">="), ("∞", "inf"), ("²", "^2")]
)
"""Characters that are written in another way where the encoding does not have them."""

FRAMES, BLOCKS = range(0x2500, 0x2580), range(0x2580, 0x25A0)
"""Corners and crossings of tables, and what progress bars are made of."""

ESCAPED = range(0xDC80, 0xDD00)
"""Bytes of file names and arguments that are no text, as Python keeps them (PEP 383)."""

PLAINLY = "elbolab.plainly"  # the name of `encode_plainly` among the error handlers of Python's codecs
DUMB = ("", "dumb", "unknown")  # TERM of terminals that cannot move the cursor; unset, it counts as empty
NARROW = 40  # columns of the narrowest terminal on which a progress bar or table is redrawn

HANGUPS = (signal.SIGHUP, signal.SIGTTOU)
"""Signals of a terminal: when it is closed, and (``stty tostop``) when a background job writes to it."""


def terminal_width() -> int | None:
    """Columns of the terminal that stdout goes to; None where it goes to a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def is_dumb() -> bool:
    """Whether a terminal, if there is one, would print colours and cursor movements as text."""
    return os.environ.get("TERM", "").lower() in DUMB


def redraws(stream: TextIO) -> bool:
    """Whether output can be redrawn in place: on a terminal whose width is known and at least `NARROW`."""
    if not stream.isatty() or is_dumb():
        return False
    try:
        return os.get_terminal_size(stream.fileno()).columns >= NARROW
    except OSError:
        return False


def encode_plainly(error: UnicodeError) -> tuple[str | bytes, int]:
    """Writes a character that an encoding does not have as others that it has; an error handler of `codecs`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if ord(character) in ESCAPED:
        return bytes([ord(character) - 0xDC00]), error.start + 1
    return plain(character), error.start + 1


def plain(character: str) -> str:
    """A character in ASCII: its table's, the letter without its accent, the name of a Greek letter, else ``?``."""
    if character in ASCII:
        return ASCII[character]
    if ord(character) in FRAMES:
        return "+"
    if ord(character) in BLOCKS:
        return "#"
    letter = unicodedata.normalize("NFD", character)[0]
    if letter.isascii():
        return letter
    name = unicodedata.name(character, "")
    return name.rpartition(" ")[2].lower() if name.startswith("GREEK SMALL LETTER ") else "?"


@final
class Unwritten(OSError):
    """The output of a command cannot be written: its reader is gone, or the disk is full."""


@final
class Output(io.FileIO):
    """A file descriptor that a command prints to.

    Attributes:
        is_needed: whether a failed write is an error, because the output is all that the command produces.
    """

    def __init__(self, descriptor: int, *, is_needed: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.is_needed = is_needed

    def write(self, data: Any, /) -> int:
        """Writes all of ``data``; waits for a slow reader, whether or not the descriptor would.

        Raises:
            Unwritten: the write failed, and the output is needed.
        """
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            while left:
                written = super().write(left)
                if written is None:
                    select.select([], [self], [])
                left = left[written or 0 :]
        except OSError as error:
            if self.is_needed:
                raise Unwritten(error.errno, f"stdout cannot be written: {error.strerror}") from error
        return size


def prepare_output() -> None:
    """Makes stdout and stderr show every character in some way, and outlive their readers.

    Only where `unattended` begins is nothing raised any more that stdout cannot write. Streams that are no files of the
    system, those of a notebook or a test, stay as they are.
    """
    codecs.register_error(PLAINLY, encode_plainly)
    while (
        descriptor := os.open(os.devnull, os.O_RDWR)
    ) <= 2:  # it was closed (>&-): the next file would get the output
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdout = _prepare(sys.stdout, 1, is_needed=True)
    sys.stderr = _prepare(sys.stderr, 2, is_needed=False)


def _prepare(stream: TextIO | None, descriptor: int, *, is_needed: bool) -> TextIO:
    """The stream that replaces a standard stream and prints through `Output`.

    ``stream`` is None if its descriptor was closed when Python started. A stream that is not a text stream of a file
    descriptor, such as one that a test replaced, is returned unchanged.
    """
    if stream is None:
        return io.TextIOWrapper(io.BufferedWriter(Output(descriptor, is_needed=False)), "utf-8", PLAINLY)
    if not isinstance(stream, io.TextIOWrapper) or type(_raw(stream)) is not io.FileIO:
        return stream
    stream.reconfigure(errors=PLAINLY)  # for whoever holds it already
    output = Output(stream.fileno(), is_needed=is_needed)
    return io.TextIOWrapper(
        output if stream.buffer is _raw(stream) else io.BufferedWriter(output),  # type: ignore[arg-type]
        encoding=stream.encoding,
        errors=PLAINLY,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _raw(stream: TextIO) -> Any:
    """The raw file below a stream's buffer, or in place of the buffer (`python -u`); None if there is no buffer."""
    buffer = getattr(stream, "buffer", None)
    return getattr(buffer, "raw", buffer)


@contextmanager
def unattended() -> Iterator[None]:
    """Within, neither a reader that goes away nor a terminal ends or stops a command: its work is in its files."""
    stream, output = sys.stdout, _raw(sys.stdout)
    was_needed = isinstance(output, Output) and output.is_needed
    if was_needed:
        output.is_needed = False
    is_main = threading.current_thread() is threading.main_thread()  # which alone may set handlers
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in HANGUPS} if is_main else {}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if was_needed:
            stream.flush()
            output.is_needed = True
