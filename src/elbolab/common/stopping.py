"""Ctrl-C and SIGTERM: what is said, and the exit codes that shells expect."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, final


class Stop(NamedTuple):
    """What stopped a command: what is said, and the exit code, 128 and the signal's number."""

    word: str
    code: int


INTERRUPTED = Stop("interrupted", 128 + signal.SIGINT)
TERMINATED = Stop("terminated", 128 + signal.SIGTERM)


@final
class Stopped(SystemExit):
    """A command was stopped from outside.

    Args:
        stop: by what.
        then: where, what is kept, and how to go on; None where nothing has begun.
    """

    def __init__(self, stop: Stop, then: str | None) -> None:
        super().__init__(stop.code)
        self.message = stop.word + (then or "")


@contextmanager
def catch_sigterm() -> Iterator[None]:
    """SIGTERM unwinds the command as Ctrl-C does. Lightning keeps this handler beside its own while it trains."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(TERMINATED.code))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def stop_of(error: BaseException) -> Stop | None:
    """What stopped the command; None where it was no signal. Lightning turns Ctrl-C into a SystemExit."""
    if isinstance(error, KeyboardInterrupt) or isinstance(error.__context__, KeyboardInterrupt):
        return INTERRUPTED
    code = error.code if isinstance(error, SystemExit) else None
    return next((stop for stop in (INTERRUPTED, TERMINATED) if stop.code == code), None)
