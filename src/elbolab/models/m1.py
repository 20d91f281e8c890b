"""M1: a VAE as feature extractor, whose codes of labelled data a classifier is fitted to (Kingma et al. 2014, 2.1)."""

from typing import final

from torch import Tensor

from elbolab.batch import Batch, Semi
from elbolab.densities.terms import negative_elbo, summary
from elbolab.models.base import ElboModule, Loss, Player
from elbolab.models.players import one_player


@final
class M1(ElboModule):
    """Minimises -ELBO over the pixels of all data, whose labels it does not see (Kingma et al. 2014, Eq. 5).

    Labels are for the classifiers that evaluation fits to its codes, see `elbolab.evaluation.few_labels`; so it trains
    on data with ``data.num_labelled`` and without.
    """

    takes = (Batch, Semi)

    def loss(self, batch: Batch | Semi) -> Loss:
        """-ELBO, nats per datum."""
        data = batch.unlabelled if isinstance(batch, Semi) else batch
        terms = self.densities.terms(data.x, *data.given)
        return Loss(negative_elbo(terms), summary(terms), additive=not terms.fitted)

    def players(self) -> list[Player]:
        """One player."""
        return one_player(self)

    def report(self, batch: Batch) -> dict[str, Tensor]:
        """elbo, rate and distortion."""
        return summary(self.densities.terms(batch.x, *batch.given))
