"""What SLURM says of jobs. Accounting (`sacct`) is not needed: many sites have none, and it lags behind."""

import shutil
import subprocess
from typing import NamedTuple

ENDED = (
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL"),
    *("OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"),
)
"""States that nothing follows, unless the job is put back into the queue; it is looked at twice."""

AT_WORK = tuple(f"up|{state}" for state in ("idle", "alloc", "mix", "comp", "plnd"))
"""How `sinfo` begins what it says of nodes that do jobs; others are down, drained or reserved, for a while."""

STUCK = ("held", "helduser", "heldadmin", "badconstraints", "neversatisfied")
"""How the reasons end for which a job waits that nobody will begin: SLURM holds one whose node has failed it."""

GONE = "no longer in the queue"


class Seen(NamedTuple):
    """A job in the queue.

    Attributes:
        state: in SLURM's words.
        reason: why it waits, likewise.
    """

    state: str
    reason: str

    @property
    def has_ended(self) -> bool:
        """Whether no more is to come."""
        return self.state == GONE or self.state in ENDED

    @property
    def is_stuck(self) -> bool:
        """Whether it waits until a person does something."""
        return self.state == "PENDING" and self.reason.lower().endswith(STUCK)


def seen(jobs: set[str]) -> dict[str, Seen]:
    """Each job as SLURM has it, `GONE` those that it has forgotten.

    Raises:
        OSError: SLURM does not answer.
    """
    asked = ["squeue", "--noheader", "--array", "--states=all", "--me", "--format=%i|%T|%r"]
    done = _run(asked)
    if done.returncode:
        raise OSError(f"SLURM does not answer ({done.stderr.strip()})")
    told = {job: Seen(state, reason) for job, state, reason in (line.split("|") for line in done.stdout.splitlines())}
    return {job: told.get(job, Seen(GONE, "")) for job in jobs}


def partitions() -> list[str]:
    """Their names; none where SLURM does not answer."""
    done = _run(["sinfo", "--all", "--noheader", "--format=%R"])
    return [] if done.returncode else list(dict.fromkeys(done.stdout.split()))


def check_present() -> None:
    """Raises ValueError where there is no SLURM."""
    missing = [name for name in ("sbatch", "squeue", "scontrol", "srun") if shutil.which(name) is None]
    if missing:
        raise ValueError(
            f"this machine has no {', '.join(missing)}: type the command on a login node of the cluster (after "
            "module load slurm, on some), or train here with hydra/launcher=submitit_local"
        )


def doubt(script: str) -> str | None:
    """Why SLURM could not begin a job as things are, in its own words; None where it could. Nothing is submitted."""
    done = subprocess.run(
        ["sbatch", "--test-only"], input=script, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    return None if done.returncode == 0 else done.stderr.strip().removeprefix("allocation failure: ")


def has_all(partition: str | None) -> bool:
    """Whether all nodes of a partition, or of all, are there for jobs: what is refused now will be for ever."""
    chosen = [] if partition is None else [f"--partition={partition}"]
    told = _run(["sinfo", "--all", "--noheader", "--format=%a|%t", *chosen]).stdout.split()
    return all(line.startswith(AT_WORK) for line in told)


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
