"""``elbolab _job SWEEP NUM``: one job of a sweep, as its ``sweep.json`` describes it. Scripts call it."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from hydra.types import HydraContext
from omegaconf import DictConfig

from elbolab.cli.commands import CommandTask
from elbolab.config.arguments import quote
from elbolab.config.compose import compose_sweep
from elbolab.config.listing import split_args
from elbolab.runs.status import state_of
from elbolab.runs.sweep_dir import SWEEP, read_sweep
from elbolab.sweeps.ranks import rank
from elbolab.sweeps.runner import JobRunner


def run_one(args: Sequence[str]) -> None:
    """Runs one job of a sweep, of its directory and number; does nothing where that job has finished."""
    dirs, (folder, num) = split_args(args)
    sweep = read_sweep(Path(folder))
    jobs = {} if sweep is None else {str(job.num): job for job in sweep.jobs()}
    if num not in jobs:
        raise ValueError(f"{folder} is no sweep with a job {num}")
    context, config = _compose(Path(folder), dirs)
    runner = JobRunner(context, CommandTask("train"), config)
    runner.run(runner.compose(jobs[num].overrides, jobs[num].num))
    if rank() == 0 and state_of(Path(folder) / num).state != "finished":
        sys.exit(1)


def _compose(folder: Path, dirs: Sequence[Path]) -> tuple[HydraContext, DictConfig]:
    """The sweep's configuration, as its command composed it."""
    command = json.loads((folder / SWEEP).read_text(encoding="utf-8"))["command"]
    own = [word for word in command if not word.startswith("hydra.sweep.dir=")]
    return compose_sweep("train", [*own, f"hydra.sweep.dir={quote(str(folder.absolute()))}"], dirs)
