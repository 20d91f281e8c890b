"""Figures beside the curves: what the model draws, at validations, in every dashboard."""

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, final

from lightning.pytorch import LightningModule, Trainer
from matplotlib.figure import Figure
from PIL import Image
from typing_extensions import override

from elbolab.batch import Batch
from elbolab.callbacks.first_batch import FirstBatchCallback
from elbolab.evaluation.figures.drawing import DPI
from elbolab.evaluation.seeded import evaluating
from elbolab.loggers.board import boards


@final
class Figures(FirstBatchCallback):
    """Draws at every n-th validation, of the first validation batch and always with the same noise.

    Nothing is drawn without a dashboard. Training's noise and modes are given back; where weights are averaged, the
    averaged ones draw. Pictures of the finished run reach every dashboard without this.

    Args:
        draw: (densities, list of batches, seed=) -> figures by name, for instance
            `elbolab.evaluation.figures.drawing.draw_all`.
        every: validations from one drawing to the next; None: nothing is drawn while training.
        seed: seed of the noise.

    Raises:
        ValueError: ``every`` below 1.
    """

    def __init__(self, draw: Callable[..., Mapping[str, Figure]], every: int | None = None, seed: int = 0) -> None:
        if every is not None and every < 1:
            raise ValueError(f"callbacks.figures.every={every}: draw at every n-th validation, n >= 1, or null")
        self.draw, self.every, self.seed = draw, every, seed
        self.seen = 0

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seen = state_dict["seen"]

    @override
    def is_due(self, trainer: Trainer) -> bool:
        return self.every is not None and self.seen % self.every == 0 and bool(boards(trainer.loggers))

    @override
    def observe(self, trainer: Trainer, densities: Any, batch: Batch) -> None:
        with evaluating(densities, "figures", self.seed):
            figures = self.draw(densities, [batch], seed=self.seed)
        images = {}
        for name, figure in figures.items():
            buffer = BytesIO()
            figure.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight", pad_inches=0.08)
            images[f"figures/{name}"] = Image.open(buffer).convert("RGB")
        for board in boards(trainer.loggers):
            board.show(images, trainer.global_step - 1)

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.seen += not trainer.sanity_checking
