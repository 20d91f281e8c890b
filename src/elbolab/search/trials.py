"""The trials of a study that several workers share: each is somebody's, or nobody's and goes on with the next."""

import os
import socket
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import final

import optuna
from filelock import FileLock, Timeout
from optuna.trial import FrozenTrial, Trial, TrialState

from elbolab.runs.status import is_held, state_of
from elbolab.runs.sweep_dir import Job
from elbolab.search.objectives import Objective, values_of
from elbolab.search.space import Space

WORKERS = ".workers"
"""A file a worker, locked while it lives, in the sweep's directory."""

OWNER = "worker"
"""A trial's attribute: whose it is."""


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Keeps the study to one worker for a moment: numbers follow each other, and no trial is taken twice."""
    with FileLock(folder / ".study.lock"):
        yield


@contextmanager
def present(folder: Path) -> Iterator[str]:
    """Says that this worker lives until it is left, or killed; gives its name."""
    name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    (folder / WORKERS).mkdir(exist_ok=True)
    lock = FileLock(folder / WORKERS / name)
    with lock:
        try:
            yield name
        finally:
            lock.release()
            (folder / WORKERS / name).unlink(missing_ok=True)


def lives(folder: Path, name: str | None) -> bool:
    """Whether the worker ``name`` still runs; deletes the file of a worker that has ended."""
    path = folder / WORKERS / str(name)
    if not path.is_file():
        return False
    try:
        with FileLock(path, timeout=0):
            path.unlink()
    except Timeout:
        return True
    return False


@final
class Trials:
    """The trials of a study that one worker may run.

    Args:
        study: the study.
        space: the overrides that are searched, and those that are fixed.
        folder: the sweep's directory.
        most: number of trials at which the study is complete.
        batch: trials that are chosen together and run side by side.
        worker: this worker's name.
    """

    def __init__(self, study: optuna.Study, space: Space, folder: Path, most: int, batch: int, worker: str) -> None:
        self.study, self.space, self.folder = study, space, folder
        self.most, self.batch, self.worker = most, batch, worker
        self.tried: set[int] = set()

    def take(self) -> list[Job]:
        """Takes the next batch of trials: first abandoned ones, then new ones; empty if all are done or taken.

        An abandoned trial has begun and not ended, and no worker runs it. Beside abandoned trials, new ones are added
        only until the number of trials in the study is a multiple of the batch size: a batch that was cut short is
        completed before it is run.
        """
        with one_at_a_time(self.folder):
            trials = self.study.get_trials(deepcopy=False)
            left = [trial for trial in trials if self._is_left(trial)]
            num = 0 if len(left) > self.batch else -len(trials) % self.batch if left else self.batch
            taken = [self._retaken(trial) for trial in left[: self.batch]]
            taken += [self._new() for _ in range(min(num, self.most - len(trials)))]
            return [self._job(trial) for trial in taken]

    def _is_left(self, trial: FrozenTrial) -> bool:
        """Whether the trial is abandoned; a failed trial counts as abandoned, and each worker tries it again once."""
        if trial.state != TrialState.RUNNING or trial.number in self.tried:
            return False
        return not lives(self.folder, trial.user_attrs.get(OWNER)) and not is_held(self.path(trial.number))

    def _retaken(self, trial: FrozenTrial) -> Trial:
        """The abandoned trial with its old parameters; parameters that a kill left unchosen are chosen now.

        Optuna's documented interface cannot continue a trial, so this method alone uses private names of Optuna.
        """
        again = Trial(self.study, trial._trial_id)
        for name, distribution in self.space.distributions.items():
            again._suggest(name, distribution)
        return again

    def _new(self) -> Trial:
        return self.study.ask(fixed_distributions=self.space.distributions)

    def _job(self, trial: Trial) -> Job:
        trial.set_user_attr(OWNER, self.worker)
        self.tried.add(trial.number)
        return Job(trial.number, self.space.overrides(trial.params))

    def path(self, number: int) -> Path:
        """A trial's directory."""
        return self.folder / str(number)

    def settle(self, job: Job, objectives: Sequence[Objective]) -> None:
        """Tells the study how a trial has ended, if it has; a failed one is left, to be tried again.

        Raises:
            ValueError: it has no such objective.
        """
        state = state_of(self.path(job.num)).state
        if state == "finished":
            values = values_of(self.path(job.num), objectives)
            end = {"values": values} if values else {"state": TrialState.FAIL}
            self.study.tell(job.num, **end, skip_if_finished=True)  # type: ignore[arg-type]
        elif state == "pruned":
            self.study.tell(job.num, state=TrialState.PRUNED, skip_if_finished=True)


def in_rows(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """The jobs in groups of consecutive numbers, as a launcher numbers them."""
    row: list[Job] = []
    for job in sorted(jobs):
        if row and job.num != row[-1].num + 1:
            yield row
            row = []
        row.append(job)
    if row:
        yield row
