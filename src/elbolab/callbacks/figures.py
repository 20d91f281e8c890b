"""Figures beside the curves: what the model draws, at validations, in every logger that takes images."""

from collections.abc import Mapping
from functools import singledispatch
from typing import Any, Protocol, final

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from matplotlib.figure import Figure

from elbolab.batch import Batch
from elbolab.densities.base import Densities
from elbolab.evaluation.seeded import evaluating
from elbolab.training.rng import isolated_rng


class Draw(Protocol):
    """What draws, for instance `elbolab.evaluation.figures.drawing.draw_all`."""

    def __call__(self, densities: Densities, batches: list[Batch], *, seed: int) -> Mapping[str, Figure]:
        """Figures by name, of a model and data it was not trained on."""


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
    """Draws at every n-th validation, of the first validation batch and always with the same noise.

    Nothing is drawn without a logger that takes images. Training's noise and modes are given back; where weights are
    averaged, the averaged ones draw.

    Args:
        draw: (densities, batches, seed) -> figures by name.
        every: validations from one drawing to the next.
        seed: seed of the noise.

    Raises:
        ValueError: ``every`` below 1.
    """

    def __init__(self, draw: Draw, every: int = 1, seed: int = 0) -> None:
        if every < 1:
            raise ValueError(f"callbacks.figures.every={every}: figures are drawn at every n-th validation, n >= 1")
        self.draw, self.every, self.seed = draw, every, seed
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
        """Keeps the first batch of the first block: the same data at every validation."""
        if batch_idx == 0 and self._is_due(trainer):
            with isolated_rng(pl_module.device, self.seed):
                self.batch = next(iter(batch))

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draws, before the module puts training's weights back."""
        if self.batch is not None:
            densities: Any = pl_module.densities
            with evaluating(densities, self.seed):
                figures = self.draw(densities, [self.batch], seed=self.seed)
            for name, figure in figures.items():
                for logger in trainer.loggers:
                    show(logger, f"figures/{name}", figure, trainer.global_step - 1)
            self.batch = None
        self.seen += not trainer.sanity_checking

    def _is_due(self, trainer: Trainer) -> bool:
        watched = trainer.is_global_zero and any(takes_images(logger) for logger in trainer.loggers)
        return watched and not trainer.sanity_checking and self.seen % self.every == 0
