"""How near a reconstruction is to its image, one number per image.

Shapes: N = images, C = channels, H, W = height and width. Values lie in [0, 1], so the data range is 1.
"""

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

SSIM_WINDOW = 11
"""Pixels: the side of the Gaussian window (sigma 1.5) of Wang et al. 2004."""


def mse(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Squared error averaged over the elements of each datum, (N, *event) -> (N,)."""
    return (images - reconstructions).square().flatten(1).mean(1)


def psnr(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image, -10 log10 MSE at data range 1, in dB; inf where they are equal.

    (N, C, H, W) -> (N,). Its mean over images is not the PSNR of the mean error.
    """
    return -10 * torch.log10(mse(images, reconstructions))


def ssim(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Structural similarity of each image (Wang et al. 2004), in [-1, 1], 1 where they are equal.

    (N, C, H, W) -> (N,).

    Raises:
        ValueError: the images are smaller than the window.
    """
    if min(images.shape[-2:]) < SSIM_WINDOW:
        height, width = images.shape[-2:]
        raise ValueError(f"SSIM needs images of at least {SSIM_WINDOW} pixels a side, these are {height} x {width}")
    # reconstructions come first in torchmetrics; the index is symmetric
    values = structural_similarity_index_measure(reconstructions, images, data_range=1.0, reduction="none")
    assert isinstance(values, Tensor)
    return values.reshape(len(images))
