"""Convolutional networks of strided convolutions (after Burgess et al. 2018 and Locatello et al. 2019).

Shapes: N = rows, C channels, H, W height and width; inputs (N, *in_shape) each, output (N, *out_shape).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import final

from torch import Tensor, nn
from typing_extensions import override

from elbolab.batch import Shape
from elbolab.nets.hourglass import Hourglass, halve_image
from elbolab.nets.layers import activation_of, check_counts, initialise


@final
class Conv(nn.Module):
    """Convolutions of stride 2 from images, transposed ones to images, dense layers in between.

    With ``channels=[32, 32, 64, 64], kernel_size=[4, 4, 2, 2], up_kernel_size=4, dense=[256]`` it is the encoder and
    the decoder of Locatello et al. 2019.

    Args:
        in_shapes: shapes of one row of each input; images have shape (C, H, W), other shapes are vectors.
        out_shape: shape of one row of the output, an image or a vector.
        channels: channels after each halving, from the image's side; an output image passes them in reverse.
        kernel_size: kernel of every stage, or one for each entry of ``channels``.
        dense: widths of the dense layers between images and the rest.
        activation: name of a `torch.nn` activation.
        init: ``"glorot"``, ``"torch"`` or ``"small"``.
        up_kernel_size: the kernels on the way to an image, in the order of ``channels``; None for ``kernel_size``.

    Raises:
        ValueError: an image too small for the stages, kernels that do not fit ``channels`` or are below 2, or an
            unknown activation or initialisation.
    """

    def __init__(
        self,
        in_shapes: tuple[Shape, ...],
        out_shape: Shape,
        channels: Sequence[int],
        kernel_size: int | Sequence[int],
        dense: Sequence[int],
        activation: str,
        init: str,
        up_kernel_size: int | Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        check_counts("net.channels", channels)
        self.channels, self.activation, self.init = channels, activation, init
        self.down_kernels = _read_kernels("kernel_size", kernel_size, len(channels))
        up_kernel_size = kernel_size if up_kernel_size is None else up_kernel_size
        self.up_kernels = _read_kernels("up_kernel_size", up_kernel_size, len(channels))
        self.net = Hourglass(in_shapes, out_shape, dense, activation, init, self._down, self._up)

    @override
    def forward(self, *inputs: Tensor) -> Tensor:
        return self.net(*inputs)

    def _down(self, image: Shape) -> tuple[nn.Module, Shape]:
        """Stages from an image to its features."""
        layers: list[nn.Module] = []
        for (c_in, c_out), kernel in zip(pairwise([image[0], *self.channels]), self.down_kernels, strict=True):
            conv = nn.Conv2d(c_in, c_out, kernel, stride=2, padding=(kernel - 1) // 2)
            layers += [initialise(conv, self.init), activation_of(self.activation)]
        return nn.Sequential(*layers), self._features(image, self.down_kernels)[-1]

    def _up(self, image: Shape) -> tuple[nn.Module, Shape]:
        """Stages from features to an image, every size the one that the way down has."""
        features = self._features(image, self.up_kernels)
        layers: list[nn.Module] = []
        for stage in reversed(range(len(self.channels))):
            conv = _upsample(features[stage + 1], features[stage], self.up_kernels[stage])
            layers += [initialise(conv, self.init), activation_of(self.activation)]
        return nn.Sequential(*layers[:-1]), features[-1]

    def _features(self, image: Shape, kernels: Sequence[int]) -> list[Shape]:
        """(C, H, W) of the image and after each stage."""
        sizes = halve_image(image, len(self.channels), lambda size, stage: _size_after(size, kernels[stage]))
        return [(c, *size) for c, size in zip([image[0], *self.channels], sizes, strict=True)]


def _read_kernels(option: str, kernel_size: int | Sequence[int], num_stages: int) -> list[int]:
    kernels = [kernel_size] * num_stages if isinstance(kernel_size, int) else list(kernel_size)
    if len(kernels) != num_stages or any(kernel < 2 for kernel in kernels):
        raise ValueError(
            f"net.{option}={kernel_size}: give one number of at least 2, or one for each of the {num_stages} "
            "entries of net.channels"
        )
    return kernels


def _size_after(size: int, kernel: int) -> int:
    """Size after a convolution of stride 2 with padding (kernel - 1) // 2: half, rounded up or down by the kernel."""
    return (size + 2 * ((kernel - 1) // 2) - kernel) // 2 + 1


def _upsample(small: Shape, large: Shape, kernel: int) -> nn.ConvTranspose2d:
    """The transposed convolution from exactly ``small`` to exactly ``large``."""
    padding = (kernel - 1) // 2
    extra_height, extra_width = (large[i] - (2 * (small[i] - 1) - 2 * padding + kernel) for i in (1, 2))
    return nn.ConvTranspose2d(
        small[0], large[0], kernel, stride=2, padding=padding, output_padding=(extra_height, extra_width)
    )
