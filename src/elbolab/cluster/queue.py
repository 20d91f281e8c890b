"""What SLURM says of jobs. Accounting (`sacct`), which submitit asks, is not needed: many sites have none."""

import logging
import shutil
import subprocess
from typing import NamedTuple

from elbolab.cluster.resources import Resources, Shape, directives, refusal_of, sbatch_options

log = logging.getLogger(__name__)

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


class QueuedJob(NamedTuple):
    """A job in the queue, in SLURM's words."""

    state: str
    reason: str  # why it waits

    @property
    def has_ended(self) -> bool:
        """Whether no more is to come."""
        return self.state == GONE or self.state in ENDED

    @property
    def is_stuck(self) -> bool:
        """Whether it waits until a person does something."""
        return self.state == "PENDING" and self.reason.lower().endswith(STUCK)


def run_program(*command: str, script: str | None = None) -> subprocess.CompletedProcess[str]:
    """Runs one of SLURM's programs, which reads ``script``; what it prints is captured."""
    return subprocess.run(command, input=script, capture_output=True, encoding="utf-8", errors="replace", check=False)


def look_up(jobs: set[str]) -> dict[str, QueuedJob]:
    """Each job as SLURM has it, `GONE` those that it has forgotten; OSError where it does not answer."""
    done = run_program("squeue", "--noheader", "--array", "--states=all", "--me", "--format=%i|%T|%r")
    if done.returncode:
        raise OSError(f"SLURM does not answer ({done.stderr.strip()})")
    lines = (line.split("|") for line in done.stdout.splitlines())
    known = {job: QueuedJob(state, reason) for job, state, reason in lines}
    return {job: known.get(job, QueuedJob(GONE, "")) for job in jobs}


def check_present() -> None:
    """Raises ValueError where there is no SLURM."""
    missing = [name for name in ("sbatch", "squeue", "scontrol", "srun") if shutil.which(name) is None]
    if missing:
        raise ValueError(
            f"this machine has no {', '.join(missing)}: type the command on a login node of the cluster (after "
            "module load slurm, on some), or train here with hydra/launcher=local"
        )


def check_possible(resources: Resources, shape: Shape) -> None:
    """Raises ValueError for jobs that SLURM could not begin, though no node is away: many queues would keep them."""
    script = "\n".join(["#!/bin/sh", *directives(sbatch_options(resources, shape)), "true", ""])
    done = run_program("sbatch", "--test-only", script=script)
    if done.returncode == 0:
        return
    reason = done.stderr.strip().removeprefix("allocation failure: ")
    option = [] if resources.partition is None else [f"--partition={resources.partition}"]
    nodes = run_program("sinfo", "--all", "--noheader", "--format=%a|%t", *option).stdout.split()
    if all(node.startswith(AT_WORK) for node in nodes):
        raise refusal_of(resources, shape, reason)
    log.warning(
        "SLURM cannot begin these jobs now (%s), perhaps because some nodes are down: they wait in its queue", reason
    )
