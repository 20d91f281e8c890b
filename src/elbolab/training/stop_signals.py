"""Notice to leave: a signal that lets a run save its state before it ends. Nothing heavy is imported."""

import logging
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import final

log = logging.getLogger(__name__)


@final
class Leave(SystemExit):
    """A run has left because a signal has asked it to; its newest state is on disk."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.signal = signal.Signals(number)


@final
class Notice:
    """Signals are the process's, so there is one of these, `NOTICE`.

    Training is asked, and leaves at the end of a block with its state saved (`Newest`), because a handler that saves
    in the middle of a block saves what cannot be resumed exactly. Whatever else runs is left at once. `given` is the
    signal that has come.
    """

    def __init__(self) -> None:
        self.given: int | None = None
        self._signals: Sequence[int] = ()
        self._answer: Callable[[int], None] = lambda number: None
        self._deferred = self._leaving = False

    @contextmanager
    def heeded(self, signals: Sequence[int], answer: Callable[[int], None]) -> Iterator[None]:
        """Listens for ``signals`` within; ``answer`` is told once the state is on disk, before the run is unwound."""
        before = {number: signal.getsignal(number) for number in signals}
        self._signals, self._answer = signals, answer
        self.listen()
        try:
            yield
        finally:
            self._signals, self.given, self._leaving = (), None, False
            for number, handler in before.items():
                signal.signal(number, handler)

    def listen(self) -> None:
        """Takes the signals, from Lightning too, which puts collectives into its handler of SIGTERM."""
        for number in self._signals:
            signal.signal(number, self._handle)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """What runs within looks at `given` itself; where it has not by its end, Leave is raised."""
        self._deferred = True
        try:
            yield
        except Exception as error:
            if self.given is None:
                raise
            log.warning("asked to leave: %s", error)  # of a process that has heeded the signal too
        finally:
            self._deferred = False
        if self.given is not None:
            self.leave(self.given)

    def leave(self, number: int) -> None:
        """Answers, and ends the run by raising Leave."""
        if not self._leaving:
            self._leaving = True
            self._answer(number)
        raise Leave(number)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.given = self.given or number
        if not (self._deferred or self._leaving):
            self.leave(number)


NOTICE = Notice()
"""That of this process."""
