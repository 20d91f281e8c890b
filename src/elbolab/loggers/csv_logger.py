"""``metrics.csv``: the curves of a run in one wide table that survives a kill and a resume."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, final

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from typing_extensions import override

from elbolab.loggers.board import FolderLogger, boards
from elbolab.loggers.table import Table


@final
class AppendingCSVLogger(FolderLogger):
    """Writes ``metrics.csv``: columns step, epoch, then every metric in the order of its first appearance.

    A row is on disk when `log_metrics` returns. Lightning's own CSVLogger empties its file when a run is resumed;
    this one is rewound by `InStep`.
    """

    @cached_property
    def table(self) -> Table:
        """The table, opened at first use, and so by rank zero alone."""
        return Table(self.folder / "metrics.csv")

    @override
    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        assert step is not None, "the zero-based index of the last optimiser step"
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


@final
class InStep(Callback):
    """Keeps curves in step with the checkpoints, so that a resumed run leaves no gap and no double row.

    Lightning logs a block after the callbacks that may save a checkpoint have seen it: a run killed in between would
    resume past a row that was never written. So the row is written before the checkpoint; Lightning then completes it.
    """

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for logger in _csv_loggers(trainer):
            logger.rewind(trainer.global_step)
        for board in boards(trainer.loggers):
            board.rewind(trainer.global_step)

    @override
    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        logged = trainer.logged_metrics  # on every rank: it may be a collective
        metrics = {name: float(value) for name, value in logged.items() if name.startswith("train/")}
        for logger in _csv_loggers(trainer):
            if metrics:
                logger.log_metrics(metrics | {"epoch": trainer.current_epoch}, trainer.global_step - 1)
        for board in boards(trainer.loggers):
            board.flush()


def _csv_loggers(trainer: Trainer) -> list[AppendingCSVLogger]:
    return [logger for logger in trainer.loggers if isinstance(logger, AppendingCSVLogger)]
