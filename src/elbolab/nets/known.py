"""Networks that are known functions, and one that reads nothing: for models whose posterior is known.

Shapes: N = rows; inputs (N, *in_shape) each, output (N, *out_shape).
"""

from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor, nn
from typing_extensions import override

from elbolab.batch import Shape
from elbolab.nets.mlp import flatten_rows


@final
class Constant(nn.Module):
    """The same numbers for every row, at first of N(0, 1): as an encoder, inference of one datum, not amortised."""

    def __init__(self, in_shapes: tuple[Shape, ...], out_shape: Shape) -> None:
        super().__init__()
        self.output = nn.Parameter(torch.randn(out_shape))

    @override
    def forward(self, *inputs: Tensor) -> Tensor:
        return self.output.repeat(len(inputs[0]), *[1] * self.output.dim())


class Repeated(nn.Module, ABC):
    """One number of all inputs, as every number of the output."""

    def __init__(self, in_shapes: tuple[Shape, ...], out_shape: Shape) -> None:
        super().__init__()
        self.out_shape = out_shape

    @abstractmethod
    def reduce(self, rows: Tensor) -> Tensor:
        """(N, D) -> (N,)."""

    @override
    def forward(self, *inputs: Tensor) -> Tensor:
        reduced = self.reduce(flatten_rows(inputs))
        return reduced.view(-1, *(1 for _ in self.out_shape)).expand(-1, *self.out_shape)


@final
class SquaredLength(Repeated):
    """The sum of squares."""

    @override
    def reduce(self, rows: Tensor) -> Tensor:
        return rows.square().sum(1)


@final
class Total(Repeated):
    """The sum."""

    @override
    def reduce(self, rows: Tensor) -> Tensor:
        return rows.sum(1)
