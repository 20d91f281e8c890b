"""Tensors whose gradient is not that of their value, so that a bound is logged while an estimator trains it."""

from typing import Any, final

import torch
from torch import Tensor


def with_gradient(value: Tensor, surrogate: Tensor) -> Tensor:
    """``value``, with the gradient of ``surrogate``, as of a score-function estimator.

    Args:
        value: what is logged; no gradient reaches it.
        surrogate: a tensor of the same shape whose gradient is the estimate; its own value is not used.
    """
    return value.detach() + (surrogate - surrogate.detach())


def scale_gradient(tensor: Tensor, weight: Tensor | float) -> Tensor:
    """``tensor``, with its gradient times ``weight``, which broadcasts to it; 0 stops and -1 reverses the gradient.

    The doubly reparameterised estimator weights the path of each sample in this way (Tucker et al. 2019, eq. 8). It may
    be captured: nothing is read on the host.
    """
    return _ScaledGradient.apply(tensor, weight)


@final
class _ScaledGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, weight: Tensor | float) -> Tensor:
        ctx.weight = weight
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        return gradient * ctx.weight, None
