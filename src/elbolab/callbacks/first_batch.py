"""The data that a callback looks at: the same at every validation."""

from typing import Any, final

import torch

from elbolab.batch import Batch
from elbolab.common.rng import isolated_rng, seed_of


@final
class FirstBatch:
    """The first batch of a validation, kept from its start to its end. Training's noise is left alone.

    Args:
        seed: seed of the noise that data may have.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._batch: Batch | None = None

    def keep(self, block: Any, device: torch.device) -> None:
        """Keeps the first batch of a block."""
        with isolated_rng(device, seed_of("first batch", self.seed)):
            self._batch = next(iter(block))

    def taken(self) -> Batch | None:
        """The batch, once; None where none was kept."""
        batch, self._batch = self._batch, None
        return batch
