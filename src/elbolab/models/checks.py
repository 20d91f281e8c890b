"""What does not fit between a model, its options and its densities, said when it is built."""

from collections.abc import Mapping

import torch

from elbolab.common.refusal import Refusal, change, choose
from elbolab.densities.base import Densities
from elbolab.densities.checks import example_latents, example_terms
from elbolab.densities.estimators import ESTIMATORS, Estimator, keep_gradient
from elbolab.densities.latents import Undefined
from elbolab.densities.score_function import SCORE_FUNCTIONS, ScoreFunction
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


def check_reparameterised_posterior(densities: Densities) -> None:
    """Raises Refusal where a posterior with parameters would learn nothing, since its draws have no gradient."""
    for latent in example_latents(densities):
        if latent.q is not None and not latent.q.has_rsample:
            raise Refusal(
                "no gradient reaches the posterior through its draws",
                choose("model", "discrete_vae"),
                choose("posterior", "bernoulli", settings={"prior": "bernoulli"}),
                choose("posterior", "diagonal_normal", settings={"prior": "standard_normal"}),
            )


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
    check_reparameterised_posterior(densities)
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


def check_score_function(name: str, num_samples: int, densities: Densities) -> ScoreFunction:
    """The estimator of that name of a bound's gradient in the parameters of a posterior of discrete latents.

    Raises:
        Refusal: there is none of that name, too few samples for it, or latents that it does not take.
    """
    if name not in SCORE_FUNCTIONS:
        raise Refusal(
            f"model.estimator={name}: there is no such estimator", change("model.estimator", *SCORE_FUNCTIONS)
        )
    estimator = SCORE_FUNCTIONS[name]
    if num_samples < estimator.least or num_samples % estimator.multiple:
        counted = "an even number of samples" if estimator.multiple > 1 else f"{estimator.least} samples or more"
        raise Refusal(
            f"model.num_samples={num_samples}: {name} compares samples with each other, and needs {counted}",
            change("model.num_samples", max(estimator.least, num_samples + num_samples % estimator.multiple)),
            change("model.estimator", "nvil"),
        )
    hard = choose("posterior", "bernoulli_hard", settings={"prior": "bernoulli"})
    latents = example_latents(densities)
    if not latents or any(latent.q is None or latent.q.has_rsample for latent in latents):
        raise Refusal(
            "the score of the posterior is for draws that have no gradient of their own", hard, choose("model", "vae")
        )
    try:
        estimator.bound(example_terms(densities, shape=(num_samples,)), torch.zeros(1))
    except Undefined as error:
        raise Refusal(
            f"model.estimator={name} does not fit this posterior ({error})", hard, change("model.estimator", "rloo")
        ) from error
    return estimator
