"""One idea for prior, posterior, likelihood and classifier: parents in, torch Distribution out.

Shapes: *S = samples, B = data in a batch, ``*event`` = shape of one draw. A parent is (*S, B, *shape); leading
dimensions of several parents broadcast. The distribution has batch shape (*S, B) and event shape ``event``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import prod
from typing import final

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent
from typing_extensions import override

from elbolab.batch import Batch, Net, Shape, Spec
from elbolab.common.refusal import Refusal, change, choose
from elbolab.distributions.family import Family
from elbolab.distributions.unit_normal import UnitNormal
from elbolab.nets.precision import run


class Conditional(nn.Module, ABC):
    """p(event | parents)."""

    @abstractmethod
    def forward(self, *parents: Tensor) -> Distribution:
        """(*S, B, *shape) each -> a distribution of batch shape (*S, B)."""


MakeConditional = Callable[[tuple[Shape, ...], Shape], Conditional]
"""A recipe, (shapes of the parents, shape of one draw) -> Conditional: every YAML of prior, posterior, likelihood."""
Recipe = MakeConditional | None
"""None where a model is to have no such part."""


def lead_of(parents: tuple[Tensor, ...], shapes: tuple[Shape, ...]) -> torch.Size:
    """The batch shape that parents of these shapes ask for, () without parents."""
    leads = [p.shape[: p.dim() - len(s)] for p, s in zip(parents, shapes, strict=True)]
    return torch.broadcast_shapes(*leads) if len(leads) > 1 else leads[0] if leads else torch.Size()


class OfPosterior(Conditional, ABC):
    """A prior that shares the posterior's network; the wiring function hands the posterior over when both are built."""

    @abstractmethod
    def share(self, posterior: Conditional, spec: Spec) -> None:
        """Takes the posterior of data of this kind."""

    @abstractmethod
    def initialise(self, data: Batch, mean: Tensor) -> None:
        """Starts from training data, and from the mean of all, (*event)."""


class StartsAtMean(nn.Module, ABC):
    """A part of a likelihood that may start at the mean of the training data."""

    @abstractmethod
    def initialise_to_mean(self, mean: Tensor) -> None:
        """Starts at the mean, (*event), where this is asked for."""


@final
class Head(Conditional, StartsAtMean):
    """A network whose output is read by a family.

    Args:
        parents: shapes of the parents.
        event: shape of one draw.
        net: recipe of the network.
        family: recipe of the family.
        init_to_mean: start from the mean of the training data: a constant offset on the raw output, set by
            `initialise_to_mean`. It equals Burda's output bias, and works for every network.

    Raises:
        Refusal: there are no parents for the network to read.
    """

    offset: Tensor | None

    def __init__(
        self,
        parents: tuple[Shape, ...],
        event: Shape,
        net: Net,
        family: Callable[[Shape], Family],
        init_to_mean: bool = False,
    ) -> None:
        super().__init__()
        if not parents:
            raise Refusal(
                "a network needs something to read, and without conditions this one has nothing",
                choose("prior", "standard_normal"),
                change("data.given", "labels"),
            )
        self.parents = parents
        self.family = family(event)
        self.net = net(parents, self.family.out_shape)
        self.register_buffer("offset", torch.zeros(self.family.out_shape) if init_to_mean else None)

    @override
    def forward(self, *parents: Tensor) -> Distribution:
        lead, rows = lead_of(parents, self.parents), parents
        if not len(parents) == len(lead) == 1:  # a view costs a few microseconds, and again with its gradient
            pairs = zip(parents, self.parents, strict=True)
            rows = tuple(p.expand(*lead, *shape).reshape(prod(lead), *shape) for p, shape in pairs)
        raw = run(self.net, *rows)
        if self.offset is not None:
            raw = raw + self.offset
        return self.family(raw if len(lead) == 1 else raw.view(*lead, *self.family.out_shape))

    @torch.no_grad()
    @override
    def initialise_to_mean(self, mean: Tensor) -> None:
        if self.offset is not None:
            self.offset.copy_(self.family.raw_for(mean))


class Unconditional(Conditional, ABC):
    """One distribution whatever the parents; its batch shape is theirs, so that every row draws its own sample."""

    def __init__(self, parents: tuple[Shape, ...]) -> None:
        super().__init__()
        self.parents = parents

    @abstractmethod
    def marginal(self) -> Distribution:
        """The distribution, of batch shape ()."""

    @override
    def forward(self, *parents: Tensor) -> Distribution:
        return self.marginal().expand(lead_of(parents, self.parents)) if parents else self.marginal()


@final
class StandardNormal(Unconditional):
    """N(0, I)."""

    zero: Tensor
    one: Tensor

    def __init__(self, parents: tuple[Shape, ...], event: Shape) -> None:
        super().__init__(parents)
        self.register_buffer("zero", torch.zeros(event), persistent=False)
        self.register_buffer("one", torch.ones(event), persistent=False)

    @override
    def marginal(self) -> Distribution:
        return Independent(UnitNormal(self.zero, self.one), self.zero.dim())


@final
class Ignore(Conditional):
    """``conditional`` of the first ``keep`` parents; the others are not looked at."""

    def __init__(self, parents: tuple[Shape, ...], event: Shape, conditional: MakeConditional, keep: int = 1) -> None:
        super().__init__()
        self.keep = keep
        self.conditional = conditional(parents[:keep], event)

    @override
    def forward(self, *parents: Tensor) -> Distribution:
        return self.conditional(*parents[: self.keep])
