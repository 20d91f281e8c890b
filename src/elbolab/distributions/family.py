"""From a network's raw output to a torch distribution, and the two families of Kingma & Welling's VAE."""

from abc import ABC, abstractmethod
from typing import NamedTuple, final

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli as TorchBernoulli
from torch.distributions import Distribution, Independent, Normal
from torch.distributions.utils import broadcast_all
from torch.nn import functional as F
from typing_extensions import override

from elbolab.batch import Shape

Sizes = torch.Size | list[int] | tuple[int, ...]
"""What torch's distributions take for a sample or batch shape."""
NO_SAMPLES = torch.Size()


class Drawn(NamedTuple):
    """A draw, (*shape, *batch, *event), and its log-density, (*shape, *batch), None where the distribution's is meant.

    A draw that is not from the distribution itself says with ``log_q`` what it is from. One that was made of noise of
    the same shape, z = f(noise), may give it, so that the gradient of log q in z is known without inverting f.
    """

    z: Tensor
    log_q: Tensor | None = None
    noise: Tensor | None = None


class KnowsDraws(Distribution, ABC):
    """A distribution whose draws come with their density, which is dear at other points: a flow."""

    @abstractmethod
    def draw(self, shape: Shape) -> Drawn:
        """Draws with their log-density and, where gradients are recorded, the noise that they were made of."""


class Relaxed(Distribution, ABC):
    """A distribution whose draws relax a discrete variable: gradients flow, but no bound on log p(x) follows."""

    @override
    def log_prob(self, value: Tensor) -> Tensor:
        raise NotImplementedError(
            "a relaxed draw has no probability under a discrete prior, so no importance weight: evaluate hard draws"
        )


class Fitted(Distribution, ABC):
    """A distribution that is fitted to the very value whose log-likelihood is asked: that value is no bound's term."""


class Family(nn.Module, ABC):
    """Maps raw network outputs to distributions, such as one logit per pixel to independent Bernoullis.

    Attributes:
        event: shape of one draw.
        out_shape: shape of the raw output for one draw. If an element of a draw needs several numbers, the first
            dimension is that many times larger, so that a convolutional network can produce them as channels.
    """

    def __init__(self, event: Shape, out_shape: Shape) -> None:
        super().__init__()
        self.event, self.out_shape = event, out_shape

    @abstractmethod
    def forward(self, raw: Tensor) -> Distribution:
        """Unconstrained parameters (*lead, *out_shape) -> their distribution, whose batch shape is ``lead``."""

    @abstractmethod
    def raw_for(self, mean: Tensor) -> Tensor:
        """The raw output (*out_shape) whose distribution has this mean (*event).

        Raises:
            ValueError: the family has no such output; the message names the setting to change.
        """


def per_element(event: Shape, count: int) -> Shape:
    """Shape of a raw output with ``count`` numbers per element of ``event``, (3, 8, 8) and 2: (6, 8, 8)."""
    return (count * event[0], *event[1:])


def split(raw: Tensor, event: Shape, count: int) -> tuple[Tensor, ...]:
    """(*lead, count * event[0], *event[1:]) -> (*lead, *event) each: locations and scales, say."""
    return raw.chunk(count, dim=raw.dim() - len(event))


def check_floor(min_scale: float) -> None:
    """Raises ValueError if the lower bound of a scale is negative, since scales could then be negative."""
    if min_scale < 0:
        raise ValueError(f"min_scale={min_scale}: the lower bound of a scale is not negative")


@final
class BernoulliEvent(Independent):
    """torch's `Independent` of Bernoulli elements, which sums before it negates: torch walks once more through them."""

    @override
    def log_prob(self, value: Tensor) -> Tensor:
        if self.base_dist._validate_args:
            self.base_dist._validate_sample(value)
        logits, value = broadcast_all(self.base_dist.logits, value)
        cost = F.binary_cross_entropy_with_logits(logits, value, reduction="none")
        return -cost.sum(tuple(range(-len(self.event_shape), 0)))


@final
class Bernoulli(Family):
    """x in {0, 1}: raw outputs are logits."""

    def __init__(self, event: Shape) -> None:
        super().__init__(event, event)

    @override
    def forward(self, raw: Tensor) -> Distribution:
        return BernoulliEvent(TorchBernoulli(logits=raw), len(self.event))

    @override
    def raw_for(self, mean: Tensor) -> Tensor:
        """logit(mean), the mean kept in [0.001, 0.999] as in Burda et al.'s code: a pixel that is always 0 may move."""
        return torch.logit(mean.clamp(0.001, 0.999))


@final
class DiagonalNormal(Family):
    """N(loc, diag(scale^2)), loc and log variance from the raw output (Kingma & Welling 2014, appendix C).

    In float32 the variance is infinite from a log variance of 88.7 on, and a KL no number: training then stops as at
    any that is not finite, and ``model.skip_norm`` leaves such a step out. A smooth bound would cost more than twice
    the time of the exponential itself.

    Args:
        event: shape of one draw.
        min_scale: lower bound added to the scale, so that it cannot vanish.
    """

    def __init__(self, event: Shape, min_scale: float = 1e-6) -> None:
        super().__init__(event, per_element(event, 2))
        check_floor(min_scale)
        self.min_scale = min_scale

    @override
    def forward(self, raw: Tensor) -> Distribution:
        loc, log_variance = split(raw, self.event, 2)
        return Independent(Normal(loc, (0.5 * log_variance).exp() + self.min_scale), len(self.event))

    @override
    def raw_for(self, mean: Tensor) -> Tensor:
        return torch.cat([mean, torch.zeros_like(mean)])
