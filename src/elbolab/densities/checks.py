"""What makes a combination of data, prior, posterior and likelihood impossible, said when the model is built."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil, prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, OneHotCategorical, constraints

from elbolab.batch import Shape, Spec, Support
from elbolab.common.refusal import Refusal, change, choose
from elbolab.densities.base import Densities
from elbolab.densities.terms import Terms
from elbolab.distributions.conditional import Conditional, MakeConditional, StartsAtMean
from elbolab.distributions.corruption import check_corruptions
from elbolab.distributions.data_units import InDataUnits, Rescaled
from elbolab.distributions.grid import Grid, grid_values
from elbolab.distributions.point_mass import PointMass


def check_latent_dim(latent_dim: int) -> Shape:
    """The shape of a latent with so many dimensions; raises ValueError unless these are a whole number from 1 on."""
    if not isinstance(latent_dim, int) or latent_dim < 1:
        raise ValueError(f"densities.latent_dim={latent_dim}: a model needs at least one latent dimension")
    return (latent_dim,)


def required(recipe: MakeConditional | None, part: str, *options: str) -> MakeConditional:
    """The recipe of a part that a model cannot be without.

    Raises:
        Refusal: there is none.
    """
    if recipe is None:
        raise Refusal(f"this model needs a {part}", choose(part, *options))
    return recipe


def check_given(spec: Spec, what: str) -> None:
    """Raises ValueError unless the data have conditions."""
    if not spec.given:
        raise Refusal(
            f"{what} needs conditions, and these data have none",
            change("data.given", "labels", "factors", "own"),
            choose("model", "vae"),
        )


def build_likelihood(
    likelihood: MakeConditional | None, parents: tuple[Shape, ...], spec: Spec, **options: Any
) -> Conditional:
    """p(x | parents) in the units of the user's data.

    Args:
        likelihood: its recipe.
        parents: shapes of the parents.
        spec: what is known of the data.
        **options: more arguments of the recipe.

    Raises:
        ValueError: there is no recipe, as for a model without a density of the data.
    """
    conditional = required(likelihood, "likelihood", "bernoulli", "gaussian_learned")(parents, spec.x, **options)
    return conditional if spec.scaling is None else InDataUnits(conditional, spec.log_scale)


@torch.no_grad()
def check_posterior(prior: Conditional, posterior: Conditional, spec: Spec) -> None:
    """Raises ValueError where the posterior has no density, or where its draws leave the support of the prior.

    So it does where the posterior corrupts data in a way that is none for them.
    """
    check_corruptions(posterior, spec)
    x, *given = _zeros(spec)
    q, p = _probe(posterior, x, *given), _probe(prior, *given)
    if isinstance(q, PointMass):
        raise ValueError(
            "the posterior is a point mass, which has no KL to a prior: choose model=ae or posterior=diagonal_normal"
        )
    _check_densities(q, p)
    with torch.random.fork_rng(devices=[]):
        inside = _contains(p, q.sample((8,)))
    if is_discrete(q) != is_discrete(p) or not inside:
        raise ValueError(
            f"the posterior ({family_of(q)}) leaves the support of the prior ({family_of(p)}): KL(q || p) is infinite. "
            "Choose posterior=bernoulli with prior=bernoulli, or posterior=diagonal_normal with prior=standard_normal"
        )


@torch.no_grad()
def check_matched(prior: Conditional, posterior: Conditional, spec: Spec, event: Shape | None = None) -> None:
    """Raises ValueError unless a critic can match codes to draws of the prior.

    Args:
        prior: p(z | c).
        posterior: q(z | x, c).
        spec: what is known of the data.
        event: shape of the prior's draws, None for that of the posterior's.
    """
    check_corruptions(posterior, spec)
    if any(True for _ in prior.parameters()):
        raise ValueError(
            "a critic matches codes to a prior, which has no parameters to learn: choose prior=normal, gaussian_ring "
            "or swiss_roll"
        )
    x, *given = _zeros(spec)
    q, p = _probe(posterior, x, *given), _probe(prior, *given)
    if is_discrete(q) or is_discrete(p):
        raise ValueError(
            f"a critic sees codes that vary smoothly, and these are of a {family_of(q)} with a {family_of(p)} prior: "
            "choose posterior=deterministic and prior=normal"
        )
    assert p.event_shape == (q.event_shape if event is None else event)


@torch.no_grad()
def check_likelihood(likelihood: Conditional, latent_shape: Shape | None, spec: Spec) -> None:
    """Raises ValueError where the data have values to which the likelihood gives no probability.

    Args:
        likelihood: p(x | z, c).
        latent_shape: shape of z; None for p(x | c), without a latent.
        spec: what is known of the data.
    """
    _, *given = _zeros(spec)
    latent = [] if latent_shape is None else [torch.zeros(1, *latent_shape)]
    p = _probe(likelihood, *latent, *given)
    continuous = spec.levels is None and spec.support is not Support.BINARY
    if (continuous and is_discrete(p)) or not _contains(p, _examples(spec)):
        raise ValueError(_mend(p, spec))


def check_draws(prior: Conditional, spec: Spec) -> None:
    """Raises ValueError where no gradient reaches the prior through its draws."""
    check_reparameterised(_probe(prior, *_zeros(spec)[1:]))


def check_reparameterised(p: Distribution) -> None:
    """Raises ValueError where no gradient reaches a prior through its draws."""
    if not p.has_rsample:
        raise ValueError(
            "what is trained by draws from the prior needs their gradient, and this one's have none: choose "
            "prior=conditional_normal, class_centres or standard_normal, or model=cvae with model.alpha=1"
        )


@torch.no_grad()
def check_code(posterior: Conditional, spec: Spec) -> None:
    """Raises ValueError unless the posterior is a point mass: an autoencoder's code has no noise, its input may."""
    check_corruptions(posterior, spec)
    q = _probe(posterior, *_zeros(spec))
    if not isinstance(q, PointMass):
        raise ValueError(
            f"the code of an autoencoder has no noise, but its posterior is a {family_of(q)}: choose "
            "posterior=deterministic or denoising_deterministic, or a model with a bound (model=vae)"
        )


