"""Residual convolutional networks (He et al. 2016, pre-activation; scaled as in Child 2021, without normalisation).

Shapes: N = rows, C channels, H, W height and width; inputs (N, *in_shape) each, output (N, *out_shape).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn
from typing_extensions import override

from elbolab.batch import Shape
from elbolab.common.refusal import Refusal, choose
from elbolab.nets.hourglass import Hourglass, halve_image
from elbolab.nets.layers import activation_of, check_counts, initialise


@final
class ResNet(nn.Module):
    """Stages of residual blocks, a halving between them from images and a doubling to images, dense layers between.

    Args:
        in_shapes: shapes of one row of each input; images have shape (C, H, W), other shapes are vectors.
        out_shape: shape of one row of the output, an image or a vector.
        channels: channels after each halving, from the image's side; an output image passes them in reverse.
        num_blocks: residual blocks of each stage.
        dense: widths of the dense layers between images and the rest.
        activation: name of a `torch.nn` activation.
        init: ``"glorot"``, ``"torch"`` or ``"small"``.

    Raises:
        ValueError: no stages, an image too small for them, a count below 1, or an unknown activation or initialisation.
    """

    def __init__(
        self,
        in_shapes: tuple[Shape, ...],
        out_shape: Shape,
        channels: Sequence[int],
        num_blocks: int,
        dense: Sequence[int],
        activation: str,
        init: str,
    ) -> None:
        super().__init__()
        check_counts("net.channels", channels)
        if not channels:
            raise Refusal("net.channels=[]: a residual network has at least one stage", choose("net", "mlp"))
        check_counts("net.num_blocks", [num_blocks])
        self.channels, self.num_blocks, self.activation, self.init = channels, num_blocks, activation, init
        self.net = Hourglass(in_shapes, out_shape, dense, activation, init, self._down, self._up)

    @override
    def forward(self, *inputs: Tensor) -> Tensor:
        return self.net(*inputs)

    def _down(self, image: Shape) -> tuple[nn.Module, Shape]:
        """Stages from an image to its features."""
        layers: list[nn.Module] = []
        for c_in, c_out in pairwise([image[0], *self.channels]):
            layers += [self._conv(c_in, c_out, stride=2), *self._blocks(c_out)]
        return nn.Sequential(*layers, activation_of(self.activation)), (self.channels[-1], *self._sizes(image)[-1])

    def _up(self, image: Shape) -> tuple[nn.Module, Shape]:
        """Stages from features to an image, every size the one that the way down has."""
        sizes = self._sizes(image)
        layers: list[nn.Module] = []
        for stage in reversed(range(len(self.channels))):
            c_in, c_out = self.channels[stage], self.channels[max(stage - 1, 0)]
            layers += [*self._blocks(c_in), nn.Upsample(sizes[stage]), self._conv(c_in, c_out)]
        last = [activation_of(self.activation), self._conv(self.channels[0], image[0])]
        return nn.Sequential(*layers, *last), (self.channels[-1], *sizes[-1])

    def _conv(self, c_in: int, c_out: int, stride: int = 1) -> nn.Conv2d:
        return initialise(nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1), self.init)

    def _blocks(self, channels: int) -> list["ResidualBlock"]:
        total = self.num_blocks * len(self.channels)
        return [ResidualBlock(channels, self.activation, self.init, total) for _ in range(self.num_blocks)]

    def _sizes(self, image: Shape) -> list[tuple[int, int]]:
        return halve_image(image, len(self.channels), lambda size, _: (size + 1) // 2)


@final
class ResidualBlock(nn.Module):
    """h + conv(act(conv(act(h)))); the last convolution starts smaller by sqrt(depth), so that variance does not grow.

    Args:
        channels: of input and output.
        activation: name of a `torch.nn` activation.
        init: ``"glorot"``, ``"torch"`` or ``"small"``.
        depth: residual blocks of the network.
    """

    def __init__(self, channels: int, activation: str, init: str, depth: int) -> None:
        super().__init__()
        first = initialise(nn.Conv2d(channels, channels, 3, padding=1), init)
        last = initialise(nn.Conv2d(channels, channels, 3, padding=1), init)
        with torch.no_grad():
            last.weight /= depth**0.5
        self.layers = nn.Sequential(activation_of(activation), first, activation_of(activation), last)

    @override
    def forward(self, h: Tensor) -> Tensor:
        return h + self.layers(h)
