"""What does not fit between a model, its options, its data and its densities: each raises a Refusal that says why."""

from typing import Any

import torch
from torch import Tensor, nn

from elbolab.batch import Batch, Semi, Shape, ask_for_labels
from elbolab.common.refusal import Refusal, Way, change, choose
from elbolab.densities.base import Densities
from elbolab.densities.checks import check_reparameterised, example_latents, example_terms, in_evaluation_mode
from elbolab.densities.estimators import ESTIMATORS, Estimator, keep_gradient
from elbolab.densities.latents import Latents, Undefined
from elbolab.densities.layer import Layer
from elbolab.densities.score_function import SCORE_FUNCTIONS, ScoreFunction
from elbolab.distributions.conditional import Conditional
from elbolab.distributions.point_mass import PointMass
from elbolab.distributions.priors import Partitioned

# -- densities --------------------------------------------------------------------------------------------------------


def check_densities(densities: object, wanted: type, way: Way, reason: str = "") -> None:
    """Refuses densities of another kind, with the way out."""
    if not isinstance(densities, wanted):
        kinds = f"this model trains {wanted.__name__} densities, not {type(densities).__name__}"
        raise Refusal(reason or kinds, way)


def check_prior_and_posterior(densities: Layer) -> tuple[Conditional, Conditional]:
    """Prior and posterior of a single layer that has both."""
    check_densities(densities, Layer, choose("model", "aae"))
    if densities.prior is None or densities.posterior is None:
        raise Refusal(
            "a critic matches codes to draws of a prior, and one of the two is missing", choose("model", "aae")
        )
    return densities.prior, densities.posterior


def check_contrast(densities: Layer, is_adaptive: bool) -> None:
    """Refuses a posterior that a critic can always tell, and a prior of which adaptive contrast needs the density."""
    latent = example_latents(densities).only()
    assert latent.q is not None, "`check_prior_and_posterior` has seen it"
    if isinstance(latent.q, PointMass):
        raise Refusal(
            "the posterior is a point mass, whose KL to a prior is infinite",
            choose("posterior", "universal", "diagonal_normal"),
            choose("model", "aae"),
        )
    try:
        _ = latent.log_p if is_adaptive else None
    except Undefined as error:
        raise Refusal(
            f"adaptive contrast needs the density of the prior ({error})",
            change("model.adaptive_contrast", "false"),
            choose("prior", "standard_normal", "gaussian_ring"),
        ) from error


def check_prior(latents: Latents) -> None:
    """Refuses all but one layer of latents with a prior whose draws have a gradient."""
    try:
        p = latents.only().p
    except Undefined:
        p = None
    if p is None:
        raise Refusal(
            f"model.alpha below 1 draws z from p(z | c), which needs one latent with a prior; of the {len(latents)} of "
            "this model none can be drawn so",
            change("model.alpha", 1),
            choose("densities", "single_layer", "recurrent"),
        )
    check_reparameterised(p)


def count_classes(densities: Layer) -> int:
    """The number of classes; refuses data without any, and a prior that does not have one part for each."""
    num_classes, zeros = densities.spec.num_classes, [torch.zeros(1, *shape) for shape in densities.spec.given]
    if num_classes is None:
        raise Refusal(
            "model.label_informed tells the critic classes, and these data have none",
            choose("data", "mnist"),
            change("model.label_informed", "false"),
        )
    p = check_prior_and_posterior(densities)[0](*zeros)
    if not isinstance(p, Partitioned) or p.num_labels != num_classes:
        parts = p.num_labels if isinstance(p, Partitioned) else "no"
        raise Refusal(
            f"model.label_informed needs a prior with one part for each class; there are {num_classes} classes and "
            f"{parts} parts",
            choose("prior", "gaussian_ring", settings={"densities.prior.num_components": num_classes}),
            choose("prior", "swiss_roll", settings={"densities.prior.num_labels": num_classes}),
        )
    return num_classes


def check_reparameterised_posterior(densities: Densities) -> None:
    """Refuses a posterior with parameters that would learn nothing, since its draws have no gradient."""
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


# -- data -------------------------------------------------------------------------------------------------------------


def check_semi(batch: Any) -> Semi:
    """The batch; refuses one that has no part with labels."""
    if not isinstance(batch, Semi):
        raise ask_for_labels()
    return batch


def check_labels(batch: Batch) -> Tensor:
    """The labels, (B,); refuses data that have none."""
    if batch.y is None:
        raise Refusal("this model reads class labels, and these data have none", choose("data", "mnist"))
    return batch.y


# -- critics ----------------------------------------------------------------------------------------------------------


LINEAR = (nn.Linear, nn.Conv2d)
"""Layers that a critic may end in."""


@torch.no_grad()
def check_head(net: nn.Module, shapes: tuple[Shape, ...]) -> None:
    """Refuses a critic's network that does not return what its last linear layer returns, in whatever shape."""
    made: list[Tensor] = []
    layers = [layer for layer in net.modules() if isinstance(layer, LINEAR)][-1:]
    hooks = [layer.register_forward_hook(lambda *call: made.append(call[-1])) for layer in layers]
    with in_evaluation_mode(net), torch.random.fork_rng(devices=[]):
        logits = net(*(torch.randn(1, *shape) for shape in shapes))
    for hook in hooks:
        hook.remove()
    if not made or not torch.equal(made[-1].flatten(), logits.flatten()):
        raise Refusal(
            "a critic is a linear layer on features of points, and this network does not return what its last "
            "linear layer returns",
            choose("net@model.critic", "critic", "mlp"),
        )
