"""An exponential moving average of weights and running statistics, one fused update a step."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase


def averaged(module: nn.Module) -> list[Tensor]:
    """What of ``module`` a weight average follows: parameters, and the running statistics that belong to them."""
    return [*module.parameters(), *running_statistics(module)]


def running_statistics(module: nn.Module) -> list[Tensor]:
    """Means and variances that batch normalisation keeps."""
    norms = [m for m in module.modules() if isinstance(m, _NormBase) and m.track_running_stats]
    return [s for m in norms for s in (m.running_mean, m.running_var) if s is not None]


@final
class Ema(nn.Module):
    """shadow <- decay * shadow + (1 - decay) * weights, held as buffers so that checkpoints carry it.

    The weights are those of `averaged`; a decay outside (0, 1) is refused.
    """

    def __init__(self, weights: list[Tensor], decay: float) -> None:
        super().__init__()
        if not 0 < decay < 1:
            raise ValueError(f"model.ema={decay}: the decay lies between 0 and 1, 0.999 say; null switches EMA off")
        self.decay = decay
        for i, weight in enumerate(weights):
            self.register_buffer(str(i), weight.detach().clone())

    def shadow(self) -> list[Tensor]:
        """The averaged weights, in the order of what is followed."""
        return list(self.buffers())

    @torch.no_grad()
    def update(self, weights: list[Tensor]) -> None:
        """One step of the average."""
        torch._foreach_lerp_(self.shadow(), weights, 1 - self.decay)

    @contextmanager
    def applied(self, weights: list[Tensor]) -> Iterator[None]:
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
