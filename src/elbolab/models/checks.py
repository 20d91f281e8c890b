"""What does not fit between a model, its options and its densities, said when it is built."""

from collections.abc import Mapping

import torch

from elbolab.common.refusal import Refusal, change, choose
from elbolab.densities.base import Densities
from elbolab.densities.checks import example_latents, example_terms
from elbolab.densities.estimators import ESTIMATORS, Estimator, keep_gradient
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


def check_estimator(name: str, densities: Densities) -> Estimator:
    """The estimator of that name of the gradient of a bound of several samples.

    Raises:
        Refusal: there is none of that name, or the latents do not have what it needs.
    """
    if name not in ESTIMATORS:
        raise Refusal(f"model.estimator={name}: there is no such estimator", change("model.estimator", *ESTIMATORS))
    estimator = ESTIMATORS[name]
    latents = example_latents(densities)
    if not latents:
        raise Refusal("a bound of several samples needs latents to draw", choose("model", "regression"))
    if not all(latent.q is not None and latent.q.has_rsample for latent in latents):
        raise Refusal(
            "no gradient reaches the posterior through its draws",
            choose("posterior", "diagonal_normal", settings={"prior": "standard_normal"}),
        )
    try:
        for latent in latents:
            _ = latent.log_ratio
    except Undefined as error:
        raise Refusal(
            f"a bound of several samples needs their weights ({error})",
            choose("posterior", "diagonal_normal", settings={"prior": "standard_normal"}),
            choose("model", "vae"),
        ) from error
    standard = change("model.estimator", "standard")
    if estimator is not keep_gradient and len(latents) > 1:
        raise Refusal(f"model.estimator={name} follows the path of one latent, and there are {len(latents)}", standard)
    try:
        estimator(latents, lambda: torch.ones(1))
    except Undefined as error:
        raise Refusal(f"model.estimator={name} needs more of the posterior ({error})", standard) from error
    return estimator
