"""One layer of latents, or none: p(z | c), q(z | x, c) and p(x | z, c), of which the first two may be missing.

Shapes: *S = sample dimensions, B = data in a batch, D = latent dimensions.
"""

from typing import final

from torch import Tensor
from torch.distributions import Distribution

from elbolab.batch import Batch, Shape, Spec
from elbolab.densities.base import Densities
from elbolab.densities.checks import (
    build_likelihood,
    check_code,
    check_draws,
    check_given,
    check_latent_dim,
    check_likelihood,
    check_matched,
    check_posterior,
    initialise_heads,
    required,
)
from elbolab.densities.latents import Latent, Latents, Undefined
from elbolab.distributions.conditional import Conditional, MakeConditional, lead_of
from elbolab.distributions.drawing import Draw, sample
from elbolab.distributions.priors import check_centres


@final
class Layer(Densities):
    """The density of VAE, autoencoder, stochastic network, regression and adversarial autoencoder.

    ============  ==============  ====================================================================================
    prior         posterior       what it is
    ============  ==============  ====================================================================================
    p(z | c)      q(z | x, c)     a VAE, with a bound where both have densities; else what a critic matches
    none          q(z | x, c)     an autoencoder: a distortion, no rate, and nothing to draw from
    p(z | c)      none            a stochastic network, q(z | x, c) = p(z | c): its rate is 0
    none          none            a regression, p(x | c): no latents, so ELBO and log-likelihood are the same
    ============  ==============  ====================================================================================

    Args:
        spec: what is known of the data.
        latent_shape: shape of z, None without latents.
        prior: p(z | c).
        posterior: q(z | x, c).
        likelihood: p(x | z, c).
    """

    def __init__(
        self,
        spec: Spec,
        latent_shape: Shape | None,
        prior: Conditional | None,
        posterior: Conditional | None,
        likelihood: Conditional,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.code_shapes = () if latent_shape is None else (latent_shape,)
        self.prior, self.posterior, self.likelihood = prior, posterior, likelihood

    def infer(self, x: Tensor, *given: Tensor, shape: Shape = (), draw: Draw = sample) -> Latents:
        """Draws of q(z | x, c); of p(z | c), which takes its place, where there is no posterior."""
        p = None if self.prior is None else self.prior(*given)
        q = p if self.posterior is None else self.posterior(x, *given)
        return self._without_latents(shape, *given) if q is None else Latents([Latent.drawn(draw, shape, q, p)])

    def imagine(self, shape: Shape, *given: Tensor, top: tuple[Tensor, ...] = (), draw: Draw = sample) -> Latents:
        """Draws of p(z | c)."""
        if top:
            (z,) = top
            return Latents([Latent(z)])
        if not self.code_shapes:
            return self._without_latents(shape, *given)
        if self.prior is None:
            raise Undefined("this model has no prior to draw from")
        p = self.prior(*given)
        return Latents([Latent(draw(p, shape).z, p=p)])

    def likelihood_of(self, latents: Latents, *given: Tensor) -> Distribution:
        """p(x | z, c)."""
        if latents:
            return self.likelihood(latents[-1].z, *given)
        assert latents.state is not None, "`_without_latents` made it"
        return self.likelihood(*given).expand(latents.state.shape[:-1])

    def initialise(self, data: Batch, mean: Tensor) -> None:
        """Hands the mean to the likelihood."""
        initialise_heads(self.likelihood, mean)

    def _without_latents(self, shape: Shape, *given: Tensor) -> Latents:
        """No latents; the state has no numbers, and the shape of the draws."""
        return Latents(state=given[0].new_empty(*shape, *lead_of(given, self.spec.given), 0))


def single_layer(
    spec: Spec,
    latent_dim: int,
    prior: MakeConditional | None,
    posterior: MakeConditional | None,
    likelihood: MakeConditional | None,
) -> Layer:
    """p(z | c) p(x | z, c) with q(z | x, c): one layer of latents (Kingma & Welling 2014).

    Args:
        spec: what is known of the data.
        latent_dim: D, dimensions of z.
        prior: recipe of p(z | c).
        posterior: recipe of q(z | x, c).
        likelihood: recipe of p(x | z, c).

    Raises:
        ValueError: latent_dim below 1, a missing recipe, a posterior that leaves the support of the prior or has no
            density, or a likelihood that is none of these data.
    """
    shape = check_latent_dim(latent_dim)
    p = required(prior, "prior", "standard_normal")(spec.given, shape)
    q = required(posterior, "posterior", "diagonal_normal")((spec.x, *spec.given), shape)
    layer = Layer(spec, shape, p, q, build_likelihood(likelihood, (shape, *spec.given), spec))
    check_centres(p, spec)
    check_posterior(p, q, spec)
    check_likelihood(layer.likelihood, shape, spec)
    return layer


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

    Args:
        spec: what is known of the data.
        latent_dim: D, dimensions of z.
        prior: recipe of p(z | c), whose draws have a gradient.
        posterior: None; anything else is refused.
        likelihood: recipe of p(x | z, c).

    Raises:
        ValueError: a posterior, no conditions, a missing recipe, a prior whose draws have no gradient, or a likelihood
            that is none of this data.
    """
    check_given(spec, "a stochastic network")
    if posterior is not None:
        raise ValueError("a stochastic network draws z from p(z | c) alone: choose posterior=none, or model=cvae")
    shape = check_latent_dim(latent_dim)
    p = required(prior, "prior", "conditional_normal")(spec.given, shape)
    layer = Layer(spec, shape, p, None, build_likelihood(likelihood, (shape, *spec.given), spec))
    check_centres(p, spec)
    check_draws(p, spec)
    check_likelihood(layer.likelihood, shape, spec)
    return layer


def regression(
    spec: Spec,
    prior: MakeConditional | None,
    posterior: MakeConditional | None,
    likelihood: MakeConditional | None,
) -> Layer:
    """p(x | c) alone: a network from c to the distribution of x, the NN baseline of Sohn et al. (2015).

    It has no latents, so a code is a vector of no numbers, its rate is 0, and bound and log-likelihood are the same.

    Args:
        spec: what is known of the data.
        prior: None; anything else is refused.
        posterior: None; anything else is refused.
        likelihood: recipe of p(x | c).

    Raises:
        ValueError: a prior or a posterior, no conditions, or a likelihood that is none of this data.
    """
    if prior is not None or posterior is not None:
        raise ValueError("a regression has no latents: choose prior=none and posterior=none, or model=cvae")
    check_given(spec, "a regression")
    layer = Layer(spec, None, None, None, build_likelihood(likelihood, spec.given, spec))
    check_likelihood(layer.likelihood, None, spec)
    return layer


def autoencoder(
    spec: Spec,
    latent_dim: int,
    prior: MakeConditional | None,
    posterior: MakeConditional | None,
    likelihood: MakeConditional | None,
) -> Layer:
    """A code z = f(x), maybe of a corrupted x while training, and p(x | z). Without a prior there is no rate.

    Args:
        spec: what is known of the data.
        latent_dim: D, dimensions of the code.
        prior: None; anything else is refused.
        posterior: recipe of the encoder, a point mass (``posterior=deterministic``).
        likelihood: recipe of p(x | z).

    Raises:
        ValueError: latent_dim below 1, a prior, an encoder that is no point mass, or a likelihood that is none of this
            data.
    """
    refuse_prior(prior)
    shape = check_latent_dim(latent_dim)
    q = required(posterior, "posterior", "deterministic", "denoising_deterministic")((spec.x, *spec.given), shape)
    layer = Layer(spec, shape, None, q, build_likelihood(likelihood, (shape, *spec.given), spec))
    check_code(q, spec)
    check_likelihood(layer.likelihood, shape, spec)
    return layer


def adversarial_layer(
    spec: Spec,
    latent_dim: int,
    prior: MakeConditional | None,
    posterior: MakeConditional | None,
    likelihood: MakeConditional | None,
) -> Layer:
    """q(z | x, c), whatever can be drawn from, whose codes a critic matches to p(z | c) (Makhzani et al. 2015).

    Args:
        spec: what is known of the data.
        latent_dim: D, dimensions of the code.
        prior: recipe of p(z | c), without parameters.
        posterior: recipe of q(z | x, c): deterministic, Gaussian, or a universal approximator (section 2.1).
        likelihood: recipe of p(x | z, c).

    Raises:
        ValueError: latent_dim below 1, a missing recipe, a prior with parameters, codes that are discrete, or a
            likelihood that is none of this data.
    """
    shape = check_latent_dim(latent_dim)
    p = required(prior, "prior", "normal", "gaussian_ring", "swiss_roll")(spec.given, shape)
    options = ("deterministic", "diagonal_normal", "universal")
    q = required(posterior, "posterior", *options)((spec.x, *spec.given), shape)
    layer = Layer(spec, shape, p, q, build_likelihood(likelihood, (shape, *spec.given), spec))
    check_matched(p, q, spec)
    check_likelihood(layer.likelihood, shape, spec)
    return layer


def refuse_prior(prior: MakeConditional | None) -> None:
    """Raises ValueError when an autoencoder is given a prior: it would be ignored."""
    if prior is not None:
        raise ValueError("an autoencoder has no prior: choose prior=none, or a model with a bound (model=vae)")
