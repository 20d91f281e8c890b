"""Checks, when a model is built, that data, prior, posterior and likelihood fit together."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from math import ceil, prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, OneHotCategorical, constraints, kl_divergence

from elbolab.batch import Shape, Spec, Support
from elbolab.common.refusal import Refusal, Way, change, choose
from elbolab.densities.base import Densities
from elbolab.densities.latents import Latents, Undefined
from elbolab.densities.terms import Terms
from elbolab.distributions.conditional import Conditional, Ignore, MakeConditional, OfPosterior, Recipe
from elbolab.distributions.corruption import check_corruptions
from elbolab.distributions.data_units import InDataUnits, Rescaling
from elbolab.distributions.family import Family
from elbolab.distributions.grid import Grid, grid_values
from elbolab.distributions.hypersphere import Sphere
from elbolab.distributions.point_mass import PointMass
from elbolab.distributions.priors import CENTRES, INSTEAD_OF_CENTRES, ClassCentres

# -- parts that are there, or not -------------------------------------------------------------------------------------


def check_latent_dim(latent_dim: int | Sequence[int]) -> Shape:
    """The shape of a latent with so many dimensions, or of [G, C]: G groups of C classes.

    Raises:
        ValueError: a number that is no whole number from 1 on.
    """
    shape = (latent_dim,) if isinstance(latent_dim, int) else tuple(latent_dim)
    if not shape or not all(isinstance(dim, int) and dim > 0 for dim in shape):
        raise ValueError(f"densities.latent_dim={latent_dim}: a model needs at least one latent dimension")
    return shape


def require_part(recipe: Recipe, part: str, *options: str) -> MakeConditional:
    """The recipe of a part that a model cannot be without; raises Refusal where there is none."""
    if recipe is None:
        raise Refusal(f"this model needs a {part}", choose(part, *options))
    return recipe


def refuse_part(recipe: Recipe, reason: str, part: str, model: str) -> None:
    """Raises Refusal where there is a recipe of a part that a model would ignore; ``model`` has such a part."""
    if recipe is not None:
        raise Refusal(reason, choose(part, "none"), choose("model", model))


def check_given(spec: Spec, what: str) -> None:
    """Raises Refusal unless the data have conditions."""
    if not spec.given:
        raise Refusal(
            f"{what} needs conditions, and these data have none",
            change("data.given", "labels", "factors", "own"),
            choose("model", "vae"),
        )


def check_classes(spec: Spec) -> int:
    """The number of classes; raises Refusal where there are none, or where the data come with conditions."""
    if spec.num_classes is None:
        raise Refusal("this model needs data with classes", choose("data", "mnist"), choose("model", "vae"))
    if spec.given:
        raise Refusal("this model infers the class itself and takes no conditions", change("data.given", "none"))
    return spec.num_classes


# -- distributions that fit each other and the data -------------------------------------------------------------------


def build_likelihood(likelihood: Recipe, parents: tuple[Shape, ...], spec: Spec, **options: Any) -> Conditional:
    """p(x | parents) in the units of the user's data; ``options`` are more arguments of the recipe.

    Raises:
        Refusal: there is no recipe, or the data have values to which the likelihood gives no probability.
    """
    made = require_part(likelihood, "likelihood", "bernoulli", "gaussian_learned")(parents, spec.x, **options)
    conditional = made if spec.scaling is None else InDataUnits(made, spec.log_scale)
    check_likelihood(conditional, parents, spec)
    return conditional


def build_posterior(
    posterior: Recipe, spec: Spec, latent_shape: Shape, sees_conditions: bool, *options: str
) -> Conditional:
    """q(z | x, c), or q(z | x) where it does not see the conditions; raises Refusal where there is no recipe."""
    recipe = require_part(posterior, "posterior", *options)
    return (recipe if sees_conditions else partial(Ignore, conditional=recipe))((spec.x, *spec.given), latent_shape)


def share_posterior(prior: Conditional, posterior: Conditional, spec: Spec) -> None:
    """Hands the posterior over to a prior that is made of it."""
    for part in prior.modules():
        if isinstance(part, OfPosterior):
            part.share(posterior, spec)


@torch.no_grad()
def check_likelihood(likelihood: Conditional, parents: tuple[Shape, ...], spec: Spec) -> None:
    """Raises Refusal where the data have values to which the likelihood gives no probability."""
    p = _probe(likelihood, *(torch.zeros(1, *shape) for shape in parents))
    continuous = spec.levels is None and spec.support is not Support.BINARY
    if (continuous and is_discrete(p)) or not _contains(p, _examples(spec)):
        grey = "grey values in [0, 1]" if spec.levels is None else f"{spec.levels} grey values in [0, 1]"
        kinds = {Support.BINARY: "binary data", Support.UNIT: grey, Support.REAL: "real numbers"}
        raise Refusal(
            f"a {family_of(p)} likelihood is no likelihood of {kinds[spec.support]}", *_likelihoods_of(spec, p)
        )


@torch.no_grad()
def check_posterior(prior: Conditional, posterior: Conditional, spec: Spec) -> None:
    """Raises Refusal where the posterior has no density, or where its draws leave the support of the prior.

    So it does where the posterior corrupts data in a way that is none for them.
    """
    _check_centres(prior, spec)
    check_corruptions(posterior, spec)
    x, *given = _zeros(spec)
    _check_divergence(_probe(posterior, x, *given), _probe(prior, *given))


@torch.no_grad()
def check_latents(densities: Densities, prior: Conditional, posterior: Conditional) -> None:
    """Raises Refusal where some latent has no density, or draws that leave the support of its prior.

    Args:
        densities: the model.
        prior: that of the highest latent, p(z | c).
        posterior: that of the first latent, q(z | x, c).
    """
    _check_centres(prior, densities.spec)
    check_corruptions(posterior, densities.spec)
    with in_evaluation_mode(densities), torch.random.fork_rng(devices=[]):
        latents = densities.infer(*_zeros(densities.spec))
    for latent in latents:
        assert latent.q is not None, "every layer has a posterior"
        assert latent.p is not None, "every layer has a prior"
        _check_divergence(latent.q, latent.p)


def _check_divergence(q: Distribution, p: Distribution) -> None:
    """Raises Refusal where KL(q || p) does not exist or is infinite."""
    if isinstance(q, PointMass):
        raise Refusal(
            "the posterior is a point mass, which has no KL to a prior",
            choose("model", "ae"),
            choose("posterior", "diagonal_normal"),
        )
    _check_density("posterior", q, choose("posterior", "diagonal_normal"))
    _check_density("prior", p, choose("prior", "standard_normal", "gaussian_ring"))
    if is_on_sphere(q) != is_on_sphere(p):
        raise Refusal(
            f"the posterior ({family_of(q)}) and the prior ({family_of(p)}) must both lie on a sphere, or neither",
            choose("posterior", "von_mises_fisher", settings={"prior": "hypersphere"}),
            choose("posterior", "diagonal_normal", settings={"prior": "standard_normal"}),
        )
    with torch.random.fork_rng(devices=[]):
        inside = _contains(p, q.sample((8,)))
    with suppress(NotImplementedError):
        inside = inside and not kl_divergence(q, p.expand(q.batch_shape)).isinf().any()
    if is_discrete(q) != is_discrete(p) or not inside:
        raise Refusal(
            f"the posterior ({family_of(q)}) leaves the support of the prior ({family_of(p)}), and KL(q || p) is "
            "infinite",
            choose("posterior", "bernoulli", settings={"prior": "bernoulli"}),
            choose("posterior", "diagonal_normal", settings={"prior": "standard_normal"}),
        )


@torch.no_grad()
def check_matched(prior: Conditional, posterior: Conditional, spec: Spec, event: Shape | None = None) -> None:
    """Raises Refusal unless a critic can match codes to draws of the prior.

    Args:
        prior: p(z | c).
        posterior: q(z | x, c).
        spec: what is known of the data.
        event: shape of the prior's draws, None for that of the posterior's.
    """
    check_corruptions(posterior, spec)
    if any(True for _ in prior.parameters()) or any(isinstance(part, OfPosterior) for part in prior.modules()):
        raise Refusal(
            "a critic matches codes to a prior, which has no parameters to learn",
            choose("prior", "normal", "gaussian_ring", "swiss_roll"),
        )
    x, *given = _zeros(spec)
    q, p = _probe(posterior, x, *given), _probe(prior, *given)
    if is_discrete(q) or is_discrete(p):
        raise Refusal(
            f"a critic sees codes that vary smoothly, and these are of a {family_of(q)} with a {family_of(p)} prior",
            choose("posterior", "deterministic", settings={"prior": "normal"}),
        )
    assert p.event_shape == (q.event_shape if event is None else event)


@torch.no_grad()
def check_code(posterior: Conditional, spec: Spec) -> None:
    """Raises Refusal unless the posterior is a point mass: an autoencoder's code has no noise, its input may."""
    check_corruptions(posterior, spec)
    q = _probe(posterior, *_zeros(spec))
    if not isinstance(q, PointMass):
        raise Refusal(
            f"the code of an autoencoder has no noise, but its posterior is a {family_of(q)}",
            choose("posterior", "deterministic", "denoising_deterministic"),
            choose("model", "vae"),
        )


