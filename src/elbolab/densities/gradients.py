"""Tensors whose gradient is not that of their value, so that a bound is logged while an estimator trains it."""

from copy import copy
from typing import Any, TypeVar, final

import torch
from torch import Tensor
from torch.distributions import Distribution

AnyDistribution = TypeVar("AnyDistribution", bound=Distribution)


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


def stop_parameters(p: AnyDistribution) -> AnyDistribution:
    """``p`` with parameters that receive no gradient; points at which its density is asked still do."""
    stopped = copy(p)
    for name, value in vars(p).items():
        match value:
            case Tensor():
                setattr(stopped, name, value.detach())
            case Distribution():
                setattr(stopped, name, stop_parameters(value))
    return stopped


def path_score(log_q: Tensor, z: Tensor, noise: Tensor) -> Tensor:
    """The gradient of log q in z, (*S, B, D), at draws z = f(noise), without inverting f; no gradient reaches it.

    In total d log q(f(noise)) / d noise = J^T d log q / dz with the Jacobian J of f, which is solved for the last
    factor (Vaitl et al. 2022, "Gradients should stay on path", section 3): D passes back through f.

    Args:
        log_q: log q(z), (*S, B), as drawing knows it.
        z: the draws, (*S, B, D).
        noise: what z was made of, (*S, B, D), whose gradients are followed.
    """
    (total,) = torch.autograd.grad(log_q.sum(), noise, retain_graph=True)
    columns = [torch.autograd.grad(z[..., d].sum(), noise, retain_graph=True)[0] for d in range(z.shape[-1])]
    return torch.linalg.solve_ex(torch.stack(columns, dim=-1), total[..., None]).result[..., 0]


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
