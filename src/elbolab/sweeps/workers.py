"""Worker processes as their parent holds them."""

import os
import pickle
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, final

from elbolab.sweeps.shares import Share
from elbolab.sweeps.worker import Task

PATIENCE = 30.0
"""Seconds that a process has to end when it is asked to."""

POLL = 0.5
"""Seconds between looks whether a worker lives: a process that it has started may hold its end of the pipe."""


@final
class Died(RuntimeError):
    """A process has ended in the middle of a job."""


@final
class Worker:
    """Runs jobs one after another: in a warm process that is kept, or each in a new process.

    The warm process is begun with the first job that wants it, and anew when it has died.

    Args:
        share: the cores and environment of the worker.
        module: module that the warm process imports when it starts.
    """

    def __init__(self, share: Share, module: str) -> None:
        self.share, self.module = share, module
        self.warm: subprocess.Popen | None = None
        self.busy: subprocess.Popen | None = None
        self.replies: BinaryIO | None = None

    def do(self, task: Task) -> Any:
        """Has a job done in the warm process; returns its value.

        Raises:
            Died: the process died.
        """
        if not self.is_warm():
            self._put_away()
            self.warm, self.replies = _begin_warm(self.share, self.module, task.log)
        return self.call(task)

    def is_warm(self) -> bool:
        """Whether the process is there."""
        return self.warm is not None and self.warm.poll() is None

    def call(self, what: Callable[[], Any]) -> Any:
        """Calls ``what``, which must be picklable, in the running warm process, and returns its result.

        Raises:
            Died: the process died, as it also does if ``what`` raises an error.
        """
        assert self.warm is not None
        assert self.warm.stdin is not None
        with self._at_work(self.warm):
            try:
                pickle.dump(pickle.dumps(what), self.warm.stdin)
                self.warm.stdin.flush()
                value, is_sound = self._reply(self.warm)
            except (BrokenPipeError, EOFError, pickle.UnpicklingError):
                raise Died(how_it_died(self.warm.wait())) from None
        if not is_sound:
            self.warm.kill()
            self.warm.wait()
        return value

    def do_alone(self, task: Task) -> None:
        """Runs a job in a new process; the job writes its value into its directory.

        Raises:
            Died: the process died.
        """
        with tempfile.NamedTemporaryFile(suffix=".task") as file:
            file.write(pickle.dumps(task))
            file.flush()
            process = _begin(["elbolab.sweeps.own_process", file.name], self.share, task.log)
            with self._at_work(process):
                code = process.wait()
                assert process.stdin is not None
                process.stdin.close()
                if code != 0:
                    raise Died(how_it_died(code))

    @contextmanager
    def _at_work(self, process: subprocess.Popen) -> Iterator[None]:
        """Marks ``process`` as busy; if it dies, kills the processes that it started."""
        self.busy = process
        try:
            yield
        except Died:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            self.busy = None

    def _reply(self, process: subprocess.Popen) -> tuple[Any, bool]:
        assert self.replies is not None
        while not select.select([self.replies], [], [], POLL)[0]:
            if process.poll() is not None and not select.select([self.replies], [], [], 0)[0]:
                raise EOFError
        return pickle.load(self.replies)

    def end(self) -> None:
        """Asks the worker's processes to end: a busy one by SIGTERM, as by Ctrl-C, an idle warm one by a message."""
        if self.busy is not None:
            self.busy.terminate()
        if self.warm is not None and self.warm is not self.busy:
            with suppress(BrokenPipeError):
                assert self.warm.stdin is not None
                pickle.dump(None, self.warm.stdin)
                self.warm.stdin.flush()

    def wait(self) -> None:
        """Waits until the worker's processes have ended; kills those that take longer than `PATIENCE`."""
        for process in (self.busy, self.warm):
            if process is not None:
                try:
                    process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()  # while it holds its directory the job seems to run
        self._put_away()

    def _put_away(self) -> None:
        """Closes the pipes of a warm process that has ended."""
        for pipe in (self.replies, self.warm.stdin if self.warm is not None else None):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        self.warm = self.replies = None


def _begin_warm(share: Share, module: str, log: Path) -> tuple[subprocess.Popen, BinaryIO]:
    here, there = os.pipe()
    process = _begin(["elbolab.sweeps.worker", str(there), module], share, log, there)
    os.close(there)
    return process, os.fdopen(here, "rb")


def _begin(words: list[str], share: Share, log: Path, *pipes: int) -> subprocess.Popen:
    """Starts ``python -m WORDS`` in a new process session, so that signals of the terminal reach only its parent.

    The environment variables of ``share`` are set before Python starts, and so before torch is imported.
    """
    paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",  # what it prints goes into a log, whatever the terminal
        **share.environment,
    }
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
            pass_fds=pipes,
            start_new_session=True,
        )
    if share.cores:
        with suppress(ProcessLookupError):
            os.sched_setaffinity(process.pid, share.cores)
    return process


def how_it_died(code: int) -> str:
    """Describes the end of a process in words, from its return code as subprocess gives it."""
    if code == -signal.SIGKILL:
        return "its process was killed (SIGKILL; out of memory?): choose fewer hydra.launcher.workers or a smaller job"
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name}: log.txt shows where"
    return f"its process ended with exit code {code}: log.txt shows why"