def check_draws(prior: Conditional, spec: Spec) -> None:
    """Raises Refusal where no gradient reaches the prior through its draws."""
    _check_centres(prior, spec)
    check_reparameterised(_probe(prior, *_zeros(spec)[1:]))


def _check_centres(prior: Conditional, spec: Spec) -> None:
    """Raises Refusal where centres of classes are chosen by what is no label."""
    if any(isinstance(part, ClassCentres) for part in prior.modules()) and not spec.given_is_label:
        raise Refusal(f"{CENTRES}, and the condition of these data is no label", *INSTEAD_OF_CENTRES)


def check_reparameterised(p: Distribution) -> None:
    """Raises Refusal where no gradient reaches a prior through its draws."""
    if not p.has_rsample:
        raise Refusal(
            "what is trained by draws from the prior needs their gradient, and this one's have none",
            choose("prior", "conditional_normal", "class_centres", "standard_normal"),
            choose("model", "cvae", settings={"model.alpha": 1}),
        )


def check_attributes(prior: Conditional | None, spec: Spec) -> None:
    """Raises Refusal unless p(z | y) can depend on y: unless its density has a gradient there."""
    assert prior is not None, "`single_layer` has refused it"
    given = [torch.zeros(1, *shape, requires_grad=True) for shape in spec.given]
    p = prior(*given)
    log_prob = p.log_prob(torch.zeros(1, *p.event_shape)).sum()
    gradients = torch.autograd.grad(log_prob, given, allow_unused=True) if log_prob.requires_grad else ()
    if all(gradient is None for gradient in gradients):
        raise Refusal(
            "the prior of this model must read the attributes",
            choose("prior", "conditional_normal"),
            choose("prior", "class_centres", settings={"data.given": "labels"}),
        )


