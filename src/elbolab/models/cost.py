"""What a model pays beside its distortion: the rate, what stands in its place, and what is added to the bound.

Shapes: *S = samples, B = data in a batch; costs in nats are (*S, B), one of each datum, or (), one of the batch.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from functools import reduce
from operator import add
from typing import cast, final

from torch import Tensor, nn
from typing_extensions import override

from elbolab.batch import Batch
from elbolab.common.refusal import Refusal, choose
from elbolab.densities.base import Densities
from elbolab.densities.checks import example_terms
from elbolab.densities.latents import Undefined
from elbolab.densities.terms import Terms
from elbolab.training.schedules import Schedule, weight_of


class Cost(nn.Module, ABC):
    """A term of a loss.

    Attributes:
        weight: at every step; the argument is a number or a schedule.
        symbol: the name under which the weight is logged.
        is_rate: whether it stands in the place of the rate.
        additive: whether it is a mean over data, so that the costs of parts of a batch add up to that of the whole.
    """

    symbol: str
    is_rate: bool
    additive: bool

    def __init__(self, weight: float | Schedule) -> None:
        super().__init__()
        self.weight = weight_of("weight", weight)

    @abstractmethod
    def forward(self, terms: Terms, batch: Batch, step: Tensor) -> Tensor:
        """Nats, (*S, B) or (), at ``step``, an int64 scalar. Safe to capture: nothing is read on the host."""

    @abstractmethod
    def check(self, terms: Terms) -> None:
        """Raises Undefined where a model does not have the quantity that the cost is computed from."""


@final
class Costs(nn.ModuleList):
    """Costs by names of their own, and the rate where none of them stands in its place.

    Raises:
        Refusal: two in the place of the rate, or one of what the densities have not.
    """

    def __init__(self, costs: Mapping[str, Cost] | None, densities: Densities) -> None:
        costs = costs or {}
        _check_costs(costs, densities)
        super().__init__(costs.values())
        self.names = list(costs)
        self.has_rate = any(cost.is_rate for cost in self)
        self.additive = all(cost.additive for cost in self)

    @override
    def __iter__(self) -> Iterator[Cost]:
        return cast(Iterator[Cost], super().__iter__())

    @override
    def forward(self, terms: Terms, batch: Batch, step: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum of weight * cost, nats, and what to log: every weight, and every cost beside the rate."""
        weights, values = [cost.weight(step) for cost in self], [cost(terms, batch, step) for cost in self]
        paid = [weight * value for weight, value in zip(weights, values, strict=True)]
        logged = {cost.symbol: weight for cost, weight in zip(self, weights, strict=True)}
        named = zip(self.names, self, values, strict=True)
        logged |= {name: value.mean() for name, cost, value in named if not cost.is_rate}
        return reduce(add, paid if self.has_rate else [*paid, terms.rate]), logged


def _check_costs(costs: Mapping[str, Cost], densities: Densities) -> None:
    rates = [name for name, cost in costs.items() if cost.is_rate]
    if len(rates) > 1:
        raise Refusal(
            f"{' and '.join(rates)} each stand in the place of the rate, and there is one rate",
            choose("cost", "none"),
            choose("model", "vae"),
        )
    for name, cost in costs.items():
        try:
            cost.check(example_terms(densities))
        except Undefined as error:
            raise Refusal(
                f"this model does not have what the cost {name} is computed from ({error})",
                choose("prior", "standard_normal", settings={"posterior": "diagonal_normal"}),
                choose("model", "vae", settings={"cost": "none"}),
            ) from error
