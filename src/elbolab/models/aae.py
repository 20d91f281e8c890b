"""The adversarial autoencoder (Makhzani et al. 2015), unsupervised, supervised and informed by labels.

Shapes: B = data in a batch, L = labelled ones, D = latent dimensions, C = classes.
"""

from typing import Any, final

import torch
from torch import Tensor
from typing_extensions import override

from elbolab.batch import Batch, Net, Semi, refuse_labels, rows_of
from elbolab.densities.checks import check_matched
from elbolab.densities.latents import sample
from elbolab.densities.layer import Layer
from elbolab.densities.terms import Terms, add_penalty, summary
from elbolab.distributions.priors import Partitioned
from elbolab.metrics.match import mmd2
from elbolab.models.base import ElboModule, Loss, Player
from elbolab.models.checks import check_labels, check_prior_and_posterior, count_classes
from elbolab.models.players import Critic, CriticGoal, MakeOptimizer, Points, critic_player, generator_player
from elbolab.training.player import trainable


@final
class AAE(ElboModule):
    """An autoencoder whose codes an adversary matches to the prior, in three steps on every batch (section 2).

    First encoder and decoder reduce the distortion, then the critic learns to tell draws of p(z) from codes, and then
    the encoder learns to deceive the critic.

    With labels as conditions that the encoder does not see, it is supervised (section 3, figure 6): the decoder reads
    the label and the critic does not, so that q(z) over all data matches p(z). With ``label_informed`` the critic reads
    labels (section 2.3, figure 3): the class of a code, and for a draw of the prior the number of the part that it is
    from, which is that of a class. Codes without a label are compared with the whole prior under one more class.

    Args:
        critic: recipe of the critic's network.
        critic_optimizer: parameters -> optimiser, of the critic.
        generator_optimizer: the same of the encoder that plays against it.
        label_smoothing: of the target of real points, see `critic_loss`; 0: none.
        gradient_penalty: weight of the function of that name; 0: none.
        label_informed: whether the critic is told labels; the prior then has one part for each class.
        **base: see `ElboModule`.
    """

    densities: Layer

    def __init__(
        self,
        critic: Net,
        critic_optimizer: MakeOptimizer,
        generator_optimizer: MakeOptimizer,
        label_smoothing: float = 0.0,
        gradient_penalty: float = 0.0,
        label_informed: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.critic_optimizer, self.generator_optimizer = critic_optimizer, generator_optimizer
        self.goal = CriticGoal(label_smoothing, gradient_penalty)
        check_matched(*check_prior_and_posterior(self.densities), self.densities.spec)
        self.num_told = count_classes(self.densities) + 1 if label_informed else 0
        self.takes = (Batch, Semi) if label_informed else (Batch,)
        told = ((self.num_told,),) if label_informed else ()
        self.critic = Critic(critic, self.densities.latent_shape, *told)

    @override
    def loss(self, batch: Batch | Semi) -> Loss:
        rows = rows_of(batch)
        return reconstruction_loss(self.densities.terms(rows.x, *rows.given))

    @override
    def players(self) -> list[Player]:
        _, posterior = check_prior_and_posterior(self.densities)
        seen = lambda batch: [(self.critic, self.code_points(batch))]  # noqa: E731
        return [
            Player(self.loss, trainable(self.densities), self.optimizer),
            critic_player(self.critic, self.prior_points, self.code_points, self.critic_optimizer, self.goal),
            generator_player(seen, posterior, self.generator_optimizer),
        ]

    def code_points(self, batch: Batch | Semi) -> Points:
        """Draws z ~ q(z | x), with what the critic is told of them."""
        rows, labels = self._rows(batch)
        _, posterior = check_prior_and_posterior(self.densities)
        return sample(posterior(rows.x, *rows.given)).z, *self._tell_labels(labels, rows)

    def prior_points(self, batch: Batch | Semi) -> Points:
        """As many draws of the prior as there are codes; where the critic reads labels, each of its label's part."""
        rows, labels = self._rows(batch)
        p = check_prior_and_posterior(self.densities)[0](*rows.given)
        if labels is None:
            return (sample(p, () if p.batch_shape else (len(rows.x),)).z,)
        assert isinstance(p, Partitioned)
        unknown = labels == self.num_told - 1
        parts = torch.where(unknown, torch.randint_like(labels, p.num_labels), labels)
        return p.sample_of(parts), *self._tell_labels(labels, rows)

    @override
    def report(self, batch: Batch) -> dict[str, Tensor]:
        """The distortion, and mmd2 between codes and draws of the prior, an estimate without bias."""
        return report_match(self.densities.terms(batch.x, *batch.given))

    def _rows(self, batch: Batch | Semi) -> tuple[Batch, Tensor | None]:
        """The data, and the number of the class that the critic is told of each: C where a datum has no label.

        The numbers are None where it is told none. Labels that are missing, or that it would not be told, are refused.
        """
        if self.num_told == 0:
            if isinstance(batch, Semi):
                raise refuse_labels()
            return batch, None
        if isinstance(batch, Semi):
            rows = join_labelled(batch)
            known = check_labels(batch.labelled)
            return rows, torch.cat([known, known.new_full((len(batch.unlabelled.x),), self.num_told - 1)])
        return batch, check_labels(batch)

    def _tell_labels(self, labels: Tensor | None, rows: Batch) -> Points:
        return () if labels is None else (one_hot(labels, self.num_told, rows.x),)


def join_labelled(batch: Semi) -> Batch:
    """Labelled data, then unlabelled ones, (L + B, ...)."""
    pairs = zip(batch.labelled.given, batch.unlabelled.given, strict=True)
    return Batch(torch.cat([batch.labelled.x, batch.unlabelled.x]), tuple(torch.cat(pair) for pair in pairs))


def one_hot(labels: Tensor, num: int, like: Tensor) -> Tensor:
    """(B,) -> (B, num) in the dtype of ``like``; unlike torch's own it does not wait for the device."""
    return like.new_zeros(len(labels), num).scatter_(1, labels.unsqueeze(1), 1)


def reconstruction_loss(terms: Terms) -> Loss:
    """The distortion, nats per datum; critics and not the bound match the codes to the prior."""
    return Loss(add_penalty(terms.distortion, terms.penalty).mean(), summary(terms, ("distortion",)), not terms.fitted)


def report_match(terms: Terms) -> dict[str, Tensor]:
    """The distortion, and mmd2 between draws of the last latent and as many of the prior; 0 for a single datum."""
    latent, found = terms.latents[-1], summary(terms, ("distortion",))
    assert latent.p is not None, "codes are matched to a prior"
    if len(latent.z) < 2:
        return found | {"mmd2": latent.z.new_zeros(())}
    drawn = sample(latent.p, () if latent.p.batch_shape else (len(latent.z),)).z
    return found | {"mmd2": mmd2(latent.z.flatten(1), drawn.flatten(1)).mean()}