@torch.no_grad()
def check_classifier(classifier: Conditional, spec: Spec) -> None:
    """Raises ValueError unless q(y | x) is a distribution of one-hot vectors."""
    q = _probe(classifier, torch.zeros(1, *spec.x))
    if not isinstance(q, OneHotCategorical):
        raise ValueError(
            f"q(y | x) is a {family_of(q)}, and must tell classes apart: set densities.classifier.family._target_="
            "elbolab.distributions.one_hot.OneHot"
        )


@torch.no_grad()
def check_noiseless(conditional: Conditional, shapes: tuple[Shape, ...], mend: str) -> None:
    """Raises ValueError, naming ``mend``, where a network draws noise of its own: computed anew, it would be another.

    Args:
        conditional: what is to be computed anew.
        shapes: shapes of its parents.
        mend: the option to set instead.
    """
    with torch.random.fork_rng(devices=[]):
        before = torch.get_rng_state()
        conditional(*(torch.zeros(1, *shape) for shape in shapes))
        if not torch.equal(before, torch.get_rng_state()):
            raise ValueError(f"a network that draws noise while training cannot be computed anew: set {mend}")


@torch.no_grad()
def example_terms(densities: Densities) -> Terms:
    """The terms of one datum, all 0, as evaluation sees them; the generator is left as it was."""
    like = next(densities.parameters())
    with evaluated(densities), torch.random.fork_rng(devices=[]):
        return densities.terms(*(zeros.to(like) for zeros in _zeros(densities.spec)))


def initialise_heads(conditional: Conditional, mean: Tensor) -> None:
    """Starts from ``mean`` (*event) whatever in ``conditional`` asks for it; what is frozen stays as it is."""
    for module in conditional.modules():
        if isinstance(module, StartsAtMean) and any(weight.requires_grad for weight in module.parameters()):
            module.initialise_to_mean(mean)


def _zeros(spec: Spec) -> list[Tensor]:
    """One datum and its conditions, all 0: a value that every kind of data takes."""
    return [torch.zeros(1, *shape) for shape in (spec.x, *spec.given)]


