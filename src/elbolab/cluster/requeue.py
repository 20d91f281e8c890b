"""Within a job of SLURM: a signal saves the state, and puts the job back into the queue where its time is up.

SLURM sends what ``--signal`` names, SIGUSR1 or SIGUSR2, before the time is up, and SIGTERM before it preempts or
cancels a job: a job that is preempted returns to the queue without our help. Lightning's own handler is not used: it
saves in the middle of a block, and such a state goes on inexactly.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

from elbolab.sweeps.ranks import in_job
from elbolab.training.stop_signals import NOTICE

log = logging.getLogger(__name__)

LIMIT = "ELBOLAB_MAX_REQUEUES"
"""How often a job may begin again; without it, as often as its time is up."""

TIME_IS_UP = (signal.SIGUSR1, signal.SIGUSR2)
CLOSING = 20.0
"""Seconds that the loggers have to close; then the job is requeued while they are at it."""


@contextmanager
def requeueing() -> Iterator[None]:
    """Heeds SLURM's signals within; does nothing outside of its jobs.

    Raises:
        Leave: a signal has come, and the state is saved.
    """
    if not in_job():
        yield
        return
    with NOTICE.heeded((*TIME_IS_UP, signal.SIGTERM), answer):
        try:
            yield
        except SystemExit:
            if NOTICE.given is not None and not is_first():  # `srun` would kill the first rank, which is yet to end
                sys.exit(0)
            raise
        finally:
            for waiting in list(WAITING):
                waiting.now()


def answer(number: int) -> None:
    """Has the job put back into the queue where its time is up, by its first rank."""
    if number in TIME_IS_UP and is_first():
        WAITING.append(Requeue(job_id()))


@final
class Requeue:
    """Puts a job back into the queue, once: when its loggers are closed, or have not been for long enough.

    SLURM then sends SIGTERM to all of its processes, among them W&B's own, which would end without the last of the run.

    Args:
        job: as `scontrol` names it.
    """

    def __init__(self, job: str) -> None:
        self.job = job
        self.timer = threading.Timer(CLOSING, requeue, [job])
        self.timer.daemon = True
        self.timer.start()

    def now(self) -> None:
        """Unless it is done."""
        WAITING.remove(self)
        if self.timer.is_alive():
            self.timer.cancel()
            requeue(self.job)


WAITING: list[Requeue] = []
"""What is to be done before this process ends."""


def is_first() -> bool:
    """Whether this is the job's first process."""
    return os.environ["SLURM_PROCID"] == "0"


def requeue(job: str) -> None:
    """Asks SLURM to begin a job again, unless it has done so too often."""
    times, limit = int(os.environ.get("SLURM_RESTART_COUNT", 0)), os.environ.get(LIMIT)
    if limit is not None and times >= int(limit):
        log.error("the time is up, and job %s was requeued %d times (max_requeues): it ends here", job, times)
        return
    done = subprocess.run(
        ["scontrol", "requeue", job], capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if done.returncode == 0:
        log.info("the time is up: the state is saved, and job %s is requeued", job)
    else:
        log.error("the time is up, and job %s cannot be requeued: %s", job, done.stderr.strip())


def job_id() -> str:
    """As `scontrol` names it."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return os.environ["SLURM_JOB_ID"] if array is None else f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"
