"""Quarters of images: which pixels are seen and which are to be predicted (Sohn, Lee and Yan 2015, section 5.1).

Where a side is odd, the bottom or the right quarter has the row or column more.

Shapes: B = data, P = pixels to predict, G = pixels seen, ``*image`` = (channels, height, width), P + G its product.
"""

from math import prod

import torch
from torch import Tensor

from elbolab.batch import Canvas


def seen_mask(canvas: Canvas) -> Tensor:
    """Which pixels are seen, (*image) booleans: bottom left (1), the left half (2), all but bottom right (3)."""
    _, height, width = canvas.image
    bottom = (torch.arange(height) >= height // 2)[:, None]
    left = (torch.arange(width) < width // 2)[None]
    seen = {1: bottom & left, 2: left, 3: left | ~bottom}[canvas.quadrants]
    return seen.expand(canvas.image)


def pixel_indices(canvas: Canvas, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Where in a flattened image the pixels to predict (P,) and the pixels seen (G,) are."""
    seen = seen_mask(canvas).flatten()
    return (~seen).nonzero().flatten().to(device), seen.nonzero().flatten().to(device)


def take_apart(canvas: Canvas, images: Tensor) -> tuple[Tensor, Tensor]:
    """Images (B, *image) -> pixels to predict (B, P) and pixels seen (B, G); `assemble` is the inverse."""
    predicted, seen = pixel_indices(canvas, images.device)
    return images.flatten(1)[:, predicted], images.flatten(1)[:, seen]


def assemble(canvas: Canvas, x: Tensor, seen: Tensor) -> Tensor:
    """Whole images of their parts.

    Args:
        canvas: which part is which.
        x: pixels that were to be predicted, (*S, B, P).
        seen: pixels that were seen, (B, G).

    Returns:
        The images, (*S, B, *image).
    """
    pixels = torch.cat([x, seen.expand(*x.shape[:-1], -1)], -1)
    assert pixels.shape[-1] == prod(canvas.image)
    return pixels[..., torch.cat(pixel_indices(canvas, x.device)).argsort()].unflatten(-1, canvas.image)
