"""Gated multi-layer perceptrons (Tomczak & Welling 2018, VampPrior; Dauphin et al. 2017).

Shapes: N = rows; inputs (N, *in_shape) each, output (N, *out_shape).
"""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import final

from torch import Tensor, nn
from typing_extensions import override

from elbolab.batch import Shape
from elbolab.nets.layers import check_counts, initialise
from elbolab.nets.mlp import flatten_rows


@final
class GatedDense(nn.Module):
    """h -> (W h + b) * sigmoid(V h + c)."""

    def __init__(self, width_in: int, width_out: int, init: str) -> None:
        super().__init__()
        self.value = initialise(nn.Linear(width_in, width_out), init)
        self.gate = initialise(nn.Linear(width_in, width_out), init)

    @override
    def forward(self, h: Tensor) -> Tensor:
        return self.value(h) * self.gate(h).sigmoid()


@final
class GatedMLP(nn.Module):
    """An `MLP` whose hidden layers are gated; the output layer is linear.

    Args:
        in_shapes: shapes of one row of each input.
        out_shape: shape of one row of the output.
        hidden: widths of the hidden layers.
        init: as in `MLP`.

    Raises:
        ValueError: an unknown initialisation, or a width below 1.
    """

    def __init__(self, in_shapes: tuple[Shape, ...], out_shape: Shape, hidden: Sequence[int], init: str) -> None:
        super().__init__()
        check_counts("net.hidden", hidden)
        widths = [sum(map(prod, in_shapes)), *hidden]
        gated = [GatedDense(width_in, width_out, init) for width_in, width_out in pairwise(widths)]
        self.layers = nn.Sequential(*gated, initialise(nn.Linear(widths[-1], prod(out_shape)), init))
        self.out_shape = out_shape

    @override
    def forward(self, *inputs: Tensor) -> Tensor:
        return self.layers(flatten_rows(inputs)).unflatten(1, self.out_shape)
