"""Where the rate goes while a model trains: the KL of each latent dimension, at validations."""

from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
from lightning.pytorch import LightningModule, Trainer
from typing_extensions import override

from elbolab.batch import Batch
from elbolab.callbacks.first_batch import FirstBatchCallback
from elbolab.evaluation.figures.curves import KL_TABLE
from elbolab.evaluation.representation import kl_quantities
from elbolab.loggers.board import KL, boards
from elbolab.loggers.table import Table


@final
class KlMap(FirstBatchCallback):
    """Writes ``kl_per_dim.csv``, a row of D numbers in nats a validation, and shows it to dashboards as a heat map.

    Measured on the first validation batch. Nothing is written for a model without a KL per dimension.

    Args:
        folder: the run directory.
    """

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder) / KL_TABLE
        self.exists = True

    @cached_property
    def table(self) -> Table:
        """Opened, and so created, at its first use."""
        return Table(self.path)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.exists = True
        if trainer.is_global_zero and self.path.is_file():
            self.table.rewind(trainer.global_step)  # an earlier run may have gone on past this step

    @override
    def is_due(self, trainer: Trainer) -> bool:
        return self.exists

    @override
    def observe(self, trainer: Trainer, densities: Any, batch: Batch) -> None:
        quantity = kl_quantities(densities, [batch], seed=0).get("kl_per_dim")
        row = np.atleast_1d(np.asarray([] if quantity is None else quantity.value, dtype=float))  # (D,)
        self.exists = len(row) > 0
        if self.exists:
            step = trainer.global_step - 1
            numbers = {str(index): repr(float(value)) for index, value in enumerate(row)}
            self.table.put({"step": str(step), "epoch": str(trainer.current_epoch)} | numbers)
            for board in boards(trainer.loggers):
                board.heat(KL, row, step)
