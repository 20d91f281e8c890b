"""Who steps on a batch, and what it minimises: all that training sees of a variant."""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.optim import Optimizer


class Loss(NamedTuple):
    """What a player minimises.

    Attributes:
        value: the scalar that is differentiated.
        metrics: scalars to log beside it.
        additive: whether both are means over the data of the batch; else a batch has no parts (`Guard.accumulate`).
    """

    value: Tensor
    metrics: dict[str, Tensor]
    additive: bool = True


class Player(NamedTuple):
    """One loss, the parameters that it moves, and how.

    Attributes:
        loss: batch -> Loss.
        parameters: those that receive its gradient; no other parameter does.
        optimizer: parameters -> optimiser.
        name: what tells its metrics from those of other players, ``critic`` say.
    """

    loss: Callable[[Any], Loss]
    parameters: list[nn.Parameter]
    optimizer: Callable[[list[nn.Parameter]], Optimizer]
    name: str = ""


def trainable(module: nn.Module) -> list[nn.Parameter]:
    """The parameters of ``module`` that are not frozen."""
    return [parameter for parameter in module.parameters() if parameter.requires_grad]
