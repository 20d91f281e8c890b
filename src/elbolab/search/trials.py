"""The trials of a study that several workers share: each is somebody's, or nobody's and goes on with the next."""

import os
import socket
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import final

import optuna
from filelock import FileLock, Timeout
from optuna.trial import FrozenTrial, Trial, TrialState

from elbolab.runs.status import State, is_held, state_of
from elbolab.runs.sweep_dir import Job
from elbolab.search.objectives import Objective, values_of
from elbolab.search.space import Space

WORKERS = ".workers"  # in the sweep's directory: a file a worker, locked while it lives
OWNER = "worker"  # a trial's attribute: whose it is


def lock_study(folder: Path) -> FileLock:
    """Keeps the study to one worker for a moment: numbers follow each other, and no trial is taken twice."""
    return FileLock(folder / ".study.lock")


@contextmanager
def register_worker(folder: Path) -> Iterator[str]:
    """Says that this worker lives until it is left, or killed; gives its name."""
    name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    (folder / WORKERS).mkdir(exist_ok=True)
    with FileLock(folder / WORKERS / name) as lock:
        try:
            yield name
        finally:
            lock.release()
            (folder / WORKERS / name).unlink(missing_ok=True)


def is_alive(folder: Path, worker: str | None) -> bool:
    """Whether the worker of that name still runs; deletes the file of a worker that has ended."""
    path = folder / WORKERS / str(worker)
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

    The study is complete with ``most`` trials; ``batch`` of them are chosen together and run side by side.
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
        with lock_study(self.folder):
            trials = self.study.get_trials(deepcopy=False)
            left = [trial for trial in trials if self._is_abandoned(trial)]
            num = 0 if len(left) > self.batch else -len(trials) % self.batch if left else self.batch
            taken = [self._resume(trial) for trial in left[: self.batch]]
            new = min(num, self.most - len(trials))
            taken += [self.study.ask(fixed_distributions=self.space.distributions) for _ in range(new)]
            for trial in taken:
                trial.set_user_attr(OWNER, self.worker)
            self.tried |= {trial.number for trial in taken}
            return [Job(trial.number, self.space.overrides(trial.params)) for trial in taken]

    def _is_abandoned(self, trial: FrozenTrial) -> bool:
        """Also of a failed trial: each worker tries it again once."""
        if trial.state != TrialState.RUNNING or trial.number in self.tried:
            return False
        has_owner = is_alive(self.folder, trial.user_attrs.get(OWNER))
        return not has_owner and not is_held(self.folder / str(trial.number))

    def _resume(self, trial: FrozenTrial) -> Trial:
        """The abandoned trial with its old parameters; parameters that a kill left unchosen are chosen now.

        Optuna's documented interface cannot continue a trial, so this method alone uses private names of Optuna.
        """
        again = Trial(self.study, trial._trial_id)
        for name, distribution in self.space.distributions.items():
            again._suggest(name, distribution)
        return again

    def states(self) -> dict[int, State]:
        """How the directories of the trials stand that this worker has tried, by their numbers."""
        return {number: state_of(self.folder / str(number)) for number in sorted(self.tried)}

    def settle(self, job: Job, objectives: Sequence[Objective]) -> None:
        """Tells the study how a trial has ended, if it has; a failed one is left, to be tried again."""
        folder = self.folder / str(job.num)
        state = state_of(folder).state
        if state == "finished":
            values = values_of(folder, objectives)
            end = {"values": values} if values else {"state": TrialState.FAIL}
            self.study.tell(job.num, **end, skip_if_finished=True)  # type: ignore[arg-type]
        elif state == "pruned":
            self.study.tell(job.num, state=TrialState.PRUNED, skip_if_finished=True)


def split_into_rows(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """The jobs in groups of consecutive numbers, as a launcher numbers them."""
    for _, row in groupby(enumerate(sorted(jobs)), key=lambda item: item[1].num - item[0]):
        yield [job for _, job in row]
