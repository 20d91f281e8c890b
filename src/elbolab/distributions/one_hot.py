"""Classes as one-hot vectors: the family of classifiers q(y | x), and of categorical latents.

Shapes: C = classes, G = groups, of each of which one class is drawn.
"""

from typing import final

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, OneHotCategorical
from typing_extensions import override

from elbolab.batch import Shape
from elbolab.distributions.conditional import Conditional, lead_of
from elbolab.distributions.family import Family


def one_hot(logits: Tensor, event: Shape) -> Distribution:
    """Independent one-hot vectors of the last dimension of ``event``, of logits (*lead, *event)."""
    p = OneHotCategorical(logits=logits)
    return p if len(event) == 1 else Independent(p, len(event) - 1)


@final
class OneHot(Family):
    """y in {e_1, ..., e_C}, for each of G groups where the event is (G, C): raw outputs are logits."""

    def __init__(self, event: Shape) -> None:
        super().__init__(event, event)

    @override
    def forward(self, raw: Tensor) -> Distribution:
        return one_hot(raw, self.event)

    @override
    def raw_for(self, mean: Tensor) -> Tensor:
        """log(mean), a class that never occurs kept possible."""
        return mean.clamp(min=1e-3).log()


@final
class UniformCategories(Conditional):
    """All classes of each group equally probable, whatever the parents.

    Args:
        parents: shapes of the parents; only their leading dimensions matter.
        event: (C,), or (G, C).
    """

    logits: Tensor

    def __init__(self, parents: tuple[Shape, ...], event: Shape) -> None:
        super().__init__()
        self.parents, self.event = parents, event
        self.register_buffer("logits", torch.zeros(event), persistent=False)

    @override
    def forward(self, *parents: Tensor) -> Distribution:
        return one_hot(self.logits, self.event).expand(lead_of(parents, self.parents))
