"""The variational autoencoder (Kingma & Welling 2014; Rezende et al. 2014), and what differs from it by a cost.

Without latents it is a regression. Of a semi-supervised batch it sees all data and no label, which makes it the M1 of
Kingma et al. (2014, section 2.1): evaluation fits classifiers to its codes of the labelled data.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any, cast, final

from torch import Tensor, nn
from typing_extensions import override

from elbolab.batch import Batch, Semi, rows_of
from elbolab.densities.terms import add_penalty, summary
from elbolab.models.base import ElboModule, Loss, Player, one_player
from elbolab.models.checks import check_costs, check_reparameterised_posterior
from elbolab.models.costs import Cost


@final
class VAE(ElboModule):
    """Minimises -ELBO = distortion + rate (Kingma & Welling 2014, Eq. 3), with other costs where they are chosen.

    Args:
        num_samples: draws of z per datum whose bounds are averaged (L in the paper).
        costs: what is added to -ELBO, or stands in the place of the rate, by names of their own.
        **base: see `ElboModule`.

    Raises:
        Refusal: a cost that this model has not, two in the place of the rate, or a posterior whose draws have no
            gradient.
        ValueError: num_samples below 1.
    """

    takes = (Batch, Semi)

    def __init__(self, num_samples: int = 1, costs: Mapping[str, Cost] | None = None, **base: Any) -> None:
        super().__init__(**base)
        if num_samples < 1:
            raise ValueError(f"model.num_samples={num_samples}: a bound needs at least one draw of z")
        check_reparameterised_posterior(self.densities)
        self.shape = () if num_samples == 1 else (num_samples,)
        self.costs = cast(Sequence[Cost], nn.ModuleList(check_costs(costs or {}, self.densities)))
        self.cost_names = list(costs or {})

    @override
    def loss(self, batch: Batch | Semi) -> Loss:
        """Distortion + rate + the sum of weight * cost, nats per datum; a cost that replaces the rate stands for it."""
        data = rows_of(batch)
        terms = self.densities.terms(data.x, *data.given, shape=self.shape)
        weights = [cost.weight(self.step) for cost in self.costs]
        costs = [cost(terms, data, self.step) for cost in self.costs]
        paid = [weight * cost for weight, cost in zip(weights, costs, strict=True)]
        if not any(cost.is_rate for cost in self.costs):
            paid.append(terms.rate)
        value = add_penalty(reduce(add, paid) - terms.log_lik, terms.penalty).mean()
        logged = {cost.symbol: weight for weight, cost in zip(weights, self.costs, strict=True)}
        named = zip(self.cost_names, self.costs, costs, strict=True)
        logged |= {name: value.mean() for name, cost, value in named if not cost.is_rate}
        additive = all(cost.additive for cost in self.costs) and not terms.fitted
        return Loss(value, summary(terms) | logged, additive)

    @override
    def players(self) -> list[Player]:
        return one_player(self)

    @override
    def report(self, batch: Batch) -> dict[str, Tensor]:
        """elbo, rate and distortion, whatever the costs."""
        return summary(self.densities.terms(batch.x, *batch.given))
