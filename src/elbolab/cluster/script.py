"""`elbolab sbatch`: scripts for sites that do not let Python submit, with the knobs of ``hydra/launcher=slurm``.

A script can be submitted again and again: it does what is left to do.
"""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from hydra.core.utils import JobReturn
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from elbolab.cluster.launch import Planned, planned, returned
from elbolab.cluster.resources import (
    SRUN,
    Resources,
    Shape,
    check_fits,
    directives,
    options,
    resources,
    setup_lines,
    shape_of,
)
from elbolab.common.files import write_atomically
from elbolab.config.arguments import directory_overrides, quoted
from elbolab.config.composing import folders, in_the_place_of
from elbolab.config.paths import config_dir
from elbolab.runs.sweep_dir import read_sweep

SIGNAL = "USR1"

LAUNCHER = ("hydra/launcher", "hydra.launcher")
"""How overrides begin that say how, not what."""

BEGIN = """\
run={run}
if [ -f "$run/config.yaml" ]; then set -- resume="$run"; else set -- {words} {there}; fi
"""

GO_ON = "set -- {words}"
"""Of a run that is resumed, with what the command changes of it."""


def write_script(
    context: HydraContext,
    task: TaskFunction,
    config: DictConfig,
    knobs: Mapping[str, Any],
    overrides: Sequence[Sequence[str]],
    first: int,
) -> list[JobReturn]:
    """Writes a script for each number of processes that the jobs of a sweep have, and ends.

    Where nothing is left to do it goes on as other launchers do, to the comparison of the jobs.

    Raises:
        ValueError: a knob that is wrong; a sweeper that chooses its jobs as it goes.
        SystemExit: where there is a script, with code 0.
    """
    folder, asked = Path(config.hydra.sweep.dir).absolute(), _asked(knobs)
    sweep = read_sweep(folder)
    if sweep is None or not sweep.jobs():
        raise ValueError("a search chooses its jobs as it goes, and no script can hold them: use hydra/launcher=slurm")
    jobs = planned(context, config, overrides, first)
    if jobs:
        with in_the_place_of(config):
            dirs = [f"--config-dir={path}" for path in folders()[1:]]
        _close(_scripts(folder, asked, jobs, dirs))
    return returned(config, overrides, first)


def _scripts(folder: Path, asked: Resources, jobs: Sequence[Planned], dirs: Sequence[str]) -> list[Path]:
    """Writes them."""
    shapes = list(dict.fromkeys(job.shape for job in jobs))
    for shape in shapes:
        check_fits(asked, shape)
    paths = [folder / (f"sweep-{s.nodes}x{s.ranks}.sbatch" if shapes[1:] else "sweep.sbatch") for s in shapes]
    for path, shape in zip(paths, shapes, strict=True):
        nums = [job.num for job in jobs if job.shape == shape]
        given = {"array": f"{_listed(nums)}%{asked.array_parallelism}", "output": folder / ".sbatch" / "%A_%a.out"}
        _write(path, asked, shape, given, [_srun("_job", *dirs, str(folder), "$SLURM_ARRAY_TASK_ID")])
    return paths


def write_single(args: Sequence[str]) -> NoReturn:
    """Writes the script of one run, and ends.

    Args:
        args: the arguments of ``elbolab train``, without flags but ``--config-dir``.

    Raises:
        ValueError: a knob that is wrong.
        FileNotFoundError: ``resume=`` names no run.
        SystemExit: always, with code 0.
    """
    from hydra import compose, initialize_config_dir

    from elbolab.config.listing import split_args

    dirs, words = split_args(args)
    its_own = directory_overrides("train", words)
    search = [f"hydra.searchpath=[{','.join(f'file://{folder.resolve()}' for folder in dirs[1:])}]"] if dirs[1:] else []
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        cfg = compose("train", [*words, *search, *its_own, "hydra/launcher=sbatch"], return_hydra_config=True)
    with in_the_place_of(cfg):
        run, knobs = Path(cfg.hydra.run.dir).absolute(), OmegaConf.to_container(cfg.hydra.launcher)
    trainer = OmegaConf.load(run / "config.yaml").trainer if its_own else cfg.trainer
    asked, shape = _asked(knobs), shape_of(trainer)  # type: ignore[arg-type]
    check_fits(asked, shape)
    own = [word for word in words if not word.startswith((*LAUNCHER, "hydra.run.dir"))]
    words = [*(f"--config-dir={folder.resolve()}" for folder in dirs[1:]), *own]
    begin = GO_ON if its_own else BEGIN
    told = {
        "run": shlex.quote(str(run)),
        "words": shlex.join(words),
        "there": shlex.quote(f"hydra.run.dir={quoted(str(run))}"),
    }
    lines = [*begin.format(**told).splitlines(), f'{_srun("train")} "$@"']
    _write(run / "run.sbatch", asked, shape, {"output": run / "slurm-%j.out"}, lines)
    _close([run / "run.sbatch"])


def _asked(knobs: Any) -> Resources:
    return resources({name: knobs[name] for name in Resources._fields})


def _write(path: Path, asked: Resources, shape: Shape, own: Mapping[str, Any], lines: Sequence[str]) -> None:
    given = {
        "job-name": f"elbolab-{path.parent.name}",
        "chdir": Path.cwd(),
        "signal": f"{SIGNAL}@{asked.signal_lead}",
        **own,
        **options(asked, shape),
    }
    Path(given["output"]).parent.mkdir(parents=True, exist_ok=True)
    content = ["#!/bin/bash", *directives(given), "", *setup_lines(asked), "", *lines, ""]
    write_atomically(path, "\n".join(content))


def _srun(*words: str) -> str:
    """The ranks of a job; what the shell is to fill in is left to it."""
    command = ["srun", *SRUN, sys.executable, "-m", "elbolab.cli", *words]
    return " ".join(word if word.startswith("$") else shlex.quote(word) for word in command)


def _listed(nums: Sequence[int]) -> str:
    """``0-3`` or ``0,2,5``."""
    whole = list(range(nums[0], nums[-1] + 1)) == list(nums)
    return f"{nums[0]}-{nums[-1]}" if whole else ",".join(map(str, nums))


def _close(paths: Sequence[Path]) -> NoReturn:
    for path in paths:
        print(f"submit it with: sbatch {shlex.quote(str(path))}")
    sys.exit(0)
