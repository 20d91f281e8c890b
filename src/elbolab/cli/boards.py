"""The dashboards of a run, from its configuration: begun when the run is, finished whatever happens."""

import json
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
from hydra.core.override_parser.overrides_parser import OverridesParser
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from elbolab.cli.checks import goals
from elbolab.config.build import build_parts
from elbolab.evaluation.report import Report, read_report
from elbolab.loggers import mlflow, wandb
from elbolab.loggers.board import Results, boards
from elbolab.runs.run_dir import RunDir, read_config
from elbolab.runs.status import is_held, read_status

log = logging.getLogger(__name__)

IDS = (wandb.ID, mlflow.ID)
"""Files of a run directory that name its runs in dashboards."""


@contextmanager
def attach_loggers(cfg: DictConfig, run: RunDir, trainer: L.Trainer, *, goes_on: bool) -> Iterator[list[str]]:
    """Hands the trainer its loggers; the dashboards among them have begun. At the end, their closing lines.

    Args:
        cfg: the resolved configuration.
        run: the run directory.
        trainer: who logs.
        goes_on: from a checkpoint; a run that begins again, as nothing was saved of it, is a new one in dashboards too.
    """
    lines: list[str] = []
    is_first = rank_zero_only.rank == 0  # type: ignore[attr-defined]
    if not goes_on and is_first:
        for name in IDS:
            (run.path / name).unlink(missing_ok=True)
    loggers = build_parts(cfg, "logger")
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    failed, open_boards = True, []
    try:
        for board in boards(loggers):
            open_boards.append(board)
            if is_first:
                board.begin(goals(cfg))
        for logger in loggers:
            logger.log_hyperparams(config)
        trainer.loggers = loggers
        yield lines
        failed = False
    finally:  # a live run would be taken over by the next job of a sweep
        for board in open_boards:
            lines += board.close(failed=failed)
        if failed and run.config.is_file():  # else nothing is kept; who ends well prints them under the numbers
            for line in lines:
                log.info(line)
        wandb.end_live_run(failed=failed)


def conclude(run: RunDir, trainer: L.Trainer, monitor: str, value: float) -> None:
    """Sends what the run directory holds, now that the model has been measured, to every dashboard."""
    dashboards = boards(trainer.loggers)
    if dashboards and trainer.is_global_zero:
        results = _collect_results(run, trainer.global_step - 1, monitor, value)
        for board in dashboards:
            board.conclude(results)


def conclude_again(run: RunDir) -> list[str]:
    """Sends what a run directory holds to its dashboards, now that the model was measured anew; their closing lines.

    It goes into the runs of theirs that training has written to. A run that trains sends it itself when it ends.
    Whatever is wrong with a dashboard costs a warning.
    """
    status, lines = read_status(run.path), list[str]()
    if status is None or is_held(run.path) or not run.timing.is_file():
        return []
    cfg, steps = read_config(run), json.loads(run.timing.read_text(encoding="utf-8"))["steps"]
    results = _collect_results(run, steps - 1, status["monitor"], status["value"])
    try:
        for board in boards(build_parts(cfg, "logger")):
            board.begin(goals(cfg))
            board.log_hyperparams(OmegaConf.to_container(cfg, resolve=True))
            board.conclude(results)
            lines += board.close(failed=status["state"] == "failed")
    except ValueError as error:
        log.warning("evaluation.json is new, dashboards were not told: %s", error)
    return lines


def _collect_results(run: RunDir, step: int, monitor: str, value: float | None) -> Results:
    """What a run directory has to show, and the best value of what it monitors, where that is known."""
    best = {} if value is None else {f"best/{monitor.rpartition('/')[2]}": value}
    figures = sorted(run.figures.glob("*.png"))
    files: dict[str, Sequence[Path]] = {
        "model": [path for path in (run.weights, run.config, run.spec, run.environment) if path.is_file()],
        "figures": figures,
        "evaluation": [run.evaluation],
    }
    return Results(step, best | flatten_report(read_report(run.evaluation)), figures, files)


def flatten_report(report: Report) -> dict[str, float]:
    """``test/nll`` and ``test/nll_stderr``: all that is one number, with its standard error where it has one."""
    numbers: dict[str, float] = {}
    for split, quantities in report.items():
        for name, quantity in quantities.items():
            if not isinstance(quantity["value"], list):
                numbers[f"{split}/{name}"] = quantity["value"]
                if quantity["stderr"] is not None:
                    numbers[f"{split}/{name}_stderr"] = quantity["stderr"]
    return numbers


def title_of(name: str, sweep: Path, overrides: Sequence[str]) -> str:
    """The name of a sweep's job in dashboards: that of the run, and what the sweep has set for this job alone.

    Args:
        name: that of the run.
        sweep: the sweep's directory; its ``sweep.json`` has the command, else it is this process's.
        overrides: those of the job.
    """
    path = sweep / "sweep.json"
    command = json.loads(path.read_text(encoding="utf-8"))["command"] if path.is_file() else sys.argv[1:]
    typed = [word for word in command if "=" in word and not word.startswith("-")]
    parser = OverridesParser.create()
    fixed = {o.key_or_group for o in parser.parse_overrides(typed) if not o.is_sweep_override()}
    own = [text for text in overrides if parser.parse_override(text).key_or_group not in fixed]
    return " ".join([name, *own])
