"""The models that configurations name: recipes in, what fits together out.

A wiring function takes what is known of the data, the number of latent dimensions, and recipes of prior, posterior and
likelihood, None where there is to be none. It calls them, shares modules where a model shares them, and raises Refusal
where a part is missing, is one too many, or does not fit; ValueError where a number is out of range. With
``posterior_sees_conditions=False`` the posterior is one of x alone, q(z | x).
"""

from functools import partial

from elbolab.batch import Shape, Spec, Support
from elbolab.densities.base import Densities
from elbolab.densities.checks import (
    build_likelihood,
    check_attributes,
    check_chunk,
    check_classes,
    check_classifier,
    check_code,
    check_draws,
    check_given,
    check_latent_dim,
    check_lower,
    check_matched,
    check_posterior,
    refuse_part,
    require_part,
)
from elbolab.densities.labelled import Labelled
from elbolab.densities.layer import Layer
from elbolab.densities.stacked import Stacked
from elbolab.distributions.conditional import Conditional, Ignore, MakeConditional
from elbolab.distributions.priors import check_centres


def single_layer(
    spec: Spec,
    latent_dim: int,
    prior: MakeConditional | None,
    posterior: MakeConditional | None,
    likelihood: MakeConditional | None,
    posterior_sees_conditions: bool = True,
) -> Layer:
    """p(z | c) p(x | z, c) with q(z | x, c): one layer of latents (Kingma & Welling 2014)."""
    shape = check_latent_dim(latent_dim)
    p = require_part(prior, "prior", "standard_normal")(spec.given, shape)
    recipe = require_part(posterior, "posterior", "diagonal_normal")
    q = _build_posterior(recipe, spec, shape, posterior_sees_conditions)
    check_centres(p, spec)
    check_posterior(p, q, spec)
    return Layer(spec, shape, p, q, build_likelihood(likelihood, (shape, *spec.given), spec))


def stochastic_network(
    spec: Spec,
    latent_dim: int,
    prior: MakeConditional | None,
    posterior: MakeConditional | None,
    likelihood: MakeConditional | None,
) -> Layer:
    """p(z | c) p(x | z, c) without a posterior: the Gaussian stochastic neural network (Sohn, Lee & Yan 2015).

    Section 4.2 of the paper: "we set the recognition network the same as the prior network", q(z | x, c) = p(z | c). So
    its bound is E_p(z | c)[log p(x | z, c)], its rate is 0, importance sampling is Monte Carlo from the prior, and a
    code is that of c: nothing looks at x but the likelihood.
    """
    check_given(spec, "a stochastic network")
    refuse_part(posterior, "a stochastic network draws z from p(z | c) alone", "posterior", "cvae")
    shape = check_latent_dim(latent_dim)
    p = require_part(prior, "prior", "conditional_normal")(spec.given, shape)
    check_centres(p, spec)
    check_draws(p, spec)
    return Layer(spec, shape, p, None, build_likelihood(likelihood, (shape, *spec.given), spec))


def regression(
    spec: Spec,
    prior: MakeConditional | None,
    posterior: MakeConditional | None,
    likelihood: MakeConditional | None,
) -> Layer:
    """p(x | c) alone: a network from c to the distribution of x, the NN baseline of Sohn et al. (2015).

    It has no latents, so a code is a vector of no numbers, its rate is 0, and bound and log-likelihood are the same.
    """
    refuse_part(prior, "a regression has no latents", "prior", "cvae")
    refuse_part(posterior, "a regression has no latents", "posterior", "cvae")
    check_given(spec, "a regression")
    return Layer(spec, None, None, None, build_likelihood(likelihood, spec.given, spec))


def autoencoder(
    spec: Spec,
    latent_dim: int,
    prior: MakeConditional | None,
    posterior: MakeConditional | None,
    likelihood: MakeConditional | None,
    posterior_sees_conditions: bool = True,
) -> Layer:
    """A code z = f(x), maybe of a corrupted x while training, and p(x | z). Without a prior there is no rate."""
    refuse_part(prior, "an autoencoder has no prior", "prior", "vae")
    shape = check_latent_dim(latent_dim)
    recipe = require_part(posterior, "posterior", "deterministic", "denoising_deterministic")
    q = _build_posterior(recipe, spec, shape, posterior_sees_conditions)
    check_code(q, spec)
    return Layer(spec, shape, None, q, build_likelihood(likelihood, (shape, *spec.given), spec))


