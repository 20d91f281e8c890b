"""The ranks of a job: those that a cluster starts side by side, before Lightning has made a group of them."""

import os
import time
from pathlib import Path

from elbolab.runs.status import attempt, read_status

POLL = 0.2  # seconds between looks at what the first rank has written
PATIENCE = 300.0  # seconds after which the first rank is given up
GRACE = 20.0  # seconds in which the first rank may say what has happened to it, before another's error ends it
SHELLS = ("bash", "interactive")  # SLURM jobs in which a person types, which Lightning does not take for jobs either


def in_slurm_job() -> bool:
    """Whether SLURM has started this process, in a job that nobody types in."""
    return "SLURM_PROCID" in os.environ and os.environ.get("SLURM_JOB_NAME") not in SHELLS


def rank() -> int:
    """The rank of this process; 0 where SLURM has not started several."""
    return int(os.environ["SLURM_PROCID"]) if in_slurm_job() else 0


def has_work(folder: Path) -> bool:
    """Whether there is anything to do for this rank in a job's directory.

    The first rank looks at what is there and begins: it goes on, or removes it. The others look when it has begun, or
    they would see what it is about to remove.
    """
    if rank() == 0 or attempt() is None:
        return True
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        status = read_status(folder) or {"state": None, "attempt": None}
        if status["state"] == "finished":
            return False
        if status["attempt"] == attempt():
            return status["state"] == "running"
        time.sleep(POLL)
    return False


def wait_for_end_of_first_rank(folder: Path) -> bool:
    """Waits a while for the first rank, which may be about to write down the same error; whether it has ended."""
    end = time.monotonic() + GRACE
    while (is_running := (read_status(folder) or {"state": None})["state"] == "running") and time.monotonic() < end:
        time.sleep(POLL)
    return not is_running
