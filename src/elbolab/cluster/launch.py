"""A sweep through submitit: what is submitted, and how long it is waited for."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import nan
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext
from omegaconf import DictConfig

from elbolab.cluster.resources import Shape, shape_of
from elbolab.runs.status import DONE, recorded, state_of

ENDS = (*DONE, "failed")
"""States that a job says of itself, and after which nothing is waited for."""


class Planned(NamedTuple):
    """A job to be done.

    Attributes:
        num: its number.
        overrides: those of its command.
        folder: its directory.
        shape: its processes.
    """

    num: int
    overrides: list[str]
    folder: Path
    shape: Shape


class Backend(ABC):
    """Where jobs go."""

    @abstractmethod
    def submit(self, jobs: Sequence[Planned]) -> None:
        """Hands them over."""

    @abstractmethod
    def ended(self) -> dict[int, str]:
        """What became of those whose processes have ended, by their numbers."""

    @abstractmethod
    def leave(self) -> None:
        """The one who waits is stopped."""


def planned(context: HydraContext, config: DictConfig, overrides: Sequence[Sequence[str]], first: int) -> list[Planned]:
    """The jobs of a sweep that are not finished, each composed once: what is misspelt shows here, not in the queue."""
    folder, shapes = Path(config.hydra.sweep.dir).absolute(), {}
    jobs = []
    for num, words in enumerate(overrides, first):
        if state_of(folder / str(num)).state in DONE:
            continue
        telling = tuple(word for word in words if _may_shape(word))
        if telling not in shapes:
            composed = context.config_loader.load_sweep_config(config, list(words))
            shapes[telling] = shape_of(composed.trainer)
        jobs.append(Planned(num, list(words), folder / str(num), shapes[telling]))
    return jobs


def _may_shape(override: str) -> bool:
    """Whether an override can change the processes: a group's option, or a value of the trainer's."""
    key = override.lstrip("+~").partition("=")[0]
    return key.startswith("trainer") or ("." not in key and key != "seed")


def launch(backend: Backend, jobs: Sequence[Planned], poll: float) -> None:
    """Submits jobs and waits until each has ended, however it ends.

    Args:
        backend: where they go.
        jobs: those that are not finished.
        poll: seconds between two looks.
    """
    waiting, settled = {job.num: job for job in jobs}, set[int]()
    try:
        backend.submit(jobs)
        while waiting:
            time.sleep(poll)
            ended = backend.ended()
            for num in [num for num in ended if num in waiting and _is_over(waiting[num], num in settled)]:
                _record(waiting.pop(num), ended[num])
            settled = set(ended)
    except BaseException:
        backend.leave()
        raise


def _is_over(job: Planned, settled: bool) -> bool:
    """Whether a job is over that has ended: it says so too, or it had ended a look ago, as files may lag behind."""
    return settled or state_of(job.folder).state in ENDS


def _record(job: Planned, word: str) -> None:
    """Writes down what became of a job that could not say so itself, unless another process does it now."""
    state = state_of(job.folder)
    if state.state not in (*ENDS, "running") and state.error is None:
        recorded(job.folder, word, monitor="", mode="max", overrides=job.overrides)


def returned(config: DictConfig, overrides: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
    """What Hydra's sweepers are told of the jobs: their values, NaN of one that has not finished."""
    folder = Path(config.hydra.sweep.dir).absolute()
    return [_returned(folder / str(num), words) for num, words in enumerate(overrides, first)]


def _returned(folder: Path, overrides: Sequence[str]) -> JobReturn:
    state = state_of(folder)
    value = nan if state.state != "finished" or state.value is None else state.value
    done = JobReturn(overrides=overrides, working_dir=str(folder), status=JobStatus.COMPLETED)
    done.return_value = value
    return done


def submitit_package() -> Any:
    """The package.

    Raises:
        ValueError: it is not installed.
    """
    try:
        import submitit
    except ImportError:
        raise ValueError("this launcher needs submitit: pip install 'elbolab[cluster]'") from None
    return submitit
