"""What a job asks SLURM for: the knobs of ``hydra/launcher=slurm``.

The same knobs make the options of `sbatch` for the launcher and for the script that ``elbolab sbatch`` writes. What
SLURM can judge is left to SLURM, whose words `refusal_of` passes on.
"""

import re
from collections.abc import Mapping
from shlex import quote
from typing import Any, NamedTuple, get_type_hints

from omegaconf import DictConfig

from elbolab.cluster.requeue import LIMIT

KEY = "hydra.launcher"

TIME = re.compile(r"\d+|\d+:\d\d(:\d\d)?|\d+-\d+(:\d\d){0,2}")
"""Minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes[:seconds]."""

EARLY = 60  # seconds by which SLURM may send a signal too early: it looks at its jobs once a minute
LEAST = {"gpus_per_rank": 0, "cpus_per_rank": 1, "array_parallelism": 1, "signal_lead": 30}

RANKS = ("auto", "ddp")  # strategies under which Lightning takes the processes that SLURM starts
SRUN = ("--kill-on-bad-exit=1",)  # a rank that has died takes the others with it, who would wait for it


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
    """The processes of a job."""

    nodes: int  # machines, trainer.num_nodes
    ranks: int  # processes on each, trainer.devices


def read_resources(knobs: Mapping[str, Any]) -> Resources:
    """The knobs of a launcher; ValueError where one is of another type, or leaves a job no time to train."""
    from elbolab.config.values import describe_type, fits

    for name, hint in get_type_hints(Resources).items():
        if not fits(knobs[name], hint):
            raise ValueError(f"{KEY}.{name}={knobs[name]}: give {describe_type(hint)}")
        if name in LEAST and knobs[name] < LEAST[name]:
            raise ValueError(f"{KEY}.{name}={knobs[name]}: at least {LEAST[name]}")
    resources = Resources(**{name: knobs[name] for name in Resources._fields})
    if resources.time is not None and seconds_of(resources.time) <= resources.signal_lead + EARLY:
        raise ValueError(  # the signal would come as a job begins, and kill it before it listens
            f"{KEY}.time={resources.time} leaves no time to train: a job saves its state {KEY}.signal_lead="
            f"{resources.signal_lead} seconds before the end, and SLURM may signal {EARLY} seconds earlier; choose more"
        )
    return resources


def seconds_of(time: str | int) -> int:
    """A time as SLURM reads it, in seconds, or ValueError.

    Example:
        >>> [seconds_of(time) for time in (90, "90:30", "1:30:00", "1-12", "1-12:00")]
        [5400, 5430, 5400, 129600, 129600]
    """
    if not TIME.fullmatch(str(time)):
        raise ValueError(
            f"{KEY}.time={time}: SLURM reads minutes (90), hours:minutes:seconds (1:30:00) or days-hours:minutes "
            "(1-12:00)"
        )
    days, _, rest = str(time).rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    units = (3600, 60, 1) if days or len(parts) == 3 else (60, 1)
    return int(days or 0) * 86400 + sum(part * unit for part, unit in zip(parts, units, strict=False))


def shape_of(trainer: DictConfig) -> Shape:
    """The processes of a run; ValueError where they cannot be known, or Lightning would not take SLURM's."""
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


def sbatch_options(resources: Resources, shape: Shape) -> dict[str, Any]:
    """Options of `sbatch` by their names; True has no value. The user's own come last, and replace ours."""
    own = resources.sbatch or {}
    requeue = own.get("requeue", "no-requeue" not in own)
    same = ("partition", "account", "qos", "constraint", "gres", "mem", "time")
    given = {name: getattr(resources, name) for name in same} | {
        "gpus-per-node": resources.gpus_per_rank * shape.ranks or None,  # not per task: each rank must see those of all
        "cpus-per-task": resources.cpus_per_rank,
        "nodes": shape.nodes,
        "ntasks-per-node": shape.ranks,
        "requeue": requeue,
        "no-requeue": not requeue,  # most clusters requeue unless told otherwise
        "open-mode": "append",
    }
    return {name: value for name, value in (given | own).items() if value is not None and value is not False}


def directives(options: Mapping[str, Any]) -> list[str]:
    """The lines of a script that hold options."""
    return [f"#SBATCH --{name}" + ("" if value is True else f"={quote(str(value))}") for name, value in options.items()]


def setup_lines(resources: Resources) -> list[str]:
    """What the script of a job does before it starts the ranks."""
    threads = resources.cpus_per_rank
    ours = [
        f"export {LIMIT}={resources.max_requeues}",
        f"export OMP_NUM_THREADS={threads} SRUN_CPUS_PER_TASK={threads}",
    ]
    return [*ours, *resources.setup]


def refusal_of(resources: Resources, shape: Shape, reason: str) -> ValueError:
    """The error of jobs that SLURM does not take, for the ``reason`` that `sbatch` has given."""
    words = "; ".join(re.sub(r"^(sbatch: error: |Batch job submission failed: )+", "", s) for s in reason.splitlines())
    given = " ".join(line.removeprefix("#SBATCH ") for line in directives(sbatch_options(resources, shape)))
    return ValueError(f"SLURM does not take these jobs: {words}. It was asked for {given} ({KEY}.*, trainer.*)")
