"""PyTorch Lightning as its tutorials use it: automatic optimisation, a DataLoader, the loss logged."""

import os
from typing import Any, final

import lightning as L
from torch import Tensor
from torch.optim import Adam, Optimizer
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from elbolab.benchmark.bound import negative_elbo
from elbolab.benchmark.cases import LEARNING_RATE, Case
from elbolab.benchmark.contender import SILENT, WARM_UP, Contender, Timed
from elbolab.benchmark.measure import Watch

MOST_WORKERS = 8
"""Processes that load data for a GPU, where the machine has as many cores."""


@final
class Plain(L.LightningModule):
    """A VAE, as a tutorial writes it."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.nets, self.case = case.nets(), case

    @override
    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        (rows,) = batch
        loss = negative_elbo(self.nets, self.case.see(rows))
        self.log("loss", loss)
        return loss

    @override
    def configure_optimizers(self) -> Optimizer:
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
    on_gpu = case.device.type == "cuda"  # where worker processes and pinned memory help
    workers = min(MOST_WORKERS, os.cpu_count() or 1) if on_gpu else 0
    how: dict[str, Any] = {"num_workers": workers, "pin_memory": on_gpu, "persistent_workers": workers > 0}
    trainer.fit(Plain(case), DataLoader(TensorDataset(case.rows(batch)), batch_size=batch, shuffle=True, **how))


CONTENDER = Contender("lightning", train)
