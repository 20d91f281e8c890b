"""Regression: p(x | c) without latents, the NN baseline of Sohn et al. (2015)."""

from typing import final

from torch import Tensor

from elbolab.batch import Batch
from elbolab.densities.terms import negative_elbo, summary
from elbolab.models.base import ElboModule, Loss, Player
from elbolab.models.players import one_player


@final
class Regression(ElboModule):
    """Minimises -log p(x | c), which its bound equals: there is no latent, and the rate is 0."""

    def loss(self, batch: Batch) -> Loss:
        """-log p(x | c), nats per datum."""
        terms = self.densities.terms(batch.x, *batch.given)
        return Loss(negative_elbo(terms), summary(terms), additive=not terms.fitted)

    def players(self) -> list[Player]:
        """One player."""
        return one_player(self)

    def report(self, batch: Batch) -> dict[str, Tensor]:
        """elbo, which is the log-likelihood, rate and distortion."""
        return summary(self.densities.terms(batch.x, *batch.given))
