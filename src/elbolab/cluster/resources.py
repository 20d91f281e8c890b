"""What a job asks SLURM for: the knobs of ``hydra/launcher=slurm``, checked before anything is submitted.

The same knobs make the options of `sbatch` for the launcher and for the script that ``elbolab sbatch`` writes.
"""

import logging
import re
from collections.abc import Mapping
from shlex import quote
from typing import Any, NamedTuple, get_type_hints

from omegaconf import DictConfig

from elbolab.cluster.requeue import LIMIT
from elbolab.common.did_you_mean import did_you_mean, nearest

log = logging.getLogger(__name__)

KEY = "hydra.launcher"

TIME = re.compile(r"\d+|\d+:\d\d(:\d\d)?|\d+-\d+(:\d\d){0,2}")
"""Minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes[:seconds]."""

EARLY = 60
"""Seconds by which SLURM may send a signal too early: it looks at its jobs once a minute."""

MEMORY = re.compile(r"\d+[KMGT]?")
GPUS = re.compile(r"(?:^|,)(?:gres/)?gpu(?::[a-zA-Z][\w.-]*)?:(\d+)")

RANKS = ("auto", "ddp")
"""Strategies under which Lightning takes the processes that SLURM starts."""


class Resources(NamedTuple):
    """The knobs; ``conf/hydra/launcher/slurm.yaml`` says what each is. None leaves a choice to the cluster."""

    partition: str | None
    account: str | None
    qos: str | None
    constraint: str | None
    gres: str | None
    gpus_per_rank: int
    cpus_per_rank: int
    mem: str | int | None
    time: str | int | None
    array_parallelism: int
    setup: list[str]
    signal_lead: int
    max_requeues: int
    sbatch: dict[str, Any] | None


class Shape(NamedTuple):
    """The processes of a job.

    Attributes:
        nodes: machines, ``trainer.num_nodes``.
        ranks: processes on each, ``trainer.devices``.
    """

    nodes: int
    ranks: int


def resources(knobs: Mapping[str, Any]) -> Resources:
    """The knobs, checked.

    Raises:
        ValueError: one of another type, or that SLURM cannot read; names it.
    """
    from elbolab.config.values import fits, say

    for name, hint in get_type_hints(Resources).items():
        if not fits(knobs[name], hint):
            raise ValueError(f"{KEY}.{name}={knobs[name]}: give {say(hint)}")
    asked = Resources(**knobs)
    _check_formats(asked)
    for name, least in {"gpus_per_rank": 0, "cpus_per_rank": 1, "array_parallelism": 1, "signal_lead": 30}.items():
        if getattr(asked, name) < least:
            raise ValueError(f"{KEY}.{name}={getattr(asked, name)}: at least {least}")
    _check_time(asked)
    return asked


def _check_formats(asked: Resources) -> None:
    if asked.time is not None and not TIME.fullmatch(str(asked.time)):
        raise ValueError(
            f"{KEY}.time={asked.time}: SLURM reads minutes (90), hours:minutes:seconds (1:30:00) or "
            "days-hours:minutes (1-12:00)"
        )
    if asked.mem is not None and not MEMORY.fullmatch(str(asked.mem)):
        raise ValueError(f"{KEY}.mem={asked.mem}: memory of a node, in megabytes or as 16G")
    if asked.gres is not None and asked.gpus_per_rank and GPUS.search(asked.gres):
        raise ValueError(f"{KEY}.gres={asked.gres} and {KEY}.gpus_per_rank={asked.gpus_per_rank}: ask for GPUs once")


def _check_time(asked: Resources) -> None:
    """The signal before the end would come as a job begins, and kill it before it listens."""
    if asked.time is not None and seconds(asked.time) <= asked.signal_lead + EARLY:
        raise ValueError(
            f"{KEY}.time={asked.time} leaves no time to train: a job saves its state {KEY}.signal_lead="
            f"{asked.signal_lead} seconds before the end, and SLURM may say so {EARLY} seconds earlier; choose more"
        )


def seconds(time: str | int) -> int:
    """Of a time as SLURM reads it.

    >>> [seconds(time) for time in (90, "90:30", "1:30:00", "1-12", "1-12:00")]
    [5400, 5430, 5400, 129600, 129600]
    """
    days, _, rest = str(time).rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    units = (3600, 60, 1) if days or len(parts) == 3 else (60, 1)
    return int(days or 0) * 86400 + sum(part * unit for part, unit in zip(parts, units, strict=False))


