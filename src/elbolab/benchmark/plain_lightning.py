"""PyTorch Lightning as its tutorials use it: automatic optimisation, a DataLoader, the loss logged."""

import os
from typing import Any, final

import lightning as L
from torch import Tensor
from torch.optim import Adam, Optimizer
from torch.utils.data import DataLoader, TensorDataset

from elbolab.benchmark.bound import negative_elbo
from elbolab.benchmark.cases import LEARNING_RATE, Case
from elbolab.benchmark.contender import SILENT, WARM_UP, Contender, Timed
from elbolab.benchmark.watch import Watch

MOST_WORKERS = 8
"""Processes that load data for a GPU, where the machine has as many cores."""


@final
class Plain(L.LightningModule):
    """A VAE.

    Args:
        case: what is trained.
    """

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.nets, self.case = case.nets(), case

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        """-ELBO of one batch."""
        (rows,) = batch
        loss = negative_elbo(self.nets, self.case.see(rows))
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> Optimizer:
        """Adam."""
        return Adam(self.nets.parameters(), lr=LEARNING_RATE, fused=True)


def train(case: Case, batch: int, steps: int, watch: Watch) -> None:
    """A fit."""
    trainer = L.Trainer(
        max_epochs=-1,
        max_steps=WARM_UP + steps,
        accelerator=case.device.type,
        devices=1,
        logger=False,
        callbacks=[Timed(watch, WARM_UP, steps)],
        **SILENT,
    )
    trainer.fit(Plain(case), _loader(case, batch))


def _loader(case: Case, batch: int) -> DataLoader[Any]:
    """Stored images, shuffled; worker processes and pinned memory where batches go to a GPU."""
    on_gpu = case.device.type == "cuda"
    workers = min(MOST_WORKERS, os.cpu_count() or 1) if on_gpu else 0
    return DataLoader(
        TensorDataset(case.rows(batch)),
        batch_size=batch,
        shuffle=True,
        num_workers=workers,
        pin_memory=on_gpu,
        persistent_workers=workers > 0,
    )


CONTENDER = Contender("lightning", train)
