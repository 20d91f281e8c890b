"""A class as a one-hot vector: the family of classifiers q(y | x)."""

from typing import final

from torch import Tensor
from torch.distributions import Distribution, OneHotCategorical
from typing_extensions import override

from elbolab.batch import Shape
from elbolab.distributions.family import Family


@final
class OneHot(Family):
    """y in {e_1, ..., e_C}: raw outputs are logits.

    Raises:
        ValueError: the event is no vector.
    """

    def __init__(self, event: Shape) -> None:
        super().__init__(event, event)
        if len(event) != 1:
            raise ValueError(f"a one-hot vector has one dimension, not the shape {event}: choose another family")

    @override
    def forward(self, raw: Tensor) -> Distribution:
        return OneHotCategorical(logits=raw)

    @override
    def raw_for(self, mean: Tensor) -> Tensor:
        """log(mean), a class that never occurs kept possible."""
        return mean.clamp(min=1e-3).log()
