"""Critics and the generators that play against them: what each of them minimises in its step on a batch.

Shapes: B = data in a batch; a critic sees points (B, *shape), maybe each with what is known of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from typing_extensions import override

from elbolab.batch import Net, Shape
from elbolab.models.checks import LINEAR, check_head
from elbolab.nets.precision import run
from elbolab.training.player import Loss, Player, trainable
from elbolab.training.trees import size_of

MakeOptimizer = Callable[[list[nn.Parameter]], Optimizer]
Points = tuple[Tensor, ...]
"""Points (B, *shape), then what a critic is told of each."""


@final
class Critic(nn.Module):
    """The logit of a point's probability to be real: its optimum is log p(z) - log q(z).

    Args:
        net: recipe of the network, which ends in a linear layer: the critic's body, and its head.
        shapes: of a point, and of what is told of it.
    """

    def __init__(self, net: Net, *shapes: Shape) -> None:
        super().__init__()
        self.shapes = shapes
        self.net = net(shapes, (1,))
        check_head(self.net, shapes)

    @property
    def head(self) -> nn.Module:
        """The last linear layer of the network, dense or a convolution, whose output is the logit."""
        return [layer for layer in self.net.modules() if isinstance(layer, LINEAR)][-1]

    def features(self, *points: Tensor) -> Tensor:
        """The input of the head, (B, F): distances there are perceptual (Larsen et al. 2016)."""
        read: list[Tensor] = []
        with self.head.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0])):
            self(*points)
        return read[0].flatten(1).to(points[0].dtype)

    @override
    def forward(self, *points: Tensor) -> Tensor:
        """Logits, (B,)."""
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
    """-E_q log D, nats, whose gradient does not vanish where the critic is sure (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-critic(*fake)).mean()


def gradient_penalty(critic: nn.Module, real: Points) -> Tensor:
    """1/2 E_p |grad_z critic(z)|^2 (R1: Mescheder et al. 2018, eq. 9); its gradient is one of second order."""
    point, *told = real
    point = point.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(point, *told).sum(), point, create_graph=True)
    return 0.5 * gradient.flatten(1).square().sum(1).mean()


@final
@dataclass(frozen=True)
class CriticGoal:
    """What a critic minimises: `critic_loss`, and maybe more.

    Attributes:
        label_smoothing: how far below 1 the target of real points is; 0 for no smoothing.
        gradient_penalty: weight of the function of that name; 0 for no penalty.
    """

    label_smoothing: float = 0.0
    gradient_penalty: float = 0.0

    def __post_init__(self) -> None:
        """Raises ValueError for smoothing outside [0, 1/2), and for a weight that is negative or not finite."""
        if not 0 <= self.label_smoothing < 0.5:
            raise ValueError(f"model.label_smoothing={self.label_smoothing}: choose a share of [0, 0.5)")
        if not 0 <= self.gradient_penalty < inf:
            raise ValueError(
                f"model.gradient_penalty={self.gradient_penalty}: choose a finite weight that is not negative"
            )


def critic_player(
    critic: Critic,
    real: Callable[[Any], Points],
    fake: Callable[[Any], Points],
    optimizer: MakeOptimizer,
    goal: CriticGoal,
    name: str = "critic",
) -> Player:
    """A critic that learns to tell ``real(batch)`` from ``fake(batch)``; only the critic learns in this step.

    ``name`` is the prefix of its metrics among those of other players.
    """

    def loss(batch: Any) -> Loss:
        with torch.no_grad():
            found, drawn = real(batch), fake(batch)
        value = critic_loss(critic, found, drawn, goal.label_smoothing)
        additive = _is_one_per_datum(batch, found, drawn)
        if goal.gradient_penalty == 0:
            return Loss(value, {}, additive)
        penalty = gradient_penalty(critic, found)
        return Loss(value + goal.gradient_penalty * penalty, {"penalty": penalty}, additive)

    return Player(loss, trainable(critic), optimizer, name)


def generator_player(
    seen: Callable[[Any], list[tuple[Critic, Points]]], generator: nn.Module, optimizer: MakeOptimizer
) -> Player:
    """A generator that learns to deceive critics; ``seen(batch)`` is each critic with the points that it sees."""

    def loss(batch: Any) -> Loss:
        pairs = seen(batch)
        losses = [generator_loss(critic, points) for critic, points in pairs]
        return Loss(torch.stack(losses).sum(), {}, _is_one_per_datum(batch, *(points for _, points in pairs)))

    return Player(loss, trainable(generator), optimizer, "generator")


def _is_one_per_datum(batch: Any, *points: Points) -> bool:
    """Whether there is one point for each datum, so that the losses of parts of a batch add up to that of the whole."""
    return all(len(point) == size_of(batch) for point, *_ in points)
