"""Adversarial autoencoders with a style and a category (Makhzani et al. 2015, sections 4 and 5).

Shapes: B = data in a batch, L = labelled ones, D = dimensions of the style, C = categories.
"""

from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elbolab.batch import Batch, Net, Semi
from elbolab.densities.categorical import Categorical, ClassAutoencoder, GroupAutoencoder
from elbolab.distributions.drawing import sample
from elbolab.metrics.classification import wrong
from elbolab.models.aae import check_densities, labels_of, matched_report, one_hot, reconstruction
from elbolab.models.adversarial import AdversarialModule, Critic, MakeOptimizer, Player, Points, trainable
from elbolab.models.base import Loss
from elbolab.models.m2 import check_semi


@final
class Critics(nn.Module):
    """One critic of the style and one of the category, on the data whose labels are not looked at."""

    def __init__(self, net: Net, densities: Categorical) -> None:
        super().__init__()
        self.held = [densities]  # in a list: its parameters are not the critics'
        self.num_categories = len(densities.uniform)
        self.style = Critic(net, (densities.latent_dim,))
        self.category = Critic(net, (self.num_categories,))

    def codes(self, batch: Batch | Semi) -> list[tuple[Critic, Points]]:
        """Which critic sees which part of the codes."""
        z, log_y = self.held[0].read(unlabelled(batch).x)
        return [(self.style, (z,)), (self.category, (log_y.exp(),))]

    def styles(self, batch: Batch | Semi) -> Points:
        """The styles of the codes."""
        return self.codes(batch)[0][1]

    def categories(self, batch: Batch | Semi) -> Points:
        """The probabilities of the codes' categories."""
        return self.codes(batch)[1][1]

    def prior_styles(self, batch: Batch | Semi) -> Points:
        """Draws of p(z), as many as data."""
        return (sample(self.held[0].prior(), (len(unlabelled(batch).x),)).z,)

    def prior_categories(self, batch: Batch | Semi) -> Points:
        """One-hot vectors of uniform categories, as many as data."""
        x = unlabelled(batch).x
        return (one_hot(torch.randint(self.num_categories, (len(x),), device=x.device), self.num_categories, x),)

    def players(self, model: AdversarialModule) -> list[Player]:
        """Both critics, then the encoder against both."""
        return [
            model.critic_player(self.style, self.prior_styles, self.styles, "style_critic"),
            model.critic_player(self.category, self.prior_categories, self.categories, "category_critic"),
            model.generator_player(self.codes, self.held[0].posterior),
        ]


def unlabelled(batch: Batch | Semi) -> Batch:
    """All data of a batch, labels aside."""
    return batch.unlabelled if isinstance(batch, Semi) else batch


@final
class SemiAAE(AdversarialModule):
    """Reconstruct; both critics; the encoder against both; then q(y | x) learns the labelled part (section 4).

    Args:
        critic: recipe of both critics' networks.
        classifier_optimizer: parameters -> optimiser of the last phase.
        **base: see `AdversarialModule`.

    Raises:
        ValueError: other densities.
    """

    densities: ClassAutoencoder
    takes = (Semi,)

    def __init__(self, critic: Net, classifier_optimizer: MakeOptimizer, **base: Any) -> None:
        super().__init__(**base)
        check_densities(self.densities, ClassAutoencoder, "densities=class_autoencoder")
        self.classifier_optimizer = classifier_optimizer
        self.critics = Critics(critic, self.densities)

    def loss(self, batch: Batch | Semi) -> Loss:
        """The distortion, nats per datum."""
        return reconstruction(self.densities.terms(unlabelled(batch).x))

    def adversaries(self) -> list[Player]:
        """Both critics, the encoder, and the encoder again as the classifier."""
        classifier = Player(self.classify, trainable(self.densities.posterior), self.classifier_optimizer, "classifier")
        return [*self.critics.players(self), classifier]

    def classify(self, batch: Semi) -> Loss:
        """-log q(y | x) of the labelled data, nats per labelled datum.

        Raises:
            ValueError: the data are not split into labelled and unlabelled ones.
        """
        labelled = check_semi(batch).labelled
        cost = F.nll_loss(self.densities.log_class_probs(labelled.x), labels_of(labelled), reduction="none")
        return Loss(batch.labelled_mean(cost), {})

    def report(self, batch: Batch) -> dict[str, Tensor]:
        """distortion, mmd2 of the style, and error: the share of data whose most probable class is wrong."""
        error = wrong(self.densities.log_class_probs(batch.x), labels_of(batch)).mean()
        return matched_report(self.densities.terms(batch.x)) | {"error": error}


@final
class ClusteringAAE(AdversarialModule):
    """Reconstruct; both critics; the encoder against both: `SemiAAE` without labels (section 5).

    Args:
        critic: recipe of both critics' networks.
        **base: see `AdversarialModule`.

    Raises:
        ValueError: other densities.
    """

    densities: GroupAutoencoder

    def __init__(self, critic: Net, **base: Any) -> None:
        super().__init__(**base)
        check_densities(self.densities, GroupAutoencoder, "densities=group_autoencoder")
        self.critics = Critics(critic, self.densities)

    def loss(self, batch: Batch) -> Loss:
        """The distortion, nats per datum."""
        return reconstruction(self.densities.terms(unlabelled(batch).x))

    def adversaries(self) -> list[Player]:
        """Both critics, then the encoder."""
        return self.critics.players(self)

    def report(self, batch: Batch) -> dict[str, Tensor]:
        """distortion, and mmd2 of the style."""
        return matched_report(self.densities.terms(batch.x))