def shape_of(trainer: DictConfig) -> Shape:
    """The processes of a run.

    Raises:
        ValueError: the machine that submits cannot know them, or Lightning would not take those that SLURM starts.
    """
    for name in ("devices", "num_nodes"):
        if not isinstance(trainer[name], int) or trainer[name] < 1:
            raise ValueError(
                f"trainer.{name}={trainer[name]}: a cluster must be told how many, such as trainer.{name}=2"
            )
    if trainer.strategy not in RANKS and (trainer.devices, trainer.num_nodes) != (1, 1):
        raise ValueError(
            f"trainer.strategy={trainer.strategy}: SLURM starts the ranks itself; choose trainer.strategy=ddp"
        )
    return Shape(trainer.num_nodes, trainer.devices)


def check_fits(asked: Resources, shape: Shape) -> None:
    """Raises ValueError where a job has more ranks on a node than GPUs: Lightning gives each rank one."""
    found = GPUS.search(asked.gres or "")
    if found and int(found[1]) < shape.ranks:
        raise ValueError(
            f"{KEY}.gres={asked.gres} with trainer.devices={shape.ranks}: each rank needs a GPU of its own; "
            f"choose trainer.devices={found[1]}, or ask for more"
        )


def options(asked: Resources, shape: Shape) -> dict[str, Any]:
    """Options of `sbatch` by their names; True has no value. The user's own come last, and replace ours."""
    own = asked.sbatch or {}
    requeue = own.get("requeue", "no-requeue" not in own)
    given = {
        "partition": asked.partition,
        "account": asked.account,
        "qos": asked.qos,
        "constraint": asked.constraint,
        "gres": asked.gres,
        "gpus-per-node": asked.gpus_per_rank * shape.ranks or None,  # not per task: each rank must see those of all
        "cpus-per-task": asked.cpus_per_rank,
        "mem": asked.mem,
        "time": asked.time,
        "nodes": shape.nodes,
        "ntasks-per-node": shape.ranks,
        "requeue": requeue,
        "no-requeue": not requeue,  # most clusters requeue unless told otherwise
        "open-mode": "append",
    }
    return {name: value for name, value in (given | own).items() if value is not None and value is not False}


def setup_lines(asked: Resources) -> list[str]:
    """What the script of a job does before it starts the ranks."""
    threads = asked.cpus_per_rank
    ours = [f"export {LIMIT}={asked.max_requeues}", f"export OMP_NUM_THREADS={threads} SRUN_CPUS_PER_TASK={threads}"]
    return [*ours, *asked.setup]


SRUN = ("--kill-on-bad-exit=1",)
"""A rank that has died takes the others with it, who would wait for it."""


def directives(given: Mapping[str, Any]) -> list[str]:
    """The lines of a script that hold options."""
    return [f"#SBATCH --{name}" + ("" if value is True else f"={quote(str(value))}") for name, value in given.items()]


def check_partition(asked: Resources) -> None:
    """Raises ValueError where the cluster has no such partition; names the nearest."""
    from elbolab.cluster.queue import partitions

    known = partitions()
    for name in (asked.partition or "").split(","):
        if name and known and name not in known:
            mend = did_you_mean(nearest(name, known)) or f"; there are {', '.join(known)}"
            raise ValueError(f"{KEY}.partition={asked.partition}: the cluster has no partition {name}{mend}")


def check_possible(asked: Resources, shape: Shape) -> None:
    """Asks SLURM whether it could begin such jobs: many clusters keep those that it never can in the queue.

    Raises:
        ValueError: it could not, though no node is away.
    """
    from elbolab.cluster.queue import doubt, has_all

    reason = doubt("\n".join(["#!/bin/sh", *directives(options(asked, shape)), "true", ""]))
    if reason is not None and has_all(asked.partition):
        raise refused(asked, shape, reason)
    if reason is not None:
        log.warning(
            "SLURM cannot begin these jobs now (%s), perhaps as some nodes are away: they wait in its queue", reason
        )


def refused(asked: Resources, shape: Shape, reason: str) -> ValueError:
    """The error of jobs that SLURM does not take.

    Args:
        asked: the knobs.
        shape: of the jobs.
        reason: what `sbatch` says.
    """
    lines = [
        line.removeprefix("sbatch: error: ").removeprefix("Batch job submission failed: ")
        for line in reason.splitlines()
    ]
    words = "; ".join(lines)
    given = " ".join(line.removeprefix("#SBATCH ") for line in directives(options(asked, shape)))
    return ValueError(f"SLURM does not take these jobs: {words}. It was asked for {given} ({KEY}.*, trainer.*)")
