"""The jobs of a sweep on a cluster: which are left to run, and when each has ended."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from elbolab.cluster.resources import Shape, shape_of
from elbolab.runs.status import DONE, record_failure, state_of
from elbolab.sweeps.runner import JobRunner

ENDS = (*DONE, "failed")  # final states that a job records itself; a job in one of them is not waited for


class ClusterJob(NamedTuple):
    """A job to be done, in its directory, with the processes that it needs."""

    num: int
    overrides: list[str]
    folder: Path
    shape: Shape


def plan_jobs(runner: JobRunner, overrides: Sequence[Sequence[str]], first: int) -> list[ClusterJob]:
    """Plans the jobs of a sweep that have neither finished nor been pruned.

    Overrides that can change a job's number of processes are composed with the configuration here, so a misspelt one is
    an error at once rather than after a wait in the queue.
    """

    def may_shape(override: str) -> bool:
        key = override.lstrip("+~").partition("=")[0]
        return key.startswith("trainer") or ("." not in key and key != "seed")  # a group's option may hold a trainer

    jobs, shapes = [], dict[tuple[str, ...], Shape]()
    for num, words in enumerate(overrides, first):
        folder = runner.folder / str(num)
        if state_of(folder).state in DONE:
            continue
        shaping = tuple(filter(may_shape, words))
        if shaping not in shapes:
            shapes[shaping] = shape_of(runner.compose(words, num).trainer)
        jobs.append(ClusterJob(num, list(words), folder, shapes[shaping]))
    return jobs


def wait_for(jobs: Sequence[ClusterJob], look: Callable[[], Mapping[int, str]], poll: float) -> None:
    """Waits until each job has ended, however it ends, and writes down the end of those that could not.

    ``look``, every ``poll`` seconds, gives the jobs whose processes have ended, with a sentence about each. A job
    counts as over when its directory agrees, or at the second look: files may lag behind, and a job may return to the
    queue.
    """
    waiting, seen = {job.num: job for job in jobs}, set[int]()
    while waiting:
        time.sleep(poll)
        ended = look()
        for num in waiting.keys() & ended.keys():
            state = state_of(waiting[num].folder)
            if num not in seen and state.state not in ENDS:
                continue
            job = waiting.pop(num)
            if state.state not in (*ENDS, "running") and state.error is None:  # running: in another process
                record_failure(job.folder, ended[num], monitor="", mode="max", overrides=job.overrides)
        seen = set(ended)
