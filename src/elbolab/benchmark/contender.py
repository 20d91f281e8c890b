"""What a contender is, and what several of them share."""

from collections.abc import Callable
from typing import Any, NamedTuple, final

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from elbolab.benchmark.cases import Case
from elbolab.benchmark.watch import Watch

WARM_UP = 5
"""Steps before the watch is started, by contenders that need no more."""


def nowhere(device: torch.device) -> str | None:
    """Of a contender that can run everywhere."""
    return None


@final
class Contender(NamedTuple):
    """One way to do the work.

    Attributes:
        name: of the implementation, as reported.
        train: (case, batch, steps, watch): trains, the watch running for exactly ``steps`` steps of ``batch`` images.
        nll: (case, images, K, watch) -> mean of the estimated log p(x), the watch running for all images; None where
            the implementation has no such estimate.
        obstacle: device -> why it cannot run there, None where it can.
    """

    name: str
    train: Callable[[Case, int, int, Watch], None]
    nll: Callable[[Case, Tensor, int, Watch], float] | None = None
    obstacle: Callable[[torch.device], str | None] = nowhere


@final
class Timed(Callback):
    """Starts and stops a watch by Lightning's count of optimiser steps.

    Args:
        watch: the watch.
        first: steps before it starts.
        steps: steps while it runs.
    """

    def __init__(self, watch: Watch, first: int, steps: int) -> None:
        self.watch, self.first, self.last = watch, first, first + steps

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Looks at the count."""
        if trainer.global_step == self.first:
            self.watch.start()
        if trainer.global_step == self.last:
            self.watch.stop()


SILENT: dict[str, Any] = {
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "enable_checkpointing": False,
}
"""Options of a Lightning Trainer that leaves nothing behind."""
