"""The variational autoencoder (Kingma & Welling 2014; Rezende et al. 2014), and what differs from it by a cost.

Without latents it is a regression. Of a semi-supervised batch it sees all data and no label, which makes it the M1 of
Kingma et al. (2014, section 2.1): evaluation fits classifiers to its codes of the labelled data.
"""

from collections.abc import Mapping
from typing import Any, final

from torch import Tensor
from typing_extensions import override

from elbolab.batch import Batch, Semi, rows_of
from elbolab.densities.terms import add_penalty, summary
from elbolab.models.base import ElboModule, Loss, Player, draws_shape, one_player
from elbolab.models.checks import check_reparameterised_posterior
from elbolab.models.cost import Cost, Costs


@final
class VAE(ElboModule):
    """Minimises -ELBO = distortion + rate (Kingma & Welling 2014, Eq. 3), with other costs where they are chosen.

    Args:
        num_samples: draws of z per datum whose bounds are averaged (L in the paper).
        costs: what is added to -ELBO, or stands in the place of the rate; see `Costs`.
        **base: see `ElboModule`.
    """

    takes = (Batch, Semi)

    def __init__(self, num_samples: int = 1, costs: Mapping[str, Cost] | None = None, **base: Any) -> None:
        super().__init__(**base)
        check_reparameterised_posterior(self.densities)
        self.shape = draws_shape("num_samples", num_samples)
        self.costs = Costs(costs, self.densities)

    @override
    def loss(self, batch: Batch | Semi) -> Loss:
        data = rows_of(batch)
        terms = self.densities.terms(data.x, *data.given, shape=self.shape)
        cost, logged = self.costs(terms, data, self.step)
        value = add_penalty(cost - terms.log_lik, terms.penalty).mean()
        return Loss(value, summary(terms) | logged, additive=self.costs.additive and not terms.fitted)

    @override
    def players(self) -> list[Player]:
        return one_player(self)

    @override
    def report(self, batch: Batch) -> dict[str, Tensor]:
        return summary(self.densities.terms(batch.x, *batch.given))
