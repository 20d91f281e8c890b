"""Adversarial autoencoders with a style and a category (Makhzani et al. 2015, sections 4 and 5).

Shapes: B = data in a batch, L = labelled ones, D = dimensions of the style, C = categories.
"""

from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from elbolab.batch import Batch, Net, Semi, rows_of
from elbolab.common.refusal import choose
from elbolab.densities.categorical import Categorical, ClassAutoencoder, GroupAutoencoder
from elbolab.densities.latents import sample
from elbolab.metrics.classification import is_wrong
from elbolab.models.aae import one_hot, reconstruction_loss, report_match
from elbolab.models.base import ElboModule, Loss, Player
from elbolab.models.checks import check_densities, check_labels, check_semi
from elbolab.models.players import Critic, CriticGoal, MakeOptimizer, Points, critic_player, generator_player
from elbolab.training.player import trainable


@final
class Critics(nn.Module):
    """One critic of the style and one of the category; neither looks at labels.

    Args:
        net: recipe of both networks.
        densities: whose codes they see.
        critic_optimizer: parameters -> optimiser, of either critic.
        generator_optimizer: the same of the encoder that plays against both.
        goal: what the critics minimise.
    """

    def __init__(
        self,
        net: Net,
        densities: Categorical,
        critic_optimizer: MakeOptimizer,
        generator_optimizer: MakeOptimizer,
        goal: CriticGoal,
    ) -> None:
        super().__init__()
        (self.num_categories,), style = densities.code_shapes
        self.style, self.category = Critic(net, style), Critic(net, (self.num_categories,))
        self.critic_optimizer, self.generator_optimizer, self.goal = critic_optimizer, generator_optimizer, goal

    def players(self, densities: Categorical) -> list[Player]:
        """Both critics, then the encoder against both."""

        def codes(batch: Batch | Semi) -> list[tuple[Critic, Points]]:
            z, log_y = densities.read(rows_of(batch).x)
            return [(self.style, (z,)), (self.category, (log_y.exp(),))]

        def prior_styles(batch: Batch | Semi) -> Points:
            return (sample(densities.prior(), (len(rows_of(batch).x),)).z,)

        how = (self.critic_optimizer, self.goal)
        return [
            critic_player(self.style, prior_styles, lambda batch: codes(batch)[0][1], *how, "style_critic"),
            critic_player(
                self.category, self.draw_categories, lambda batch: codes(batch)[1][1], *how, "category_critic"
            ),
            generator_player(codes, densities.posterior, self.generator_optimizer),
        ]

    def draw_categories(self, batch: Batch | Semi) -> Points:
        """One-hot vectors of uniform categories, as many as data."""
        x = rows_of(batch).x
        return (one_hot(torch.randint(self.num_categories, (len(x),), device=x.device), self.num_categories, x),)


@final
class SemiAAE(ElboModule):
    """An adversarial autoencoder that learns from few labels, in five steps on every batch (section 4).

    Encoder and decoder reduce the distortion; the critics of style and category learn, each in a step of its own; the
    encoder learns to deceive both; and then, as the classifier q(y | x), it learns from the labelled data.

    Args:
        critic: recipe of both critics' networks.
        critic_optimizer: parameters -> optimiser, of either critic.
        generator_optimizer: the same of the encoder that plays against both.
        classifier_optimizer: the same of the last phase.
        label_smoothing: of the target of real points, see `critic_loss`; 0: none.
        gradient_penalty: weight of the function of that name; 0: none.
        **base: see `ElboModule`.
    """

    densities: ClassAutoencoder
    takes = (Semi,)

    def __init__(
        self,
        critic: Net,
        critic_optimizer: MakeOptimizer,
        generator_optimizer: MakeOptimizer,
        classifier_optimizer: MakeOptimizer,
        label_smoothing: float = 0.0,
        gradient_penalty: float = 0.0,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        check_densities(self.densities, ClassAutoencoder, choose("model", "aae_semi"))
        self.classifier_optimizer = classifier_optimizer
        goal = CriticGoal(label_smoothing, gradient_penalty)
        self.critics = Critics(critic, self.densities, critic_optimizer, generator_optimizer, goal)

    @override
    def loss(self, batch: Batch | Semi) -> Loss:
        return reconstruction_loss(self.densities.terms(rows_of(batch).x))

    @override
    def players(self) -> list[Player]:
        first = Player(self.loss, trainable(self.densities), self.optimizer)
        classifier = Player(self.classify, trainable(self.densities.posterior), self.classifier_optimizer, "classifier")
        return [first, *self.critics.players(self.densities), classifier]

    def classify(self, batch: Semi) -> Loss:
        """-log q(y | x) of the labelled data, nats per labelled datum."""
        labelled = check_semi(batch).labelled
        cost = F.nll_loss(self.densities.log_class_probs(labelled.x), check_labels(labelled), reduction="none")
        return Loss(batch.labelled_mean(cost), {})

    @override
    def report(self, batch: Batch) -> dict[str, Tensor]:
        """The distortion, mmd2 of the style, and the error: the share of data whose most probable class is wrong."""
        error = is_wrong(self.densities.log_class_probs(batch.x), check_labels(batch)).mean()
        return report_match(self.densities.terms(batch.x)) | {"error": error}


@final
class ClusteringAAE(ElboModule):
    """An adversarial autoencoder that finds groups: `SemiAAE` without labels and its last step (section 5).

    Args:
        critic: recipe of both critics' networks.
        critic_optimizer: parameters -> optimiser, of either critic.
        generator_optimizer: the same of the encoder that plays against both.
        label_smoothing: of the target of real points, see `critic_loss`; 0: none.
        gradient_penalty: weight of the function of that name; 0: none.
        **base: see `ElboModule`.
    """

    densities: GroupAutoencoder

    def __init__(
        self,
        critic: Net,
        critic_optimizer: MakeOptimizer,
        generator_optimizer: MakeOptimizer,
        label_smoothing: float = 0.0,
        gradient_penalty: float = 0.0,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        check_densities(self.densities, GroupAutoencoder, choose("model", "aae_clustering"))
        goal = CriticGoal(label_smoothing, gradient_penalty)
        self.critics = Critics(critic, self.densities, critic_optimizer, generator_optimizer, goal)

    @override
    def loss(self, batch: Batch) -> Loss:
        return reconstruction_loss(self.densities.terms(rows_of(batch).x))

    @override
    def players(self) -> list[Player]:
        first = Player(self.loss, trainable(self.densities), self.optimizer)
        return [first, *self.critics.players(self.densities)]

    @override
    def report(self, batch: Batch) -> dict[str, Tensor]:
        return report_match(self.densities.terms(batch.x))
