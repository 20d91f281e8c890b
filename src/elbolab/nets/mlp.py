"""Multi-layer perceptrons.

Shapes: N = rows; inputs (N, *in_shape) each, output (N, *out_shape).
"""

from collections.abc import Sequence
from math import prod
from typing import final

import torch
from torch import Tensor, nn
from typing_extensions import override

from elbolab.batch import Shape
from elbolab.nets.layers import check_counts, dense_layers


@final
class MLP(nn.Module):
    """Flatten and concatenate the inputs, pass them through hidden layers, reshape to the output.

    Args:
        in_shapes: shapes of one row of each input.
        out_shape: shape of one row of the output.
        hidden: widths of the hidden layers; none makes the network linear.
        activation: name of a `torch.nn` activation.
        init: ``"glorot"``, ``"torch"`` or ``"small"``, see `elbolab.nets.layers.initialise`.

    Raises:
        ValueError: an unknown activation or initialisation, or a width below 1.
    """

    def __init__(
        self, in_shapes: tuple[Shape, ...], out_shape: Shape, hidden: Sequence[int], activation: str, init: str
    ) -> None:
        super().__init__()
        check_counts("net.hidden", hidden)
        self.layers = dense_layers([sum(map(prod, in_shapes)), *hidden, prod(out_shape)], activation, init)
        self.out_shape = out_shape

    @override
    def forward(self, *inputs: Tensor) -> Tensor:
        rows = self.layers(flatten_rows(inputs))
        return rows if len(self.out_shape) == 1 else rows.unflatten(1, self.out_shape)


def flatten_rows(inputs: Sequence[Tensor]) -> Tensor:
    """(N, *in_shape) each -> (N, sum of their sizes)."""
    rows = [x if x.dim() == 2 else x.flatten(1) for x in inputs]
    return rows[0] if len(rows) == 1 else torch.cat(rows, dim=1)
