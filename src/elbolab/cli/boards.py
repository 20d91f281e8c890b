"""The dashboards of a run, from its configuration: begun when the run is, finished whatever happens."""

import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from elbolab.cli.checks import goals
from elbolab.config.build import build_parts
from elbolab.evaluation.report import Report, read_report
from elbolab.loggers import mlflow, wandb
from elbolab.loggers.board import Board, Results, boards
from elbolab.runs.run_dir import RunDir, read_config
from elbolab.runs.status import is_held, read_status

log = logging.getLogger(__name__)

IDS = (wandb.ID, mlflow.ID)
"""Files of a run directory that name its runs in dashboards."""


@contextmanager
def watched(cfg: DictConfig, run: RunDir, trainer: L.Trainer, *, goes_on: bool) -> Iterator[list[str]]:
    """Hands the trainer its loggers; the dashboards among them have begun. At the end, their closing lines.

    Args:
        cfg: the resolved configuration.
        run: the run directory.
        trainer: who logs.
        goes_on: from a checkpoint; a run that begins again, as nothing was saved of it, is a new one in dashboards too.
    """
    lines: list[str] = []
    if not goes_on and rank_zero_only.rank == 0:  # type: ignore[attr-defined]
        for name in IDS:
            (run.path / name).unlink(missing_ok=True)
    loggers = build_parts(cfg, "logger")
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    failed, begun = True, []
    try:
        for board in boards(loggers):
            begun.append(board)
            _begin(board, goals(cfg))
        for logger in loggers:
            logger.log_hyperparams(config)
        trainer.loggers = loggers
        yield lines
        failed = False
    finally:  # a live run would be taken over by the next job of a sweep
        for board in begun:
            lines += board.close(failed=failed)
        if failed and run.config.is_file():  # else nothing is kept; who ends well prints them under the numbers
            for line in lines:
                log.info(line)
        wandb.end_live_run(failed=failed)


@rank_zero_only
def _begin(board: Board, goals: Mapping[str, str]) -> None:
    board.begin(goals)


def conclude(run: RunDir, trainer: L.Trainer, monitor: str, value: float) -> None:
    """Sends what the run directory holds, now that the model has been measured, to every dashboard."""
    watching = boards(trainer.loggers)
    if watching and trainer.is_global_zero:
        results = results_of(run, trainer.global_step - 1, {_best(monitor): value})
        for board in watching:
            board.conclude(results)


def remeasured(run: RunDir) -> list[str]:
    """Sends what a run directory holds to its dashboards, now that the model was measured anew; their closing lines.

    It goes into the runs of theirs that training has written to. A run that trains tells them itself when it ends.
    Whatever is wrong with a dashboard costs a warning.
    """
    status = read_status(run.path)
    if status is None or is_held(run.path) or not run.timing.is_file():
        return []
    cfg, best = read_config(run), {} if status["value"] is None else {_best(status["monitor"]): status["value"]}
    results = results_of(run, json.loads(run.timing.read_text(encoding="utf-8"))["steps"] - 1, best)
    try:
        watching = boards(build_parts(cfg, "logger"))
        return [line for board in watching for line in _retold(board, cfg, results, failed=status["state"] == "failed")]
    except ValueError as error:
        log.warning("evaluation.json is new, dashboards were not told: %s", error)
        return []


def _retold(board: Board, cfg: DictConfig, results: Results, *, failed: bool) -> list[str]:
    board.begin(goals(cfg))
    board.log_hyperparams(OmegaConf.to_container(cfg, resolve=True))
    board.conclude(results)
    return board.close(failed=failed)


def _best(monitor: str) -> str:
    return f"best/{monitor.rpartition('/')[2]}"


def results_of(run: RunDir, step: int, numbers: Mapping[str, float]) -> Results:
    """What a run directory has to show."""
    figures = sorted(run.figures.glob("*.png"))
    files: dict[str, Sequence[Path]] = {
        "model": [path for path in (run.weights, run.config, run.spec, run.environment) if path.is_file()],
        "figures": figures,
        "evaluation": [run.evaluation],
    }
    return Results(step, dict(numbers) | numbers_of_report(read_report(run.evaluation)), figures, files)


def numbers_of_report(report: Report) -> dict[str, float]:
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
        sweep: the sweep's directory; its ``sweep.json`` says what was typed.
        overrides: those of the job.
    """
    told = sweep / "sweep.json"
    typed = json.loads(told.read_text(encoding="utf-8"))["command"] if told.is_file() else sys.argv[1:]
    fixed = {override.key_or_group for override in _read(typed) if not override.is_sweep_override()}
    own = (text for text in overrides if not {override.key_or_group for override in _read([text])} & fixed)
    return " ".join([name, *own])


def _read(words: Sequence[str]) -> list[Override]:
    given = [word for word in words if "=" in word and not word.startswith("-")]
    return OverridesParser.create().parse_overrides(given)
