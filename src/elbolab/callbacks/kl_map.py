"""Where the rate goes while a model trains: the KL of each latent dimension, at validations."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, final

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override

from elbolab.batch import Batch
from elbolab.callbacks.first_batch import FirstBatch
from elbolab.densities.base import Densities
from elbolab.evaluation.figures.kl_map import KL_TABLE
from elbolab.evaluation.representation import kl_quantities
from elbolab.loggers.board import KL, boards
from elbolab.loggers.table import Table


@final
class KlMap(Callback):
    """Writes ``kl_per_dim.csv``, a row of D numbers in nats a validation, and shows it to dashboards as a heat map.

    Measured on the first validation batch. Nothing is written for a model without a KL per dimension.

    Args:
        folder: the run directory.
    """

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder) / KL_TABLE
        self.data = FirstBatch()
        self.exists = True
        self._table: Table | None = None

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Drops what an earlier run wrote past the step from which this one goes on."""
        self.exists = True
        if trainer.is_global_zero and self.path.is_file():
            self._opened().rewind(trainer.global_step)

    @override
    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        if batch_idx == 0 and self.exists and trainer.is_global_zero and not trainer.sanity_checking:
            self.data.keep(batch, pl_module.device)

    @override
    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measures, before the module puts training's weights back."""
        if (batch := self.data.taken()) is None:
            return
        row, step = self._row(pl_module.densities, [batch]), trainer.global_step - 1  # type: ignore[arg-type]
        self.exists = len(row) > 0
        if self.exists:
            numbers = {str(index): repr(float(value)) for index, value in enumerate(row)}
            self._opened().put({"step": str(step), "epoch": str(trainer.current_epoch)} | numbers)
            for board in boards(trainer.loggers):
                board.heat(KL, row, step)

    @staticmethod
    def _row(densities: Densities, batches: Iterable[Batch]) -> np.ndarray:
        """(D,), or none."""
        found = kl_quantities(densities, batches, seed=0).get("kl_per_dim")
        return np.zeros(0) if found is None else np.atleast_1d(np.asarray(found.value, dtype=float))

    def _opened(self) -> Table:
        if self._table is None:
            self._table = Table(self.path)
        return self._table
