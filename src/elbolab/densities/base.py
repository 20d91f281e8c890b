"""What every model's density answers: q(z | x, c), p(z | c) and p(x | z, c), and what follows from the three.

Shapes: *S = sample dimensions, B = data in a batch; ``given`` are the conditions, (B, *shape) each.
"""

from abc import ABC, abstractmethod
from itertools import accumulate
from math import prod
from typing import Self, final

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from typing_extensions import override

from elbolab.batch import Batch, Shape, Spec
from elbolab.densities.latents import Draw, Latents, centre, sample
from elbolab.densities.terms import Terms
from elbolab.distributions.conditional import Conditional, OfPosterior, StartsAtMean
from elbolab.distributions.family import Fitted


class Densities(nn.Module, ABC):
    """A joint density p(x, z | c) with its approximate posterior q(z | x, c).

    Attributes:
        spec: the description of the data.
        code_shapes: shapes of the latents that make up a code: the first ones, from the top down. In the code their
            order is reversed, so that a class, which is on top, comes last.
        class_dim: how many numbers at the end of a code are a class, one-hot or its probabilities; the others are
            latent dimensions, each with a separate meaning.
        frozen: whether the density is part of another model and no longer trained; see `freeze`.
    """

    spec: Spec
    code_shapes: tuple[Shape, ...]
    class_dim: int = 0
    frozen: bool = False

    # -- what a model is ----------------------------------------------------------------------------------------------

    @abstractmethod
    def infer(self, x: Tensor, *given: Tensor, shape: Shape = (), draw: Draw = sample) -> Latents:
        """Draws z ~ q(z | x, c), ``shape`` times for each datum x; every latent carries its q and p.

        Args:
            x: data (B, *event) that the posterior sees; a denoising model corrupts them first and scores clean data.
            *given: conditions of the data.
            shape: sample shape *S.
            draw: how every latent is drawn; `centre` gives the latents that make up the code.
        """

    @abstractmethod
    def imagine(self, shape: Shape, *given: Tensor, top: tuple[Tensor, ...] = (), draw: Draw = sample) -> Latents:
        """Draws z ~ p(z | c) with batch shape (*shape,), or (*shape, B) with conditions.

        Args:
            shape: shape of the draws; () if ``top`` is given, whose shape the draws then have.
            *given: conditions.
            top: known values of the uppermost latents; the latents below are drawn given these.
            draw: how the other latents are drawn.

        Raises:
            Undefined: a latent that is to be drawn has no prior.
        """

    @abstractmethod
    def likelihood_of(self, latents: Latents, *given: Tensor) -> Distribution:
        """p(x | z, c), batch shape (*S, B)."""

    @abstractmethod
    def initialise(self, data: Batch, mean: Tensor) -> None:
        """Initialises what starts from training data, from some of them and the mean of all, (*event)."""

    # -- what follows -------------------------------------------------------------------------------------------------

    @final
    def score(self, x: Tensor, latents: Latents, *given: Tensor) -> Terms:
        """Log p(x | z, c) with what the latents cost."""
        p = self.likelihood_of(latents, *given)
        return Terms(p.log_prob(x), latents, fitted=isinstance(p, Fitted))

    @final
    def terms(self, x: Tensor, *given: Tensor, shape: Shape = ()) -> Terms:
        """The pieces of the bound at ``shape`` draws z ~ q(z | x, c) for each of x, quantities (*S, B)."""
        return self.score(x, self.infer(x, *given, shape=shape), *given)

    @final
    def generate(self, num: int, *given: Tensor) -> Distribution:
        """p(x | z, c) at ``num`` draws z ~ p(z | c): batch shape (num,), or (num, B) with conditions.

        Raises:
            Undefined: there is no prior to draw from.
        """
        return self.likelihood_of(self.imagine((num,), *given), *given)

    @final
    def encode(self, x: Tensor, *given: Tensor) -> Tensor:
        """The code of x, (B, *latent_shape): the centres of its latents."""
        parts = [latent.z for latent in self.infer(x, *given, draw=centre)[: len(self.code_shapes)]]
        match parts:
            case []:
                return x.new_empty(len(x), 0)
            case [part]:
                return part
        return torch.cat([part.flatten(1) for part in reversed(parts)], dim=1)

    @final
    def decode(self, z: Tensor, *given: Tensor) -> Distribution:
        """p(x | z, c) at codes (*S, B, *latent_shape), or at the columns of their upper layers.

        Latents below those that are given take their centres.
        """
        match self.code_shapes:
            case ():  # the shape of z is all that it says
                return self.likelihood_of(self.imagine(z.shape[:-2], *given), *given)
            case (_,):
                top: tuple[Tensor, ...] = (z,)
            case shapes:
                shapes = shapes[: [*accumulate(map(prod, shapes))].index(z.shape[-1]) + 1]
                parts = z.split([prod(shape) for shape in reversed(shapes)], dim=-1)
                top = tuple(part.unflatten(-1, shape) for part, shape in zip(reversed(parts), shapes, strict=True))
        return self.likelihood_of(self.imagine((), *given, top=top, draw=centre), *given)

    @final
    @property
    def latent_shape(self) -> Shape:
        """Shape of a code."""
        return self.code_shapes[0] if len(self.code_shapes) == 1 else (sum(map(prod, self.code_shapes)),)

    @final
    @property
    def code_dim(self) -> int:
        """Number of latent dimensions in a code, which come first: all its numbers but those of the class."""
        return prod(self.latent_shape) - self.class_dim

    @final
    def freeze(self) -> Self:
        """Never trains it again: no gradient reaches its weights, and it stays in evaluation mode.

        The model that contains it must keep it whole, as one module: a part of it alone would follow that model's mode.
        """
        self.requires_grad_(False)
        self.frozen = True
        return self.eval()

    @final
    @override
    def train(self, mode: bool = True) -> Self:
        """Sets the mode as in torch, but a frozen density stays in evaluation mode."""
        return super().train(mode and not self.frozen)


def initialise_parts(densities: Densities, likelihood: Conditional, data: Batch, mean: Tensor) -> None:
    """Starts a likelihood from the mean of the data, (*event), and what is made of a posterior from data as well."""
    initialise_heads(likelihood, mean)
    for part in densities.modules():
        if isinstance(part, OfPosterior):
            part.initialise(data, mean)


def initialise_heads(conditional: Conditional, mean: Tensor) -> None:
    """Starts from ``mean`` (*event) every part of ``conditional`` that asks for it, unless it is frozen."""
    for module in conditional.modules():
        if isinstance(module, StartsAtMean) and any(weight.requires_grad for weight in module.parameters()):
            module.initialise_to_mean(mean)
