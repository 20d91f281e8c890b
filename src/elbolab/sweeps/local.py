"""The local launcher: jobs in warm worker processes, which share out the machine."""

import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from math import nan
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar, final

from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from elbolab.runs.status import DONE, record_failure, state_of
from elbolab.sweeps.jobs import has_ranks
from elbolab.sweeps.parent import RUNNING
from elbolab.sweeps.shares import Share
from elbolab.sweeps.worker import Command, Task
from elbolab.sweeps.workers import Died, Worker

T = TypeVar("T")


def local(context: HydraContext, command: Command, config: DictConfig, parts: Sequence[Share]) -> "Local":
    """A launcher whose workers end when Hydra does."""
    made, now = Local(context, command, config, parts), RUNNING.get()
    now.stack.callback(made.close)
    now.warm.append(made.call)
    return made


@final
class Local:
    """Workers, begun when there are jobs for them, and kept for the next jobs.

    Args:
        context: Hydra's.
        command: what each job is.
        config: of the sweep.
        parts: what each worker has of the machine.
    """

    def __init__(self, context: HydraContext, command: Command, config: DictConfig, parts: Sequence[Share]) -> None:
        self.context, self.command, self.config = context, command, config
        self.workers = [Worker(share, command.module) for share in parts]
        self.composing = threading.Lock()  # Hydra composes one configuration at a time
        self.is_ending = False

    def launch(self, job_overrides: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
        """Does all jobs, as many at once as there are workers; an error of one is in its directory."""
        free: SimpleQueue[Worker] = SimpleQueue()
        for worker in self.workers:
            free.put(worker)
        pool = ThreadPoolExecutor(len(self.workers))
        work = [pool.submit(self._job, free, list(words), first + i) for i, words in enumerate(job_overrides)]
        try:
            return [job.result() for job in work]
        except BaseException:
            self.is_ending = True
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def call(self, what: Callable[[], T]) -> T:
        """What a function returns, which need not be here that has imported what it needs."""
        for worker in self.workers:
            if worker.is_warm():
                with suppress(Died):
                    return worker.call(what)
        return what()

    def close(self) -> None:
        """Ends the workers; those that are at work as Ctrl-C would, and by force where they do not end."""
        self.is_ending = True
        for worker in self.workers:
            worker.end()
        for worker in self.workers:
            worker.wait()

    def _job(self, free: "SimpleQueue[Worker]", overrides: list[str], num: int) -> JobReturn:
        """One job, on a worker that is free; a job that is done needs none."""
        folder = Path(self.config.hydra.sweep.dir).absolute() / str(num)
        if state_of(folder).state in DONE:
            return _returned(overrides, _value(folder))
        worker = free.get()
        try:
            return _returned(overrides, nan if self.is_ending else self._done(worker, overrides, num, folder))
        finally:
            free.put(worker)

    def _done(self, worker: Worker, overrides: list[str], num: int, folder: Path) -> Any:
        task = self._task(overrides, num, folder)
        try:
            if not is_distributed(task.config):
                return worker.do(task)
            worker.do_alone(task)
        except (Died, ValueError) as error:
            if not self.is_ending and state_of(folder).state not in DONE:
                _record(folder, str(error), task.config, overrides)
        return _value(folder)

    def _task(self, overrides: list[str], num: int, folder: Path) -> Task:
        """As Hydra's own launcher makes it; what it prints goes to ``log.txt``, and so do its messages, once."""
        with self.composing:
            config = self.context.config_loader.load_sweep_config(self.config, overrides)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = num
            if "root" in config.hydra.job_logging:
                config.hydra.job_logging.root.handlers = ["file"]
        return Task(self.command, sys.path, self.context, config, folder / "log.txt")


def is_distributed(config: DictConfig) -> bool:
    """Whether a job is one of several processes: Lightning starts the others with the arguments of the first.

    Raises:
        ValueError: it is of several machines.
    """
    nodes = OmegaConf.select(config, "trainer.num_nodes")
    if nodes not in (None, 1):
        raise ValueError(f"trainer.num_nodes={nodes}: hydra/launcher=local has one machine; choose another launcher")
    return has_ranks(config)


def _value(folder: Path) -> float:
    value = state_of(folder).value
    return nan if value is None else value


def _record(folder: Path, error: str, config: DictConfig, overrides: Sequence[str]) -> None:
    with suppress(OSError):  # a full disk may be what ended it
        record_failure(
            folder, error, monitor=str(config.get("monitor")), mode=str(config.get("mode")), overrides=overrides
        )


def _returned(overrides: list[str], value: Any) -> JobReturn:
    """What a sweeper reads of a job."""
    done = JobReturn(overrides=overrides, status=JobStatus.COMPLETED)
    done.return_value = value
    return done