def _probe(conditional: nn.Module, *parents: Tensor) -> Distribution:
    """The distribution as evaluation sees it."""
    with evaluated(conditional):
        return conditional(*parents)


@contextmanager
def evaluated(module: nn.Module) -> Iterator[None]:
    """Evaluation mode; the training flags are left as they were."""
    flags = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in flags:
            part.training = training


def _check_densities(q: Distribution, p: Distribution) -> None:
    """Raises ValueError where draws of posterior or prior exist and a density does not: there is no bound."""
    ways = (("posterior", q, "posterior=diagonal_normal"), ("prior", p, "prior=standard_normal or gaussian_ring"))
    for part, distribution, mend in ways:
        with torch.random.fork_rng(devices=[]):
            draw = distribution.sample()
        try:
            distribution.log_prob(draw)
        except NotImplementedError as error:
            raise ValueError(
                f"this {part} can be drawn from but has no density ({error}), so there is no bound: choose {mend}, or "
                "model=aae, which needs draws alone"
            ) from error


def is_discrete(p: Distribution) -> bool:
    """Whether the draws of ``p`` are discrete."""
    assert p.support is not None, "every family states its support"
    return p.support.is_discrete


def _contains(p: Distribution, value: Tensor) -> bool:
    assert p.support is not None, "every family states its support"
    return bool(p.support.check(value).all())


def _examples(spec: Spec) -> Tensor:
    """Data (n, *event), as few as hold every level, or a few values where there are no levels."""
    values = _values(spec)
    num = ceil(len(values) / prod(spec.x))
    return values[torch.arange(num * prod(spec.x)) % len(values)].view(num, *spec.x)


def _values(spec: Spec) -> Tensor:
    """Values that the data take: every level of those with levels, to a double's precision where they are many."""
    if spec.levels is not None:
        return grid_values(spec.levels, torch.zeros((), dtype=torch.float64))
    examples = {Support.REAL: [-1.5, 0.0, 1.5], Support.BINARY: [0.0, 1.0], Support.UNIT: [0.0, 0.5, 1.0]}
    return torch.tensor(examples[spec.support])


def _mend(p: Distribution, spec: Spec) -> str:
    """What is wrong between likelihood and data, and the ways out."""
    ways = {
        Support.BINARY: "choose likelihood=bernoulli",
        Support.UNIT: _grey_ways(spec),
        Support.REAL: "choose likelihood=gaussian or laplace",
    }
    kind = {
        Support.BINARY: "binary data",
        Support.UNIT: "grey values in [0, 1]" if spec.levels is None else f"{spec.levels} grey values in [0, 1]",
        Support.REAL: "real numbers",
    }
    way = ways[spec.support]
    if spec.levels is not None and _has_levels(p.support):
        way = f"set densities.likelihood.family.levels={spec.levels}, or {_grey_ways(spec._replace(levels=None))}"
    return f"a {family_of(p)} likelihood is no likelihood of {kind[spec.support]}: {way}"


def _grey_ways(spec: Spec) -> str:
    """Ways out for values in [0, 1]: only levels have discrete likelihoods, and only those of one channel are drawn."""
    continuous = "take likelihood=continuous_bernoulli or gaussian"
    if spec.levels is None:
        return continuous
    levels = "" if spec.levels == 256 else f" with densities.likelihood.family.levels={spec.levels}"
    discrete = f"{continuous}, or likelihood=discretised_logistic or logistic_mixture{levels}"
    is_colour = len(spec.x) == 3 and spec.x[0] > 1
    return discrete if is_colour else f"binarise the data (data.binarize=dynamic), or {discrete}"


def _has_levels(support: constraints.Constraint | None) -> bool:
    """Whether each element takes the levels of a grid."""
    return isinstance(support.base_constraint if isinstance(support, constraints.independent) else support, Grid)


def family_of(p: Distribution) -> str:
    """The name of a family, ``Bernoulli`` for independent Bernoullis."""
    p = p.base if isinstance(p, Rescaled) else p
    return type(p.base_dist if isinstance(p, Independent) else p).__name__
