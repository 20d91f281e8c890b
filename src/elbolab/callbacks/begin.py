"""When a run begins: with its first block of steps, not before."""

from collections.abc import Callable
from typing import Any, final

import lightning as L
from typing_extensions import override


@final
class Begin(L.Callback):
    """Writes what rebuilds the run once steps have been taken.

    Whatever refuses a configuration, the optimiser's constructor, a checkpoint that does not fit, has done so by then:
    a new run that fails leaves nothing, and a resumed one keeps the configuration it had. List it first, so that what
    it writes is there before the first checkpoint.
    """

    def __init__(self, write: Callable[[], None]) -> None:
        self.write = write
        self.written = False

    @override
    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any) -> None:
        self.write_once(trainer)

    def write_once(self, trainer: L.Trainer) -> None:
        """Writes once; a run that had nothing left to train begins when training has ended."""
        if not self.written and trainer.is_global_zero:
            self.write()
            self.written = True
