"""What some models answer beside their densities; measures, figures and losses ask for it by these names.

Shapes: B = data in a batch, C = classes.
"""

from abc import ABC, abstractmethod

from torch import Tensor

from elbolab.densities.base import Densities


class Classifying(Densities, ABC):
    """What a model that names classes answers beside its densities; evaluation then reports its error."""

    @abstractmethod
    def log_class_probs(self, x: Tensor) -> Tensor:
        """Log q(y | x), (B, C)."""


class Grouping(Densities, ABC):
    """What a model that sorts data into groups without names answers; evaluation names them by labelled data.

    Its latents are a group on top, as a one-hot vector, and what is below.
    """

    @abstractmethod
    def log_group_probs(self, x: Tensor) -> Tensor:
        """Log q(y | x), (B, C)."""


class Corrupting(Densities, ABC):
    """What a denoising model answers beside its densities; evaluation then reports its own bound and restorations."""

    @abstractmethod
    def corrupt(self, x: Tensor) -> Tensor:
        """A draw of x~ given x, (*M, B, *event) both."""


class Guessing(Densities, ABC):
    """What a model that starts from a guess without latents answers beside its densities; pictures then show it."""

    @abstractmethod
    def first_guess(self, *given: Tensor) -> Tensor:
        """E[x | c] of its baseline, (*S, B, *event)."""
