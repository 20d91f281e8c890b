"""Callbacks that look at the first batch of a validation."""

from abc import ABC, abstractmethod
from typing import Any, final

import lightning as L
from typing_extensions import override

from elbolab.batch import Batch
from elbolab.common.rng import isolated_rng, seed_of


class FirstBatchCallback(L.Callback, ABC):
    """Observes the first batch of a validation, the same at each of them, outside the sanity check and on rank zero.

    Data may draw noise while they are fetched: from ``seed``, so that training's noise is left alone.
    """

    seed = 0
    _batch: Batch | None = None

    @abstractmethod
    def is_due(self, trainer: L.Trainer) -> bool:
        """Whether this validation is observed."""

    @abstractmethod
    def observe(self, trainer: L.Trainer, densities: Any, batch: Batch) -> None:
        """At the end of the validation, before the module puts training's weights back."""

    @final
    @override
    def on_validation_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        if batch_idx == 0 and trainer.is_global_zero and not trainer.sanity_checking and self.is_due(trainer):
            with isolated_rng(pl_module.device, seed_of("first batch", self.seed)):
                self._batch = next(iter(batch))

    @final
    @override
    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        batch, self._batch = self._batch, None
        if batch is not None:
            self.observe(trainer, pl_module.densities, batch)
