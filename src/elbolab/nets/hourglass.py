"""From images and vectors to an image or a vector: down to features, through dense layers, up again.

Shapes: N = rows, C channels, H, W height and width. An image has shape (C, H, W); every other shape is a vector.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import final

from torch import Tensor, nn
from typing_extensions import override

from elbolab.batch import Shape
from elbolab.common.refusal import Refusal, choose
from elbolab.nets.layers import activation_of, check_counts, dense_layers
from elbolab.nets.mlp import flatten_rows

MakeStages = Callable[[Shape], tuple[nn.Module, Shape]]
"""An image's shape -> the layers that lead from it to its features (or back to it), and the shape of the features."""


@final
class Hourglass(nn.Module):
    """Every input image goes down on its own; features and vectors meet in dense layers; an output image comes up.

    Args:
        in_shapes: shapes of one row of each input.
        out_shape: shape of one row of the output.
        dense: widths of the dense layers between images and the rest; may be empty.
        activation: name of a `torch.nn` activation.
        init: ``"glorot"``, ``"torch"`` or ``"small"``.
        down: (C, H, W) -> layers to features of the returned shape.
        up: (C, H, W) -> layers from features of the returned shape.
    """

    def __init__(
        self,
        in_shapes: tuple[Shape, ...],
        out_shape: Shape,
        dense: Sequence[int],
        activation: str,
        init: str,
        down: MakeStages,
        up: MakeStages,
    ) -> None:
        super().__init__()
        check_counts("net.dense", dense)
        downs = [_stages(down, shape) for shape in in_shapes]
        to_image, self.features = _stages(up, out_shape)
        widths = [sum(prod(features) for _, features in downs), *dense, prod(self.features)]
        self.down = nn.ModuleList(layers for layers, _ in downs)
        self.dense = dense_layers(widths, activation, init)
        self.up = nn.Sequential(activation_of(activation), to_image) if is_image(out_shape) else nn.Identity()

    @override
    def forward(self, *inputs: Tensor) -> Tensor:
        features = [layers(x) for layers, x in zip(self.down, inputs, strict=True)]
        return self.up(self.dense(flatten_rows(features)).unflatten(1, self.features))


def is_image(shape: Shape) -> bool:
    """Whether a shape is (C, H, W)."""
    return len(shape) == 3


def _stages(make: MakeStages, shape: Shape) -> tuple[nn.Module, Shape]:
    return make(shape) if is_image(shape) else (nn.Identity(), shape)


def halve_image(image: Shape, num_stages: int, after: Callable[[int, int], int]) -> list[tuple[int, int]]:
    """Heights and widths of an image from the largest to the smallest, halved ``num_stages`` times.

    Args:
        image: (C, H, W).
        num_stages: how often it is halved.
        after: (size, stage) -> size after that stage.

    Raises:
        ValueError: the image becomes a single pixel before the last stage.
    """
    sizes = [(image[1], image[2])]
    for stage in range(num_stages):
        if min(sizes[-1]) < 2:
            raise Refusal(
                f"net.channels has {num_stages} stages, but an image of {image[1]}x{image[2]} can be halved only "
                f"{stage} times and needs fewer entries",
                choose("net", "mlp"),
            )
        height, width = sizes[-1]
        sizes.append((after(height, stage), after(width, stage)))
    return sizes
