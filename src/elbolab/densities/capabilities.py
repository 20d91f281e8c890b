"""What some models answer beside their densities; measures, figures and losses ask for it by these names.

Shapes: B = data in a batch, C = classes.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, TypeVar

from torch import Tensor, nn

from elbolab.densities.base import Densities
from elbolab.densities.latents import Undefined


class Capability(Densities, ABC):
    """A model that answers more than the densities that every model has.

    Attributes:
        lack: the reason given where a model does not have the capability.
    """

    lack: ClassVar[str]


Able = TypeVar("Able", bound=Capability)


def capability(densities: Densities, wanted: type[Able]) -> Able:
    """The model, as one that has the capability ``wanted``.

    Raises:
        Undefined: it does not have it.
    """
    if not isinstance(densities, wanted):
        raise Undefined(wanted.lack)
    return densities


class Inferring(Capability, ABC):
    """What a model says that infers its latents by a part of its own, which may be trained apart from the others.

    Attributes:
        posterior: q(z | x, c) of all latents; None where the prior is drawn from instead.
    """

    lack = "this model has no posterior of its own"
    posterior: nn.Module | None


class Classifying(Capability, ABC):
    """What a model that names classes answers beside its densities; evaluation then reports its error."""

    lack = "this model names no classes"

    @abstractmethod
    def log_class_probs(self, x: Tensor) -> Tensor:
        """Log q(y | x), (B, C)."""


class Grouping(Capability, ABC):
    """What a model that sorts data into groups without names answers; evaluation names them by labelled data.

    Its latents are a group on top, as a one-hot vector, and what is below.
    """

    lack = "this model finds no groups"

    @abstractmethod
    def log_group_probs(self, x: Tensor) -> Tensor:
        """Log q(y | x), (B, C)."""


class Corrupting(Capability, ABC):
    """What a denoising model answers beside its densities; evaluation then reports its own bound and restorations."""

    lack = "this model corrupts nothing"

    @abstractmethod
    def corrupt(self, x: Tensor) -> Tensor:
        """A draw of x~ given x, (*M, B, *event) both."""


class Guessing(Capability, ABC):
    """What a model that starts from a guess without latents answers beside its densities; pictures then show it."""

    lack = "this model starts from no guess"

    @abstractmethod
    def first_guess(self, *given: Tensor) -> Tensor:
        """E[x | c] of its baseline, (*S, B, *event)."""
