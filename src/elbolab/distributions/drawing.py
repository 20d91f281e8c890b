"""How a latent variable is drawn from a distribution: at random, or at its centre."""

from collections.abc import Callable
from typing import NamedTuple, final

import torch
from torch import Tensor
from torch.distributions import Distribution, OneHotCategorical

from elbolab.batch import Shape


@final
class Drawn(NamedTuple):
    """A draw, (*shape, *batch, *event), and its log-density, (*shape, *batch), None where the distribution's is meant.

    A draw that is not from the distribution itself says with ``log_q`` what it is from.
    """

    z: Tensor
    log_q: Tensor | None = None


Draw = Callable[[Distribution, Shape], Drawn]
"""(distribution, shape) -> as many draws, independent of each other."""


def sample(p: Distribution, shape: Shape = ()) -> Drawn:
    """Random draws, reparameterised where they can be: torch's ``Normal.sample`` waits for the device."""
    size = torch.Size(shape)
    return Drawn(p.rsample(size) if p.has_rsample else p.sample(size))


def centre(p: Distribution, shape: Shape = ()) -> Drawn:
    """The mean, and of a class its mode, as often as is asked for."""
    point = p.mode if isinstance(p, OneHotCategorical) else p.mean
    return Drawn(point.expand(*shape, *point.shape))
