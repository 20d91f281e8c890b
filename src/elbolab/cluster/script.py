"""`elbolab sbatch`: scripts for sites that do not let Python submit, with the knobs of ``hydra/launcher=slurm``.

A script can be submitted again and again: it does what is left to do.
"""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from omegaconf import OmegaConf

from elbolab.cluster.jobs import plan_jobs
from elbolab.cluster.resources import (
    SRUN,
    Resources,
    Shape,
    directives,
    read_resources,
    sbatch_options,
    setup_lines,
    shape_of,
)
from elbolab.common.files import write_atomically
from elbolab.config.arguments import directory_overrides, quote
from elbolab.config.compose import compose_config, config_folders, use_choices
from elbolab.config.listing import split_args
from elbolab.runs.sweep_dir import read_sweep
from elbolab.sweeps.runner import JobRunner

NOT_OF_THE_RUN = ("hydra/launcher", "hydra.launcher", "hydra.run.dir")
"""How overrides begin that say how a run is submitted, or where it is."""


def write_sweep_scripts(
    runner: JobRunner, knobs: Mapping[str, Any], overrides: Sequence[Sequence[str]], first: int
) -> None:
    """Writes a script for each number of processes that the jobs of a sweep have, and ends.

    Where nothing is left to do it returns, and the jobs are compared as under other launchers. Raises ValueError for a
    knob that is wrong, and for a sweeper that chooses its jobs as it goes.
    """
    folder, resources = runner.folder, read_resources(knobs)
    sweep = read_sweep(folder)
    if sweep is None or not sweep.jobs():
        raise ValueError("a search chooses its jobs as it goes, and no script can hold them: use hydra/launcher=slurm")
    jobs = plan_jobs(runner, overrides, first)
    with use_choices(runner.config):
        dirs = [f"--config-dir={path}" for path in config_folders()[1:]]
    command = srun("_job", *dirs, str(folder), "$SLURM_ARRAY_TASK_ID")
    shapes = list(dict.fromkeys(job.shape for job in jobs))
    paths = []
    for shape in shapes:
        nums = [job.num for job in jobs if job.shape == shape]
        array = f"{nums[0]}-{nums[-1]}" if nums == list(range(nums[0], nums[-1] + 1)) else ",".join(map(str, nums))
        own = {"array": f"{array}%{resources.array_parallelism}", "output": folder / ".sbatch" / "%A_%a.out"}
        paths.append(folder / (f"sweep-{shape.nodes}x{shape.ranks}.sbatch" if shapes[1:] else "sweep.sbatch"))
        write_script(paths[-1], resources, shape, own, [command])
    if paths:
        print_and_exit(paths)


def write_run_script(args: Sequence[str]) -> NoReturn:
    """Writes the script of one run, and ends.

    ``args`` are those of ``elbolab train``, without flags but ``--config-dir``. Raises ValueError for a knob that is
    wrong, FileNotFoundError where ``resume=`` names no run.
    """
    dirs, words = split_args(args)
    resumed = directory_overrides("train", words)
    cfg = compose_config("train", [*words, *resumed, "hydra/launcher=sbatch"], dirs)
    with use_choices(cfg):
        run, knobs = Path(cfg.hydra.run.dir).absolute(), OmegaConf.to_container(cfg.hydra.launcher)
    trainer = OmegaConf.load(run / "config.yaml").trainer if resumed else cfg.trainer
    resources, shape = read_resources(knobs), shape_of(trainer)  # type: ignore[arg-type]
    own = [word for word in words if not word.startswith(NOT_OF_THE_RUN)]
    lines = [f"set -- {shlex.join([*(f'--config-dir={folder.resolve()}' for folder in dirs[1:]), *own])}"]
    if not resumed:
        begin = f"{lines[0]} {shlex.quote(f'hydra.run.dir={quote(str(run))}')}"
        lines = [
            f"run={shlex.quote(str(run))}",
            f'if [ -f "$run/config.yaml" ]; then set -- resume="$run"; else {begin}; fi',
        ]
    lines.append(f'{srun("train")} "$@"')
    write_script(run / "run.sbatch", resources, shape, {"output": run / "slurm-%j.out"}, lines)
    print_and_exit([run / "run.sbatch"])


def srun(*words: str) -> str:
    """The command that starts the ranks of a job; what the shell is to fill in is left to it."""
    command = ["srun", *SRUN, sys.executable, "-m", "elbolab.cli", *words]
    return " ".join(word if word.startswith("$") else shlex.quote(word) for word in command)


def write_script(path: Path, resources: Resources, shape: Shape, own: Mapping[str, Any], lines: Sequence[str]) -> None:
    """Writes a script for `sbatch` that runs ``lines``; ``own`` are its options, which those of the user replace."""
    given = {
        "job-name": f"elbolab-{path.parent.name}",
        "chdir": Path.cwd(),
        "signal": f"USR1@{resources.signal_lead}",
        **own,
        **sbatch_options(resources, shape),
    }
    Path(given["output"]).parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "\n".join(["#!/bin/bash", *directives(given), "", *setup_lines(resources), "", *lines, ""]))


def print_and_exit(paths: Sequence[Path]) -> NoReturn:
    """Says how scripts are submitted, and ends the command."""
    for path in paths:
        print(f"submit it with: sbatch {shlex.quote(str(path))}")
    sys.exit(0)
