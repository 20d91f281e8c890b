"""Figures beside the curves: what the model draws, at validations, in every dashboard."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any, Protocol, final

from lightning.pytorch import Callback, LightningModule, Trainer
from matplotlib.figure import Figure
from PIL import Image
from typing_extensions import override

from elbolab.batch import Batch
from elbolab.callbacks.first_batch import FirstBatch
from elbolab.densities.base import Densities
from elbolab.evaluation.figures.drawing import DPI
from elbolab.evaluation.seeded import evaluating
from elbolab.loggers.board import boards


class Draw(Protocol):
    """What draws, for instance `elbolab.evaluation.figures.drawing.draw_all`."""

    def __call__(self, densities: Densities, batches: list[Batch], *, seed: int) -> Mapping[str, Figure]:
        """Figures by name, of a model and data it was not trained on."""


def picture(figure: Figure) -> Image.Image:
    """A figure as it is in the run directory."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight", pad_inches=0.08)
    return Image.open(buffer).convert("RGB")


@final
class Figures(Callback):
    """Draws at every n-th validation, of the first validation batch and always with the same noise.

    Nothing is drawn without a dashboard. Training's noise and modes are given back; where weights are averaged, the
    averaged ones draw. Pictures of the finished run reach every dashboard without this.

    Args:
        draw: (densities, batches, seed) -> figures by name.
        every: validations from one drawing to the next; None: nothing is drawn while training.
        seed: seed of the noise.

    Raises:
        ValueError: ``every`` below 1.
    """

    def __init__(self, draw: Draw, every: int | None = None, seed: int = 0) -> None:
        if every is not None and every < 1:
            raise ValueError(f"callbacks.figures.every={every}: draw at every n-th validation, n >= 1, or null")
        self.draw, self.every, self.seed = draw, every, seed
        self.data = FirstBatch(seed)
        self.seen = 0

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seen = state_dict["seen"]

    @override
    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Keeps the first batch of the first block: the same data at every validation."""
        if batch_idx == 0 and self._is_due(trainer):
            self.data.keep(batch, pl_module.device)

    @override
    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draws, before the module puts training's weights back."""
        if (batch := self.data.taken()) is not None:
            densities: Any = pl_module.densities
            with evaluating(densities, "figures", self.seed):
                figures = self.draw(densities, [batch], seed=self.seed)
            images = {f"figures/{name}": picture(figure) for name, figure in figures.items()}
            for board in boards(trainer.loggers):
                board.show(images, trainer.global_step - 1)
        self.seen += not trainer.sanity_checking

    def _is_due(self, trainer: Trainer) -> bool:
        watched = self.every is not None and trainer.is_global_zero and bool(boards(trainer.loggers))
        return watched and not trainer.sanity_checking and self.seen % (self.every or 1) == 0
