"""Mixtures of discretised logistics, their channels coupled (PixelCNN++, Salimans et al. 2017, section 2.2).

Shapes: M components, C channels, ``*pixels`` the positions; event (C, *pixels), or (D,): one channel, D positions.
"""

from typing import NamedTuple, Self, final

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, constraints
from typing_extensions import override

from elbolab.batch import Shape
from elbolab.distributions.discretised import log_logistic_bin, logistic_bin_mean, sample_logistic_bin
from elbolab.distributions.family import NO_SAMPLES, Sizes
from elbolab.distributions.grid import Grid


class Components(NamedTuple):
    """Parameters of a mixture at every position; components are shared by the channels of a position.

    Attributes:
        logits: unnormalised log weights, (*lead, M, *pixels).
        loc: locations before coupling, (*lead, M, C, *pixels).
        scale: positive, (*lead, M, C, *pixels).
        coupling: how channel c moves with the earlier channels, in the order (1,0), (2,0), (2,1), ...;
            (*lead, M, C (C - 1) / 2, *pixels).
    """

    logits: Tensor
    loc: Tensor
    scale: Tensor
    coupling: Tensor


@final
class LogisticMixture(Distribution):
    """p(x) = product over positions of sum_m w_m prod_c logistic(x_c | loc_c + sum_{d<c} coupling_cd (x_d - 1/2)).

    Args:
        components: the parameters.
        event: shape of one draw.
        levels: number of levels an element takes.
        validate_args: as in torch.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}

    def __init__(self, components: Components, event: Shape, levels: int, validate_args: bool | None = None) -> None:
        self.components, self.levels = components, levels
        self.channels, self.positions = channels_and_positions(event)
        self.channel_dim = -1 - len(self.positions)
        lead = components.loc.shape[: self.channel_dim - 1]
        super().__init__(lead, torch.Size(event), validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=None)
    @override
    def support(self) -> constraints.Constraint:
        return constraints.independent(Grid(self.levels), len(self.event_shape))

    @override
    def expand(self, batch_shape: Sizes, _instance: Self | None = None) -> Self:
        old = len(self.batch_shape)
        components = Components(*(part.expand(*batch_shape, *part.shape[old:]) for part in self.components))
        return type(self)(components, self.event_shape, self.levels, validate_args=False)

    @override
    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        x = self._by_channel(value).unsqueeze(self.channel_dim - 1)
        each = log_logistic_bin(x, self._coupled(x), self.components.scale, self.levels).sum(self.channel_dim)
        log_weights = self.components.logits.log_softmax(self.channel_dim)
        mixed = torch.logsumexp(log_weights + each, self.channel_dim)
        return mixed.flatten(-len(self.positions)).sum(-1)

    @property
    @override
    def mean(self) -> Tensor:
        """Exact with one channel or without coupling.

        With coupling every channel is taken at the means of the earlier ones: exact as long as no location is near
        0 or 1, since only clipping makes the dependence non-linear. Enumerating it would take levels^C terms.
        """
        of_component = torch.zeros_like(self.components.loc)
        for c in range(self.channels):
            loc = self._coupled(of_component).select(self.channel_dim, c)
            scale = self.components.scale.select(self.channel_dim, c)
            of_component = self._with_channel(of_component, c, logistic_bin_mean(loc, scale, self.levels))
        weights = self.components.logits.softmax(self.channel_dim).unsqueeze(self.channel_dim)
        return (weights * of_component).sum(self.channel_dim - 1).reshape(*self.batch_shape, *self.event_shape)

    @torch.no_grad()
    @override
    def sample(self, sample_shape: Sizes = NO_SAMPLES) -> Tensor:
        """Levels, (*sample_shape, *batch, *event): one component a position, then channel by channel."""
        drawn = self.expand(torch.Size([*sample_shape, *self.batch_shape]))._draw_components()
        x = torch.zeros_like(drawn.components.loc)
        for c in range(self.channels):
            loc = drawn._coupled(x).select(self.channel_dim, c)
            scale = drawn.components.scale.select(self.channel_dim, c)
            x = self._with_channel(x, c, sample_logistic_bin(loc, scale, self.levels))
        return x.reshape(self._extended_shape(sample_shape))

    def _draw_components(self) -> Self:
        """One component at every position, as a mixture of one."""
        dim = self.channel_dim - 1
        logits = self.components.logits.movedim(self.channel_dim, -1)
        index = Categorical(logits=logits, validate_args=False).sample().unsqueeze(self.channel_dim).unsqueeze(dim)

        def pick(part: Tensor) -> Tensor:
            shape = [*part.shape[:dim], 1, *part.shape[self.channel_dim :]]
            return part.gather(dim, index.expand(shape))

        loc, scale, coupling = pick(self.components.loc), pick(self.components.scale), pick(self.components.coupling)
        one = Components(torch.zeros_like(loc.select(self.channel_dim, 0)), loc, scale, coupling)
        return type(self)(one, self.event_shape, self.levels, validate_args=False)

    def _by_channel(self, value: Tensor) -> Tensor:
        """(*S, *batch, *event) -> (*S, *batch, C, *pixels)."""
        lead = value.shape[: value.dim() - len(self.event_shape)]
        return value.reshape(*lead, self.channels, *self.positions)

    def _coupled(self, x: Tensor) -> Tensor:
        """Locations given the channels of x (..., M or 1, C, *pixels); channel c reads the earlier ones only."""
        shifted = []
        for c in range(self.channels):
            loc = self.components.loc.select(self.channel_dim, c)
            for d in range(c):
                coupling = self.components.coupling.select(self.channel_dim, c * (c - 1) // 2 + d)
                loc = loc + coupling * (x.select(self.channel_dim, d) - 0.5)
            shifted.append(loc)
        shape = torch.broadcast_shapes(*(loc.shape for loc in shifted))
        return torch.stack([loc.expand(shape) for loc in shifted], self.channel_dim)

    def _with_channel(self, x: Tensor, c: int, channel: Tensor) -> Tensor:
        """``x`` with channel ``c`` replaced."""
        return torch.cat(
            [
                x.narrow(self.channel_dim, 0, c),
                channel.unsqueeze(self.channel_dim),
                x.narrow(self.channel_dim, c + 1, self.channels - c - 1),
            ],
            self.channel_dim,
        )


def channels_and_positions(event: Shape) -> tuple[int, Shape]:
    """(C, *pixels) -> C and pixels; a vector (D,) is one channel at D positions."""
    return (1, event) if len(event) == 1 else (event[0], event[1:])
