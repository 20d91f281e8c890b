"""Flows whose steps are networks of their own, by zuko: autoregressive, spline and coupling flows.

Shapes: *S = samples, B = data in a batch, D = latent dimensions, H = numbers of each datum that networks read.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol, cast, final

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from typing_extensions import override

from elbolab.batch import Shape
from elbolab.common.refusal import choose
from elbolab.distributions.conditional import Conditional, lead_of
from elbolab.distributions.flow import Flow, MakeSteps, Step, Steps, check_dimensions, check_length, check_vector


@contextmanager
def _keep_validation() -> Iterator[None]:
    """Zuko switches off the validation of arguments of every distribution of the process when it is imported."""
    before = Distribution._validate_args
    try:
        yield
    finally:
        Distribution.set_default_validate_args(before)


with _keep_validation():
    from zuko.flows import MAF, NSF, RealNVP

__all__ = ["MAF", "NSF", "Forward", "FlowPrior", "Inverse", "Networks", "RealNVP"]

MakeFlow = Callable[..., nn.Module]
"""A lazy flow of zuko: (features, context, transforms=, hidden_features=, ...) -> module with ``transform``."""


class ZukoTransform(Protocol):
    """What zuko adds to torch's transforms: the value with the log-determinant, at the cost of one."""

    @property
    def inv(self) -> Callable[[Tensor], Tensor]:
        """The inverse."""

    def call_and_ladj(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Y and log |det dy/dx|."""

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Log |det dy/dx|."""


@final
class Forward(NamedTuple):
    """A step y = transform(z): drawing is one pass, and the inverse goes through the dimensions one by one."""

    transform: ZukoTransform

    def apply(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Y and log |det dy/dz|."""
        y, log_det = self.transform.call_and_ladj(z)
        return y, log_det

    def invert(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Z and log |det dy/dz|."""
        z = self.transform.inv(y)
        return z, self.transform.log_abs_det_jacobian(z, y)


@final
class Inverse(NamedTuple):
    """A step y with z = transform(y): the density of a point is one pass, and drawing goes dimension by dimension."""

    transform: ZukoTransform

    def apply(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Y and log |det dy/dz|."""
        y = self.transform.inv(z)
        return y, -self.transform.log_abs_det_jacobian(y, z)

    def invert(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Z and log |det dy/dz|."""
        z, log_det = self.transform.call_and_ladj(y)
        return z, -log_det


@final
class Networks(Steps):
    """Steps by networks, which read what is known of each datum beside the point (Kingma et al. 2016, section 3).

    Args:
        dim: D.
        num_steps: their number.
        flow: what they are, such as `zuko.flows.MAF`.
        step: `Forward` where drawing is to be fast, as in an inverse autoregressive flow, or `Inverse`.
        hidden: widths of the networks.
        num_parameters: H; 0: they read the point alone.

    Raises:
        Refusal: one dimension alone.
        ValueError: a number out of its range.
    """

    def __init__(
        self,
        dim: int,
        num_steps: int,
        flow: MakeFlow,
        step: Callable[[ZukoTransform], Step],
        hidden: Sequence[int],
        num_parameters: int = 0,
    ) -> None:
        super().__init__()
        check_length(num_steps)
        check_dimensions(dim, choose("posterior", "planar", "diagonal_normal"))
        if num_parameters < 0:
            raise ValueError(f"posterior num_parameters={num_parameters}: what networks read of a datum, or 0")
        self.step, self.num_parameters = step, num_parameters if num_steps else 0
        made = flow(dim, self.num_parameters, transforms=num_steps, hidden_features=list(hidden))
        self.transforms = cast(nn.ModuleList, cast(nn.Module, made.transform).transforms)

    @override
    def forward(self, parameters: Tensor) -> Sequence[Step]:
        read = parameters if self.num_parameters else None
        return [self.step(transform(read)) for transform in self.transforms]


@final
class FlowPrior(Conditional):
    """A flow of N(0, I), learned, whatever the parents.

    Args:
        parents: shapes of the parents; only their leading dimensions matter.
        event: (D,).
        steps: recipe of the steps, which read the point alone.

    Raises:
        Refusal: the event is no vector, or has one dimension.
    """

    zero: Tensor

    def __init__(self, parents: tuple[Shape, ...], event: Shape, steps: MakeSteps) -> None:
        super().__init__()
        check_vector(event)
        check_dimensions(event[0], choose("prior", "standard_normal", "mixture"))
        self.parents = parents
        self.steps = steps(event[0])
        self.register_buffer("zero", torch.zeros(event), persistent=False)

    @override
    def forward(self, *parents: Tensor) -> Distribution:
        flow = Flow(self.zero, torch.ones_like(self.zero), self.steps(self.zero[:0]))
        return flow.expand(lead_of(parents, self.parents))
