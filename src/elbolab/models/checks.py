"""What does not fit between a model, its options and its densities, said when it is built."""

from collections.abc import Mapping

from elbolab.common.refusal import Refusal, choose
from elbolab.densities.base import Densities
from elbolab.densities.checks import example_terms
from elbolab.densities.latents import Undefined
from elbolab.models.costs import Cost


def check_costs(costs: Mapping[str, Cost], densities: Densities) -> list[Cost]:
    """The costs.

    Raises:
        Refusal: two in the place of the rate, or one of what the model has not.
    """
    rates = [name for name, cost in costs.items() if cost.is_rate]
    if len(rates) > 1:
        raise Refusal(
            f"{' and '.join(rates)} each stand in the place of the rate, and there is one rate",
            choose("cost", "none"),
            choose("model", "vae"),
        )
    terms = example_terms(densities) if costs else None
    for name, cost in costs.items():
        assert terms is not None, "there are costs"
        try:
            cost.check(terms)
        except Undefined as error:
            raise Refusal(
                f"this model does not have what the cost {name} is computed from ({error})",
                choose("prior", "standard_normal", settings={"posterior": "diagonal_normal"}),
                choose("model", "vae", settings={"cost": "none"}),
            ) from error
    return list(costs.values())
