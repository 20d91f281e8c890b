"""What a contender is, and what several of them share."""

from collections.abc import Callable
from typing import Any, NamedTuple, final

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from typing_extensions import override

from elbolab.benchmark.cases import Case
from elbolab.benchmark.measure import Watch

WARM_UP = 5
"""Steps before the watch is started, by contenders that need no more."""


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
    obstacle: Callable[[torch.device], str | None] = lambda device: None


@final
class Timed(Callback):
    """Starts and stops a watch by Lightning's count of optimiser steps: after ``first`` of them, for ``steps`` more."""

    def __init__(self, watch: Watch, first: int, steps: int) -> None:
        self.watch, self.first, self.last = watch, first, first + steps

    @override
    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.global_step == self.first:
            self.watch.start()
        if trainer.global_step == self.last:
            self.watch.stop()


SILENT: dict[str, Any] = dict.fromkeys(("enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False)
"""Options of a Lightning Trainer that leaves nothing behind."""