@torch.no_grad()
def check_classifier(classifier: Conditional, spec: Spec) -> None:
    """Raises Refusal unless q(y | x) is a distribution of one-hot vectors."""
    q = _probe(classifier, torch.zeros(1, *spec.x))
    if not isinstance(q, OneHotCategorical):
        raise Refusal(
            f"q(y | x) is a {family_of(q)}, and must tell classes apart",
            change("densities.classifier.family._target_", "elbolab.distributions.one_hot.OneHot"),
        )


@torch.no_grad()
def check_chunk(class_chunk: int, parts: list[tuple[Conditional, tuple[Shape, ...]]]) -> None:
    """Raises where classes cannot be taken in chunks of that size.

    Args:
        class_chunk: classes in a chunk.
        parts: the conditionals that are recomputed for their gradient, with the shapes of their parents.

    Raises:
        ValueError: the size is no whole number from 1 on.
        Refusal: a network draws noise, which would differ when the network is recomputed.
    """
    if not isinstance(class_chunk, int) or class_chunk < 1:
        raise ValueError(f"densities.class_chunk={class_chunk}: at least one class, or null for all at once")
    for conditional, shapes in parts:
        with torch.random.fork_rng(devices=[]):
            before = torch.get_rng_state()
            conditional(*(torch.zeros(1, *shape) for shape in shapes))
            if not torch.equal(before, torch.get_rng_state()):
                raise Refusal(
                    "a network that draws noise while training cannot be computed anew",
                    change("densities.class_chunk", None),
                )


def check_lower(m1: Densities | None, spec: Spec) -> Densities:
    """The lower model; raises Refusal where it is missing, of other data, or has no layer of continuous latents."""
    way = change("pretrained.m1", "RUN", "EXPERIMENT")
    if m1 is None:
        raise Refusal("M1+M2 stands on a trained M1, of model=m1 or model=vae", way)
    if m1.spec.x != spec.x or m1.spec.support != spec.support or m1.spec.given:
        raise Refusal(
            f"pretrained.m1 is a model of other data: it has {m1.spec}, this run {spec}",
            way,
        )
    try:
        latent = example_terms(m1).latents.only()
        fits = latent.q is not None and latent.log_q.isfinite().all() and not is_discrete(latent.q)
    except Undefined:
        fits = False
    if not fits:
        raise Refusal(
            f"pretrained.m1 ({type(m1).__name__}) has no single layer of continuous latents, as model=m1 and model=vae "
            "have",
            way,
        )
    return m1


