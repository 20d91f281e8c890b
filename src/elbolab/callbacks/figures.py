"""Figures beside the curves: what the model draws, at validations, in every logger that takes images."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import singledispatch
from typing import Any, final

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from matplotlib.figure import Figure
from torch import nn

from elbolab.batch import Batch
from elbolab.densities.base import Densities
from elbolab.training.rng import isolated_rng

Draw = Callable[[Densities, Batch], Figure]


@singledispatch
def show(logger: Logger, name: str, figure: Figure, step: int) -> None:
    """Sends a figure to a logger; those not registered take no images."""


@show.register
def _(logger: WandbLogger, name: str, figure: Figure, step: int) -> None:
    logger.log_image(name, [figure], step)


@show.register
def _(logger: TensorBoardLogger, name: str, figure: Figure, step: int) -> None:
    logger.experiment.add_figure(name, figure, step, close=False)


def takes_images(logger: Logger) -> bool:
    """Whether `show` does anything with ``logger``."""
    return show.dispatch(type(logger)) is not show.dispatch(Logger)


@final
class Figures(Callback):
    """Draws at every n-th validation, on the first validation batch and always with the same noise.

    Nothing is drawn without a logger that takes images. Training's random state and the modes of its modules are
    given back.

    Args:
        draw: name of a figure -> (densities, batch) -> figure.
        every: validations from one drawing to the next.
        seed: seed of the noise.
    """

    def __init__(self, draw: Mapping[str, Draw], every: int = 1, seed: int = 0):
        if every < 1:
            raise ValueError(f"callbacks.figures.every={every}: draw at every n-th validation, n at least 1")
        self.draw, self.every, self.seed = dict(draw), every, seed
        self.batch: Batch | None = None
        self.seen = 0

    def state_dict(self) -> dict[str, Any]:
        """How many validations there were."""
        return {"seen": self.seen}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on counting."""
        self.seen = state_dict["seen"]

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Keeps the first batch, which is the same at every validation."""
        if batch_idx == 0 and self._is_due(trainer):
            with isolated_rng(pl_module.device):
                self.batch = next(iter(batch))
