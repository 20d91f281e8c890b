"""Wiring functions of the other kinds of `Layer`; `elbolab.densities.layer.single_layer` is that of a VAE."""

from collections.abc import Callable
from functools import partial

from elbolab.batch import Spec
from elbolab.common.refusal import Refusal, choose
from elbolab.densities.checks import (
    build_likelihood,
    build_posterior,
    check_attributes,
    check_code,
    check_draws,
    check_given,
    check_latent_dim,
    check_matched,
    refuse_part,
    require_part,
)
from elbolab.densities.layer import Layer, single_layer
from elbolab.distributions.conditional import Conditional, Ignore, MakeConditional, Recipe
from elbolab.nets.layers import normalise_spectrally


def stochastic_network(spec: Spec, latent_dim: int, prior: Recipe, posterior: Recipe, likelihood: Recipe) -> Layer:
    """p(z | c) p(x | z, c) without a posterior: the Gaussian stochastic neural network (Sohn, Lee & Yan 2015).

    Section 4.2 of the paper: "we set the recognition network the same as the prior network", q(z | x, c) = p(z | c). So
    its bound is E_p(z | c)[log p(x | z, c)], its rate is 0, importance sampling is Monte Carlo from the prior, and a
    code is that of c: nothing looks at x but the likelihood.
    """
    check_given(spec, "a stochastic network")
    refuse_part(posterior, "a stochastic network draws z from p(z | c) alone", "posterior", "cvae")
    shape = check_latent_dim(latent_dim)
    p = require_part(prior, "prior", "conditional_normal")(spec.given, shape)
    check_draws(p, spec)
    return Layer(spec, shape, p, None, build_likelihood(likelihood, (shape, *spec.given), spec))


def regression(spec: Spec, prior: Recipe, posterior: Recipe, likelihood: Recipe) -> Layer:
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
    prior: Recipe,
    posterior: Recipe,
    likelihood: Recipe,
    posterior_sees_conditions: bool = True,
    spectral_norm: bool = False,
) -> Layer:
    """A code z = f(x), maybe of a corrupted x while training, and p(x | z). Without a prior there is no rate.

    With ``spectral_norm`` no layer of the decoder stretches what it is given; see `normalise_spectrally`.
    """
    refuse_part(prior, "an autoencoder has no prior", "prior", "vae")
    shape = check_latent_dim(latent_dim)
    options = ("deterministic", "denoising_deterministic")
    q = build_posterior(posterior, spec, shape, posterior_sees_conditions, *options)
    check_code(q, spec)
    decoder = build_likelihood(likelihood, (shape, *spec.given), spec)
    if spectral_norm and normalise_spectrally(decoder) == 0:
        raise Refusal("no layer of the decoder is linear, so none can be normalised", choose("net", "mlp", "conv"))
    return Layer(spec, shape, None, q, decoder)


def adversarial_layer(
    spec: Spec,
    latent_dim: int,
    prior: Recipe,
    posterior: Recipe,
    likelihood: Recipe,
    posterior_sees_conditions: bool = True,
) -> Layer:
    """q(z | x, c), whatever can be drawn from, whose codes a critic matches to p(z | c) (Makhzani et al. 2015).

    The posterior is deterministic, Gaussian, or a universal approximator (section 2.1); the prior has no parameters.
    """
    shape = check_latent_dim(latent_dim)
    p = require_part(prior, "prior", "normal", "gaussian_ring", "swiss_roll")(spec.given, shape)
    options = ("deterministic", "diagonal_normal", "universal")
    q = build_posterior(posterior, spec, shape, posterior_sees_conditions, *options)
    check_matched(p, q, spec)
    return Layer(spec, shape, p, q, build_likelihood(likelihood, (shape, *spec.given), spec))


def attribute_layer(
    spec: Spec,
    latent_dim: int,
    prior: Recipe,
    posterior: Recipe,
    likelihood: Recipe,
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


def with_fitted_prior(spec: Spec, densities: Callable[[Spec], Layer], prior: MakeConditional) -> Layer:
    """The layer that ``densities`` makes, with another prior in the place of its own or of none.

    Ex-post density estimation (Ghosh et al. 2020, section 4): the prior was fitted to the codes of the trained model.
    """
    layer = densities(spec)
    return replace_prior(layer, prior((), layer.latent_shape))


def replace_prior(layer: Layer, prior: Conditional) -> Layer:
    """A layer of the same posterior and likelihood, which it shares, with that prior."""
    return Layer(layer.spec, layer.latent_shape, prior, layer.posterior, layer.likelihood)
