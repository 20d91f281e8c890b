"""``elbolab _job SWEEP NUM``: one job of a sweep, as its ``sweep.json`` describes it. Scripts call it."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig

from elbolab.cli.commands import CommandTask
from elbolab.cluster.work import run_in_directory
from elbolab.config.arguments import quoted
from elbolab.config.listing import split_args
from elbolab.runs.status import state_of
from elbolab.runs.sweep_dir import SWEEP, read_sweep
from elbolab.sweeps.ranks import rank


def run_one(args: Sequence[str]) -> None:
    """Does it, unless it is done.

    Args:
        args: the sweep's directory, the job's number, and ``--config-dir``.

    Raises:
        ValueError: there is no such sweep or job.
    """
    dirs, (folder, num) = split_args(args)
    sweep = read_sweep(Path(folder))
    jobs = {} if sweep is None else {str(job.num): job for job in sweep.jobs()}
    if num not in jobs:
        raise ValueError(f"{folder} is no sweep with a job {num}")
    context, config = _composed(Path(folder), dirs[1:])
    run_in_directory(context, CommandTask("train"), config, jobs[num].overrides, jobs[num].num)
    if rank() == 0 and state_of(Path(folder) / num).state != "finished":
        sys.exit(1)


def _composed(folder: Path, dirs: Sequence[Path]) -> tuple[HydraContext, DictConfig]:
    """The sweep's configuration, as its command composed it."""
    from elbolab.config.paths import config_dir

    command = json.loads((folder / SWEEP).read_text(encoding="utf-8"))["command"]
    search = [f"hydra.searchpath=[{','.join(f'file://{path.resolve()}' for path in dirs)}]"] if dirs else []
    hydra = Hydra.create_main_hydra2("train", create_config_search_path(str(config_dir())))
    own = [word for word in command if not word.startswith("hydra.sweep.dir=")]
    config = hydra.compose_config(
        config_name="train",
        overrides=[*own, *search, f"hydra.sweep.dir={quoted(str(folder.absolute()))}"],
        run_mode=RunMode.MULTIRUN,
        with_log_configuration=False,
    )
    return HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks()), config
