"""The local launcher: jobs in worker processes, which share out the machine."""

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar, final

from hydra.core.utils import JobReturn
from omegaconf import OmegaConf, open_dict

from elbolab.runs.status import DONE, state_of
from elbolab.sweeps.job import has_ranks, record_job_failure
from elbolab.sweeps.runner import JobRunner
from elbolab.sweeps.shares import Share

PATIENCE = 30.0  # seconds that a process has to end when it is asked to
POLL = 0.5  # seconds between looks whether a worker lives: what it has started may hold its end of the connection

T = TypeVar("T")


@final
class Local:
    """Workers, one a share, begun when there are jobs for them, and kept; warm ones import ``module`` as they begin."""

    def __init__(self, runner: JobRunner, module: str, shares: Sequence[Share]) -> None:
        self.runner = runner
        self.workers = [Worker(share, module) for share in shares]
        self.composing = threading.Lock()  # Hydra composes one configuration at a time
        self.is_ending = False

    def launch(self, overrides: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
        """Does all jobs, as many at once as there are workers; an error of one is in its directory."""
        idle = SimpleQueue[Worker]()
        for worker in self.workers:
            idle.put(worker)
        pool = ThreadPoolExecutor(len(self.workers))
        jobs = [pool.submit(self._run_job, idle, list(words), num) for num, words in enumerate(overrides, first)]
        try:
            for job in jobs:
                job.result()
        except BaseException:
            self.is_ending = True
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        return self.runner.read_values(overrides, first)

    def call(self, function: Callable[[], T]) -> T:
        """What a function returns, called in a warm process if there is one: this one may lack its imports."""
        for worker in self.workers:
            if worker.is_warm():
                with suppress(WorkerDied):
                    return worker.call(function)
        return function()

    def close(self) -> None:
        """Ends the workers; those that are at work as Ctrl-C would, and by force where they do not end."""
        self.is_ending = True
        for worker in self.workers:
            worker.end()
        for worker in self.workers:
            worker.wait()

    def _run_job(self, idle: "SimpleQueue[Worker]", overrides: list[str], num: int) -> None:
        """Runs a job on an idle worker, unless it is done."""
        folder = self.runner.folder / str(num)
        if state_of(folder).state in DONE:
            return
        worker = idle.get()
        try:
            if not self.is_ending:
                self._run_on(worker, overrides, num, folder)
        finally:
            idle.put(worker)

    def _run_on(self, worker: "Worker", overrides: list[str], num: int, folder: Path) -> None:
        with self.composing:
            config = self.runner.compose(overrides, num)
        with open_dict(config):
            if "root" in config.hydra.job_logging:  # whose file takes all that a job prints: once is enough
                config.hydra.job_logging.root.handlers = ["file"]
        log = folder / "log.txt"
        task = partial(self.runner.run_in_worker, config, log)
        try:
            if (nodes := OmegaConf.select(config, "trainer.num_nodes")) not in (None, 1):
                way = "hydra/launcher=local has one machine; choose another launcher"
                raise ValueError(f"trainer.num_nodes={nodes}: {way}")
            run = worker.run_alone if has_ranks(config) else worker.run_warm
            run(task, log)
        except (WorkerDied, ValueError) as error:
            if not self.is_ending and state_of(folder).state not in DONE:
                record_job_failure(folder, str(error), config, overrides)


@final
class WorkerDied(RuntimeError):
    """A process has ended in the middle of a job."""


@final
class Worker:
    """Runs jobs one after another: in a warm process that is kept, or each in a new process.

    The warm process is begun with the first job that wants it, and anew when it has died.
    """

    def __init__(self, share: Share, module: str) -> None:
        self.share, self.module = share, module
        self.warm: tuple[subprocess.Popen, Connection] | None = None
        self.busy: subprocess.Popen | None = None

    def run_warm(self, task: Callable[[], Any], log: Path) -> None:
        """Runs a job in the warm process; raises `WorkerDied` where that dies."""
        if not self.is_warm():
            self._close_connection()
            self.warm = start_process(["warm", self.module], self.share, log)
        self.call(task)

    def is_warm(self) -> bool:
        """Whether the warm process lives."""
        return self.warm is not None and self.warm[0].poll() is None

    def call(self, function: Callable[[], T]) -> T:
        """Calls a function, which must be picklable, in the living warm process, and returns its result.

        Raises `WorkerDied` where the process dies, as it also does if the function raises an error.
        """
        assert self.warm is not None
        process, connection = self.warm
        with self._mark_busy(process):
            try:
                connection.send_bytes(pickle.dumps(function))
                while not connection.poll(POLL):
                    if process.poll() is not None and not connection.poll():
                        raise EOFError
                value, is_usable = connection.recv()
            except (EOFError, OSError):
                raise WorkerDied(describe_death(process.wait())) from None
        if not is_usable:
            process.kill()
            process.wait()
        return value

    def run_alone(self, task: Callable[[], Any], log: Path) -> None:
        """Runs a job in a new process; raises `WorkerDied` where that dies."""
        with tempfile.NamedTemporaryFile(suffix=".task") as file:
            file.write(pickle.dumps(task))
            file.flush()
            process, connection = start_process(["alone", file.name], self.share, log)
            with connection, self._mark_busy(process):
                if (code := process.wait()) != 0:
                    raise WorkerDied(describe_death(code))

    @contextmanager
    def _mark_busy(self, process: subprocess.Popen) -> Iterator[None]:
        """Within, the process is at work; if it dies, the processes that it has started are killed."""
        self.busy = process
        try:
            yield
        except WorkerDied:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            self.busy = None

    def end(self) -> None:
        """Asks the worker's processes to end: a busy one by SIGTERM, as by Ctrl-C, an idle warm one by a message."""
        if self.busy is not None:
            self.busy.terminate()
        if self.warm is not None and self.warm[0] is not self.busy:
            with suppress(OSError):
                self.warm[1].send_bytes(b"")

    def wait(self) -> None:
        """Waits until the worker's processes have ended; kills those that take longer than `PATIENCE`."""
        for process in (self.busy, None if self.warm is None else self.warm[0]):
            if process is not None:
                try:
                    process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()  # while it holds its directory the job seems to run
        self._close_connection()

    def _close_connection(self) -> None:
        if self.warm is not None:
            self.warm[1].close()
        self.warm = None


def start_process(words: list[str], share: Share, log: Path) -> tuple[subprocess.Popen, Connection]:
    """Starts ``python -m elbolab.sweeps.worker WORDS``, whose stdin is its end of the connection.

    It has a session of its own, so that signals of the terminal reach its parent alone. The environment of ``share`` is
    set before Python starts, and so before torch is imported.
    """
    environment = {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",  # what it prints goes into a log, whatever the terminal
        **share.environment,
    }
    log.parent.mkdir(parents=True, exist_ok=True)
    ours, theirs = Pipe()
    with theirs, log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "elbolab.sweeps.worker", *words],
            env=os.environ | environment,
            stdin=theirs.fileno(),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    if share.cores:
        with suppress(ProcessLookupError):
            os.sched_setaffinity(process.pid, share.cores)
    return process, ours


def describe_death(code: int) -> str:
    """How a process ended, in words, from its return code as subprocess gives it."""
    if code == -signal.SIGKILL:
        return "its process was killed (SIGKILL; out of memory?): choose fewer hydra.launcher.workers or a smaller job"
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name}: log.txt shows where"
    return f"its process ended with exit code {code}: log.txt shows why"