# -- examples ---------------------------------------------------------------------------------------------------------


@torch.no_grad()
def example_terms(densities: Densities, shape: Shape = ()) -> Terms:
    """The terms of one datum, all 0, at ``shape`` draws as evaluation makes them; the generator is left as it was."""
    like = next(densities.parameters())
    with in_evaluation_mode(densities), torch.random.fork_rng(devices=[]):
        return densities.terms(*(zeros.to(like) for zeros in _zeros(densities.spec)), shape=shape)


def example_latents(densities: Densities) -> Latents:
    """The latents of one datum, all 0, from the distributions that training draws from; with gradients.

    Networks are in evaluation mode, so that no running statistic moves, and the generator is left as it was.
    """
    like = next(densities.parameters())
    with in_evaluation_mode(densities), torch.random.fork_rng(devices=[]):
        for part in densities.modules():
            part.training = isinstance(part, Family)
        return densities.infer(*(zeros.to(like) for zeros in _zeros(densities.spec)))


def _zeros(spec: Spec) -> list[Tensor]:
    """One datum and its conditions, all 0: a value that every kind of data takes."""
    return [torch.zeros(1, *shape) for shape in (spec.x, *spec.given)]


def _probe(conditional: nn.Module, *parents: Tensor) -> Distribution:
    """The distribution as evaluation sees it."""
    with in_evaluation_mode(conditional):
        return conditional(*parents)


@contextmanager
def in_evaluation_mode(module: nn.Module) -> Iterator[None]:
    """Evaluation mode; the training flags are left as they were."""
    flags = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in flags:
            part.training = training


def _check_density(part: str, p: Distribution, way: Way) -> None:
    """Raises Refusal where draws exist and a density does not: there is no bound."""
    with torch.random.fork_rng(devices=[]):
        draw = p.sample()
    try:
        p.log_prob(draw)
    except NotImplementedError as error:
        raise Refusal(
            f"this {part} can be drawn from but has no density ({error}), so there is no bound",
            way,
            choose("model", "aae"),
        ) from error


def is_discrete(p: Distribution) -> bool:
    """Whether the draws of ``p`` are discrete."""
    assert p.support is not None, "every family states its support"
    return p.support.is_discrete


def is_on_sphere(p: Distribution) -> bool:
    """Whether the draws of ``p`` are of length 1, with a density with respect to area."""
    return isinstance(p.support, Sphere)


def _contains(p: Distribution, value: Tensor) -> bool:
    assert p.support is not None, "every family states its support"
    return bool(p.support.check(value).all())


def _examples(spec: Spec) -> Tensor:
    """As few data (n, *event) as contain every level, or, without levels, a few values of the support."""
    if spec.levels is not None:  # in float64, which tells many levels apart
        values = grid_values(spec.levels, torch.zeros((), dtype=torch.float64))
    else:
        examples = {Support.REAL: [-1.5, 0.0, 1.5], Support.BINARY: [0.0, 1.0], Support.UNIT: [0.0, 0.5, 1.0]}
        values = torch.tensor(examples[spec.support])
    num = ceil(len(values) / prod(spec.x))
    return values[torch.arange(num * prod(spec.x)) % len(values)].view(num, *spec.x)


def _likelihoods_of(spec: Spec, refused: Distribution) -> list[Way]:
    """Likelihoods, or other settings, that fit the data where the likelihood ``refused`` does not.

    Only data with levels may have a discrete likelihood; data that are not colour images may also be binarised.
    """
    if spec.support is Support.BINARY:
        return [choose("likelihood", "bernoulli")]
    if spec.support is Support.REAL:
        return [choose("likelihood", "gaussian", "laplace")]
    ways = [choose("likelihood", "continuous_bernoulli", "gaussian")]
    if spec.levels is None:
        return ways
    key = "densities.likelihood.family.levels"
    support = refused.support
    if isinstance(support.base_constraint if isinstance(support, constraints.independent) else support, Grid):
        return [change(key, spec.levels), *ways]
    settings = {} if spec.levels == 256 else {key: spec.levels}
    ways.append(choose("likelihood", "discretised_logistic", "logistic_mixture", settings=settings))
    is_colour = len(spec.x) == 3 and spec.x[0] > 1
    return ways if is_colour else [change("data.binarize", "dynamic"), *ways]


def family_of(p: Distribution) -> str:
    """The name of a family, ``Bernoulli`` for independent Bernoullis."""
    p = p.base if isinstance(p, Rescaling) else p
    return type(p.base_dist if isinstance(p, Independent) else p).__name__
