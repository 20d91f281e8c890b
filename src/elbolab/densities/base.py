"""What every model's density answers."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import prod
from typing import Self, final

from torch import Tensor, nn
from torch.distributions import Distribution

from elbolab.batch import Shape, Spec
from elbolab.densities.terms import Terms


class Densities(nn.Module, ABC):
    """A joint density p(x, z | c) with its approximate posterior q(z | x, c).

    Shapes: B data, S sample dimensions; ``given`` are the conditions, (B, *shape) each.

    Attributes:
        spec: what is known of the data.
        latent_shape: shape of one latent draw, or code.
        class_dim: how many numbers at the end of a code are a class, one-hot or its probabilities; the others are
            dimensions, each with a meaning of its own.
        frozen: whether it is part of another model and no longer trained; see `freeze`.
    """

    spec: Spec
    latent_shape: Shape
    class_dim: int = 0
    frozen: bool = False

    @final
    @property
    def code_dim(self) -> int:
        """How many numbers of a code are dimensions, which come first: all but its class."""
        return prod(self.latent_shape) - self.class_dim

    @final
    def train(self, mode: bool = True) -> Self:
        """As torch's, but what is frozen stays in evaluation mode whatever the model around it does."""
        return super().train(mode and not self.frozen)

    @abstractmethod
    def terms(
        self, x: Tensor, *given: Tensor, sample_shape: tuple[int, ...] = (), proposal: Distribution | None = None
    ) -> Terms:
        """The pieces of the bound for x (B, *event), quantities (*sample_shape, B); z from ``proposal`` if given."""

    @abstractmethod
    def generate(self, num: int, *given: Tensor) -> Distribution:
        """p(x | z, c) at ``num`` draws z ~ p(z | c): batch shape (num,), or (num, B) with conditions.

        Raises:
            Undefined: there is no prior to draw from.
        """

    @abstractmethod
    def encode(self, x: Tensor, *given: Tensor) -> Tensor:
        """The code of x, (B, *latent_shape): the posterior mean where there is a posterior."""

    @abstractmethod
    def decode(self, z: Tensor, *given: Tensor) -> Distribution:
        """p(x | z, c) at z (*S, B, *latent_shape)."""

    @abstractmethod
    def initialise_to_mean(self, mean: Tensor) -> None:
        """Starts from the training mean (*event) what does so by definition, or because its configuration asks."""


class Classifying(Densities, ABC):
    """What a model that names classes answers beside its densities; evaluation then reports its error.

    Shapes: B data, C classes.
    """

    @abstractmethod
    def log_class_probs(self, x: Tensor) -> Tensor:
        """Log q(y | x), (B, C)."""


class Corrupting(Densities, ABC):
    """What a denoising model answers beside its densities; evaluation then reports its own bound and restorations.

    Shapes: B data, M corruptions of each (any shape).
    """

    @abstractmethod
    def corrupt(self, x: Tensor) -> Tensor:
        """A draw of x~ given x, (*M, B, *event) both."""

    @abstractmethod
    def proposal(self, x: Tensor, *given: Tensor) -> Distribution:
        """q(z | x, c) exactly at x, corrupted or not, in training mode too."""


class Styled(Densities, ABC):
    """What a model that tells class from style answers beside its densities; figures hold one and change the other.

    It draws by class too.

    Classes are one-hot vectors (*S, C), styles z (*S, D).
    """

    @abstractmethod
    def style(self, x: Tensor) -> Tensor:
        """The mean of q(z | x, y) at the most probable class, (B, D)."""

    @abstractmethod
    def style_prior(self, y: Tensor) -> Distribution:
        """p(z | y)."""

    @abstractmethod
    def restyle(self, z: Tensor, y: Tensor) -> Distribution:
        """p(x | y, z)."""

    @abstractmethod
    def generate_of(self, y: Tensor) -> Distribution:
        """p(x | y, z) at a draw of z ~ p(z | y), and of what lies below it, for each of y: batch shape (*S,)."""


class Guessing(Densities, ABC):
    """What a model that starts from a guess without latents answers beside its densities; pictures then show it.

    Shapes: B data.
    """

    @abstractmethod
    def first_guess(self, *given: Tensor) -> Tensor:
        """E[x | c] of its baseline, (*S, B, *event)."""


MakeDensities = Callable[..., Densities]
