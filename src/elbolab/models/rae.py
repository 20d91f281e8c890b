"""Regularised autoencoders (Ghosh et al. 2020): a code without noise that stays small, and a decoder that stays smooth.

They have no prior to draw from; ``elbolab fit-prior`` gives them one afterwards (section 4).

Shapes: B = data in a batch, D = latent dimensions.
"""

from abc import ABC, abstractmethod
from typing import Any, final

import torch
from torch import Tensor, nn
from typing_extensions import override

from elbolab.batch import Batch
from elbolab.common.refusal import choose
from elbolab.densities.layer import Layer
from elbolab.densities.terms import add_penalty, summary
from elbolab.models.ae import report_reconstruction
from elbolab.models.base import ElboModule, Loss, Player, one_player
from elbolab.models.checks import check_densities
from elbolab.training.schedules import Schedule, weight_of


class Regulariser(nn.Module, ABC):
    """What a decoder pays for not being smooth.

    Attributes:
        weight: lambda at every step; the argument is a number or a schedule.
    """

    def __init__(self, weight: float | Schedule) -> None:
        super().__init__()
        self.weight = weight_of("model.regulariser.weight", weight)

    @abstractmethod
    def forward(self, decoder: nn.Module, z: Tensor, *given: Tensor) -> Tensor:
        """A scalar, of the likelihood ``decoder`` at codes z (B, D) and conditions. Safe to capture."""


@final
class GradientPenalty(Regulariser):
    """1/2 |grad D(z)|^2 at the codes of data, D being the mean of p(x | z) (Ghosh et al. 2020, section 3).

    The squared norm of the Jacobian is estimated without bias by one product with a vector of random signs, whose mean
    square it is (Hutchinson 1989).
    """

    @override
    def forward(self, decoder: nn.Module, z: Tensor, *given: Tensor) -> Tensor:
        mean = decoder(z, *given).mean
        signs = 2 * torch.bernoulli(torch.full_like(mean, 0.5)) - 1
        return 0.5 * squared_gradient(signs * mean, z).mean()


def squared_gradient(values: Tensor, z: Tensor) -> Tensor:
    """|grad_z sum of values|^2 of each datum, (B,); its own gradient is one of second order."""
    (gradient,) = torch.autograd.grad(values.sum(), z, create_graph=True)
    return gradient.flatten(1).square().sum(1)


@final
class WeightDecay(Regulariser):
    """The squared norm of the decoder's parameters (Ghosh et al. 2020, section 3)."""

    @override
    def forward(self, decoder: nn.Module, z: Tensor, *given: Tensor) -> Tensor:
        return torch.stack([parameter.square().sum() for parameter in decoder.parameters()]).sum()


@final
class RAE(ElboModule):
    """Minimises distortion + beta 1/2 |z|^2 + lambda R(decoder) (Ghosh et al. 2020, section 3).

    Args:
        code_weight: beta, a number or a schedule.
        regulariser: R with its weight; None where the decoder's layers are smooth by themselves, or are not to be.
        **base: see `ElboModule`.
    """

    densities: Layer

    def __init__(self, code_weight: float | Schedule, regulariser: Regulariser | None = None, **base: Any) -> None:
        super().__init__(**base)
        check_densities(self.densities, Layer, choose("model", "rae"))
        self.code_weight, self.regulariser = weight_of("model.code_weight", code_weight), regulariser

    @override
    def loss(self, batch: Batch) -> Loss:
        terms = self.densities.terms(batch.x, *batch.given)
        z = terms.latents.only().z
        code_norm = 0.5 * z.flatten(1).square().sum(1)
        value = add_penalty(terms.distortion + self.code_weight(self.step) * code_norm, terms.penalty).mean()
        logged = summary(terms) | {"code_norm": code_norm.mean()}
        if self.regulariser is not None:
            paid = self.regulariser(self.densities.likelihood, z, *batch.given)
            value = value + self.regulariser.weight(self.step) * paid
            logged["regularisation"] = paid
        return Loss(value, logged, additive=not terms.fitted)

    @override
    def players(self) -> list[Player]:
        return one_player(self)

    @override
    def report(self, batch: Batch) -> dict[str, Tensor]:
        return report_reconstruction(self.densities, batch)