def adversarial_layer(
    spec: Spec,
    latent_dim: int,
    prior: MakeConditional | None,
    posterior: MakeConditional | None,
    likelihood: MakeConditional | None,
    posterior_sees_conditions: bool = True,
) -> Layer:
    """q(z | x, c), whatever can be drawn from, whose codes a critic matches to p(z | c) (Makhzani et al. 2015).

    The posterior is deterministic, Gaussian, or a universal approximator (section 2.1); the prior has no parameters.
    """
    shape = check_latent_dim(latent_dim)
    p = require_part(prior, "prior", "normal", "gaussian_ring", "swiss_roll")(spec.given, shape)
    recipe = require_part(posterior, "posterior", "deterministic", "diagonal_normal", "universal")
    q = _build_posterior(recipe, spec, shape, posterior_sees_conditions)
    check_matched(p, q, spec)
    return Layer(spec, shape, p, q, build_likelihood(likelihood, (shape, *spec.given), spec))


def attribute_layer(
    spec: Spec,
    latent_dim: int,
    prior: MakeConditional | None,
    posterior: MakeConditional | None,
    likelihood: MakeConditional | None,
    posterior_sees_conditions: bool = False,
) -> Layer:
    """p(z | y) p(x | z) with q(z | x), or q(z | x, y): attributes y reach the data through the latent alone.

    CMMA of Pandey & Dukkipati (2017): data whose latent is determined by their attributes, which are the conditions.
    """
    check_given(spec, "a model whose latent is determined by attributes")
    of_latent = None if likelihood is None else partial(Ignore, conditional=likelihood)
    layer = single_layer(spec, latent_dim, prior, posterior, of_latent, posterior_sees_conditions)
    check_attributes(layer.prior, spec)
    return layer


def labelled_layer(
    spec: Spec,
    latent_dim: int,
    prior: MakeConditional | None,
    posterior: MakeConditional | None,
    likelihood: MakeConditional | None,
    classifier: MakeConditional,
    posterior_sees_conditions: bool = True,
    learn_class_prior: bool = False,
    class_chunk: int | None = None,
) -> Labelled:
    """A class and a style of data with classes: p(y) p(z | y) p(x | y, z) with q(y | x) q(z | x, y).

    The condition is the class: where the posterior does not see it, all classes share the draws of q(z | x). The
    classifier q(y | x) is a `Head` of `OneHot`.
    """
    of_class = spec._replace(given=((check_classes(spec),),), given_is_label=True)
    layer = single_layer(of_class, latent_dim, prior, posterior, likelihood, posterior_sees_conditions)
    assert layer.prior is not None, "`single_layer` has refused it"
    assert layer.posterior is not None, "`single_layer` has refused it"
    q = classifier((spec.x,), of_class.given[0])
    check_classifier(q, spec)
    if class_chunk is not None:
        parts = ((layer.posterior, spec.x), (layer.likelihood, layer.latent_shape))
        check_chunk(class_chunk, [(part, (parent, *of_class.given)) for part, parent in parts])
    return Labelled(spec, latent_dim, layer.prior, layer.posterior, layer.likelihood, q, learn_class_prior, class_chunk)


def stacked_layers(
    spec: Spec,
    latent_dim: int,
    prior: MakeConditional | None,
    posterior: MakeConditional | None,
    likelihood: MakeConditional | None,
    classifier: MakeConditional,
    posterior_sees_conditions: bool = True,
    learn_class_prior: bool = False,
    class_chunk: int | None = None,
    m1: Densities | None = None,
) -> Stacked:
    """A class and a style z2 above the codes z1 of ``m1``, which was trained before (``pretrained.m1``).

    The recipes are those of `labelled_layer`, with z1 in the place of x.
    """
    check_classes(spec)
    lower = check_lower(m1, spec)
    codes = Spec(lower.latent_shape, Support.REAL, classes=spec.classes)
    parts = (prior, posterior, likelihood, classifier)
    options = (posterior_sees_conditions, learn_class_prior, class_chunk)
    return Stacked(spec, lower, labelled_layer(codes, latent_dim, *parts, *options))


def _build_posterior(recipe: MakeConditional, spec: Spec, shape: Shape, sees_conditions: bool) -> Conditional:
    """q(z | x, c); q(z | x) where it does not see the conditions."""
    return (recipe if sees_conditions else partial(Ignore, conditional=recipe))((spec.x, *spec.given), shape)
