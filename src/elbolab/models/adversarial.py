"""Models with critics: who plays against whom, and what each of them minimises.

Shapes: B = data in a batch; a critic sees points (B, *shape), maybe each with what is known of it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import inf
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from elbolab.batch import Net, Shape
from elbolab.models.base import ElboModule, Loss, Player
from elbolab.nets.precision import run
from elbolab.training.trees import size_of

MakeOptimizer = Callable[[list[nn.Parameter]], Optimizer]
Points = tuple[Tensor, ...]
"""Points (B, *shape), then what a critic is told of each."""


@final
class Critic(nn.Module):
    """The logit of a point's probability to be real: its optimum is log p(z) - log q(z).

    Args:
        net: recipe of the network.
        shapes: of a point, and of what is told of it.
    """

    def __init__(self, net: Net, *shapes: Shape) -> None:
        super().__init__()
        self.shapes = shapes
        self.net = net(shapes, (1,))

    def forward(self, *points: Tensor) -> Tensor:
        """Logits, (B,).

        Raises:
            ValueError: points of another shape.
        """
        found = tuple(tuple(part.shape[1:]) for part in points)
        if found != self.shapes:
            raise ValueError(
                f"this critic sees points of shape {self.shapes}, and was given {found}: it is built for "
                "densities.latent_dim and, where it is told labels, for one class more than the data have"
            )
        return run(self.net, *points).squeeze(-1)


def critic_loss(critic: nn.Module, real: Points, fake: Points, smoothing: float = 0.0) -> Tensor:
    """-E_p log D - E_q log(1 - D), nats: 2 log 2 - 2 JS(p, q) at the optimal critic (Goodfellow et al. 2014, eq. 4).

    With ``smoothing`` the target of real points is 1 - smoothing (Salimans et al. 2016, section 3.4), and the optimal
    D is (1 - smoothing) p / (p + q).
    """
    logits = critic(*real)
    on_real = F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, 1 - smoothing))
    return on_real + F.softplus(critic(*fake)).mean()


def generator_loss(critic: nn.Module, fake: Points) -> Tensor:
    """-E_q log D, nats: what does not saturate where the critic is sure (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-critic(*fake)).mean()


def gradient_penalty(critic: nn.Module, real: Points) -> Tensor:
    """1/2 E_p |grad_z critic(z)|^2 (R1: Mescheder et al. 2018, eq. 9); its gradient is one of second order."""
    point, *told = real
    point = point.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(point, *told).sum(), point, create_graph=True)
    return 0.5 * gradient.flatten(1).square().sum(1).mean()


class AdversarialModule(ElboModule, ABC):
    """Several players, critics included, that step one after another on the same batch.

    The first one minimises `loss` over all parameters of the densities; `adversaries` follow. Each loss moves its own
    player's parameters and nothing else, and each player has an optimiser with a state of its own.

    Args:
        critic_optimizer: parameters -> optimiser, of every critic.
        generator_optimizer: the same of what plays against them.
        label_smoothing: of real points, see `critic_loss`; 0: none.
        gradient_penalty: weight of `gradient_penalty`; 0: none.
        **base: see `ElboModule`.

    Raises:
        ValueError: smoothing outside [0, 1/2), or a weight that is negative or not finite.
    """

    def __init__(
        self,
        critic_optimizer: MakeOptimizer,
        generator_optimizer: MakeOptimizer,
        label_smoothing: float = 0.0,
        gradient_penalty: float = 0.0,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        if not 0 <= label_smoothing < 0.5:
            raise ValueError(f"model.label_smoothing={label_smoothing}: choose a share of [0, 0.5)")
        if not 0 <= gradient_penalty < inf:
            raise ValueError(f"model.gradient_penalty={gradient_penalty}: choose a finite weight that is not negative")
        self.critic_optimizer, self.generator_optimizer = critic_optimizer, generator_optimizer
        self.label_smoothing, self.gradient_penalty = label_smoothing, gradient_penalty

    @abstractmethod
    def adversaries(self) -> list[Player]:
        """Who steps after the first player, in order."""

    @final
    def players(self) -> list[Player]:
        """The first player, then its adversaries."""
        return [Player(self.loss, trainable(self.densities), self.optimizer), *self.adversaries()]

    @final
    def critic_player(
        self, critic: Critic, real: Callable[[Any], Points], fake: Callable[[Any], Points], name: str = "critic"
    ) -> Player:
        """A critic that learns to tell ``real(batch)`` from ``fake(batch)``; nobody else learns from it."""

        def loss(batch: Any) -> Loss:
            with torch.no_grad():
                found, drawn = real(batch), fake(batch)
            value, additive = critic_loss(critic, found, drawn, self.label_smoothing), _one_a_datum(batch, found, drawn)
            if self.gradient_penalty == 0:
                return Loss(value, {}, additive)
            penalty = gradient_penalty(critic, found)
            return Loss(value + self.gradient_penalty * penalty, {"penalty": penalty}, additive)

        return Player(loss, trainable(critic), self.critic_optimizer, name)

    @final
    def generator_player(self, fake: Callable[[Any], list[tuple[Critic, Points]]], generator: nn.Module) -> Player:
        """What deceives critics: ``fake(batch)`` says which critic sees which points of ``generator``."""

        def loss(batch: Any) -> Loss:
            seen = fake(batch)
            losses = [generator_loss(critic, points) for critic, points in seen]
            return Loss(torch.stack(losses).sum(), {}, _one_a_datum(batch, *(points for _, points in seen)))

        return Player(loss, trainable(generator), self.generator_optimizer, "generator")


def _one_a_datum(batch: Any, *points: Points) -> bool:
    """Whether means over points are means over the data by which parts of a batch are weighted."""
    return all(len(point) == size_of(batch) for point, *_ in points)


def trainable(module: nn.Module) -> list[nn.Parameter]:
    """The parameters of ``module`` that are not frozen."""
    return [parameter for parameter in module.parameters() if parameter.requires_grad]
