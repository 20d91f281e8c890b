"""An exponential moving average of weights, one fused update a step."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import final

import torch
from torch import Tensor, nn


@final
class Ema(nn.Module):
    """shadow <- decay * shadow + (1 - decay) * weights, held as buffers so that checkpoints carry it.

    Args:
        weights: the parameters to follow.
        decay: in (0, 1).

    Raises:
        ValueError: the decay is outside (0, 1).
    """

    def __init__(self, weights: list[nn.Parameter], decay: float) -> None:
        super().__init__()
        if not 0 < decay < 1:
            raise ValueError(f"model.ema={decay}: the decay lies between 0 and 1, 0.999 say; null switches EMA off")
        self.decay = decay
        for i, weight in enumerate(weights):
            self.register_buffer(str(i), weight.detach().clone())

    def shadow(self) -> list[Tensor]:
        """The averaged weights, in the order of the parameters."""
        return list(self.buffers())

    def start(self, weights: list[nn.Parameter]) -> None:
        """The average of one step: the weights themselves."""
        self.copy(list[Tensor](weights), self.shadow())

    @torch.no_grad()
    def update(self, weights: list[nn.Parameter]) -> None:
        """One step of the average."""
        torch._foreach_lerp_(self.shadow(), list[Tensor](weights), 1 - self.decay)

    @contextmanager
    def applied(self, weights: list[nn.Parameter]) -> Iterator[None]:
        """The average in the place of the weights; they come back unchanged."""
        saved = [weight.detach().clone() for weight in weights]
        self.copy(self.shadow(), weights)
        try:
            yield
        finally:
            self.copy(saved, weights)

    @staticmethod
    @torch.no_grad()
    def copy(source: Sequence[Tensor], target: Sequence[Tensor]) -> None:
        """In place, so that captured steps and optimisers keep their pointers."""
        torch._foreach_copy_(list(target), list(source))
