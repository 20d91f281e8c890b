"""A process that does the jobs of a sweep, one after another, with its imports made once.

It is started as ``python -m elbolab.sweeps.worker DESCRIPTOR MODULE``: the pipe for its replies, and the module of the
command, which it imports while its parent composes the first job.

Its parent writes to stdin what is to be called, and reads from a pipe what that returns, and whether this process is
good for more. When stdin ends without a word the parent is dead; the worker then ends itself and whatever it has
started, at once, as if it had been killed: what is on disk is whole.
"""

import gc
import os
import pickle
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Protocol, final


class Command(Protocol):
    """What Hydra calls with the composed configuration of a job; it can be pickled.

    Attributes:
        command: the sub-command.
    """

    command: str

    @property
    def module(self) -> str:
        """The module that does the work, whose import takes seconds."""

    def __call__(self, cfg: Any) -> Any:
        """Runs the command; a job of a sweep returns its monitored value."""


@final
@dataclass(frozen=True)
class Task:
    """A job as it is sent to a worker; pickled.

    Attributes:
        command: what is called with the configuration.
        path: where the parent imports from.
        context: Hydra's: where configs come from, and callbacks.
        config: the composed configuration, Hydra's node among it.
        log: the file that takes what the job prints.
    """

    command: Command
    path: list[str]
    context: Any
    config: Any
    log: Path

    def __call__(self) -> Any:
        """Does the job as Hydra does one in the parent; the value that it returns.

        Raises:
            Exception: an error that is not the job's own; a job of a sweep writes its own down.
        """
        from hydra.core.utils import run_job

        _take_up(self)
        done = run_job(
            task_function=self.command,
            config=self.config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
            hydra_context=self.context,
        )
        return done.return_value


def main() -> None:
    """Until the parent says that there are no more jobs."""
    replies = os.fdopen(int(sys.argv[1]), "wb")
    os.set_inheritable(replies.fileno(), False)
    jobs: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(os.fdopen(os.dup(0), "rb"), jobs), daemon=True).start()
    from elbolab.common.stopping import listening

    with listening():
        import_module(sys.argv[2])
        with _left_alone():
            while (job := jobs.get()) is not None:
                value = pickle.loads(job)()
                pickle.dump((value, is_sound()), replies)
                replies.flush()
                gc.collect()


def is_sound() -> bool:
    """Whether the next job can be done here: once a kernel has failed, CUDA answers its process no more."""
    import torch

    try:
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
    except RuntimeError:
        return False
    return True


@contextmanager
def _left_alone() -> Iterator[None]:
    """What is imported stays: to look through it for what is free takes 0.3 s of a core, twice a job."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _listen(pipe: BinaryIO, jobs: "queue.SimpleQueue[bytes | None]") -> None:
    try:
        while (job := pickle.load(pipe)) is not None:
            jobs.put(job)
    except (EOFError, pickle.UnpicklingError):
        end_at_once()
    jobs.put(None)


def end_at_once() -> None:
    """Kills this process, and what it has started where its parent has made it the first of a group."""
    (os.killpg if os.getpgid(0) == os.getpid() else os.kill)(os.getpid(), signal.SIGKILL)


def _take_up(task: Task) -> None:
    """Makes this process the parent's, but for what it prints."""
    from hydra._internal.hydra import Hydra
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.utils import setup_globals
    from hydra.version import setbase

    task.log.parent.mkdir(parents=True, exist_ok=True)
    with task.log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.path[:] = task.path
    os.environ["ELBOLAB_COMMAND"], os.environ["HYDRA_FULL_ERROR"] = task.command.command, "1"
    setbase("1.3")
    setup_globals()
    GlobalHydra.instance().clear()
    GlobalHydra.instance().initialize(Hydra(task.command.command, task.context.config_loader))


if __name__ == "__main__":
    main()
