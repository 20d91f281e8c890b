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

from elbolab.sweeps.ranks import in_slurm_job, rank
from elbolab.training.stop_signals import NOTICE

log = logging.getLogger(__name__)

LIMIT = "ELBOLAB_MAX_REQUEUES"  # how often a job may begin again; without it, as often as its time is up
TIME_IS_UP = (signal.SIGUSR1, signal.SIGUSR2)

CLOSING = 20.0
"""Seconds that the loggers have to close; then the job is requeued while they are at it.

SLURM then sends SIGTERM to all processes of the job, among them W&B's own, which would end without the last of the run.
"""


@contextmanager
def requeue_on_signals() -> Iterator[None]:
    """Within, SLURM's signals save the state and put the job back into the queue; outside of its jobs, does nothing.

    Raises:
        Leave: a signal has come, and the state is saved.
    """
    if not in_slurm_job():
        yield
        return
    timers = list[threading.Timer]()

    def answer(number: int) -> None:
        if number in TIME_IS_UP and rank() == 0:
            timers.append(threading.Timer(CLOSING, requeue))
            timers[-1].daemon = True
            timers[-1].start()

    with NOTICE.heeded((*TIME_IS_UP, signal.SIGTERM), answer):
        try:
            yield
        except SystemExit:
            if NOTICE.given is not None and rank():  # `srun` would kill the first rank, which is yet to end
                sys.exit(0)
            raise
        finally:
            for timer in timers:
                if timer.is_alive():
                    timer.cancel()
                    requeue()


def requeue() -> None:
    """Asks SLURM to begin this job again, unless it has done so too often."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    job = os.environ["SLURM_JOB_ID"] if array is None else f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"
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
