"""``metrics.csv``: the curves of a run in one wide table that survives a kill and a resume."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, final

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from typing_extensions import override

from elbolab.loggers.board import boards
from elbolab.loggers.table import Table


@final
class AppendingCSVLogger(Logger):
    """Writes ``metrics.csv``: columns step, epoch, then every metric in the order of its first appearance.

    A row is on disk when `log_metrics` returns. Lightning's own CSVLogger empties its file when a run is resumed;
    this one is rewound by `InStep`.

    Args:
        save_dir: the run directory.
    """

    def __init__(self, save_dir: str | os.PathLike) -> None:
        super().__init__()
        self._folder = Path(save_dir)
        self._table: Table | None = None

    @property
    def table(self) -> Table:
        """The table, opened at first use, and so by rank zero alone."""
        if self._table is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._table = Table(self._folder / "metrics.csv")
        return self._table

    @override
    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Puts the metrics into the row of ``step``, the zero-based index of the last optimiser step.

        Raises:
            ValueError: without a step.
        """
        if step is None:
            raise ValueError("a row of metrics.csv needs its step: log_metrics(metrics, step=...)")
        row = {"step": str(step)}
        for name, value in metrics.items():
            number = float(value)
            row[name] = str(int(number)) if number.is_integer() else repr(number)  # reads back as the same number
        self.table.put(row)

    @rank_zero_only
    def rewind(self, global_step: int) -> None:
        """Drops the rows of optimiser steps that a run at ``global_step`` has yet to take; at 0, all of them."""
        self.table.rewind(global_step)

    @override
    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: the run directory holds the resolved config."""

    @property
    @override
    def save_dir(self) -> str:
        return str(self._folder)

    @property
    @override
    def name(self) -> str:
        return ""  # the file lies in the run directory itself

    @property
    @override
    def version(self) -> str:
        return ""


@final
class InStep(Callback):
    """Keeps curves in step with the checkpoints, so that a resumed run leaves no gap and no double row.

    Lightning logs a block after the callbacks that may save a checkpoint have seen it: a run killed in between would
    resume past a row that was never written. So the row is written before the checkpoint; Lightning then completes it.
    """

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Drops what an earlier run wrote past the step from which this one goes on."""
        for logger in _tables(trainer):
            logger.rewind(trainer.global_step)
        for board in boards(trainer.loggers):
            board.rewind(trainer.global_step)

    @override
    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Writes the training metrics of the block that the checkpoint ends with."""
        logged = trainer.logged_metrics  # on every rank: it may be a collective
        metrics = {name: float(value) for name, value in logged.items() if name.startswith("train/")}
        for logger in _tables(trainer):
            if metrics:
                logger.log_metrics(metrics | {"epoch": trainer.current_epoch}, trainer.global_step - 1)
        for board in boards(trainer.loggers):
            board.flush()


def _tables(trainer: Trainer) -> Iterable[AppendingCSVLogger]:
    return (logger for logger in trainer.loggers if isinstance(logger, AppendingCSVLogger))
