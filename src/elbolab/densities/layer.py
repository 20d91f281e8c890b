"""One layer of latents, or none: p(z | c), q(z | x, c) and p(x | z, c), of which the first two may be missing.

A *wiring function*, as `single_layer`, is what configurations name. It takes what is known of the data, the number of
latent dimensions, and recipes of the parts, None where there is to be none. It calls the recipes, shares modules where
a model shares them, and raises Refusal where a part is missing, is one too many, or does not fit. With
``posterior_sees_conditions=False`` the posterior is one of x alone, q(z | x).
"""

from typing import final

from torch import Tensor
from torch.distributions import Distribution
from typing_extensions import override

from elbolab.batch import Batch, Shape, Spec
from elbolab.densities.base import initialise_parts
from elbolab.densities.capabilities import Inferring
from elbolab.densities.checks import (
    build_likelihood,
    build_posterior,
    check_latent_dim,
    check_posterior,
    require_part,
    share_posterior,
)
from elbolab.densities.latents import Draw, Latent, Latents, Undefined, sample
from elbolab.distributions.conditional import Conditional, Recipe, lead_of


@final
class Layer(Inferring):
    """The density of VAE, autoencoder, stochastic network, regression and adversarial autoencoder.

    ========  ===========  ========================================================================================
    prior     posterior    what it is
    ========  ===========  ========================================================================================
    p(z | c)  q(z | x, c)  a VAE, with a bound where both have densities; else what a critic matches
    none      q(z | x, c)  an autoencoder: a distortion, no rate, and nothing to draw from
    p(z | c)  none         a stochastic network, q(z | x, c) = p(z | c): its rate is 0
    none      none         a regression, p(x | c): no latents (``latent_shape`` is None), its bound is log p(x | c)
    ========  ===========  ========================================================================================
    """

    posterior: Conditional | None

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

    @override
    def infer(self, x: Tensor, *given: Tensor, shape: Shape = (), draw: Draw = sample) -> Latents:
        """Draws of q(z | x, c), or of p(z | c) where there is no posterior."""
        p = None if self.prior is None else self.prior(*given)
        q = p if self.posterior is None else self.posterior(x, *given)
        return self._without_latents(shape, *given) if q is None else Latents([Latent.drawn(draw, shape, q, p)])

    @override
    def imagine(self, shape: Shape, *given: Tensor, top: tuple[Tensor, ...] = (), draw: Draw = sample) -> Latents:
        if top:
            (z,) = top
            return Latents([Latent(z)])
        if not self.code_shapes:
            return self._without_latents(shape, *given)
        if self.prior is None:
            raise Undefined("this model has no prior to draw from")
        p = self.prior(*given)
        return Latents([Latent(draw(p, shape).z, p=p)])

    @override
    def likelihood_of(self, latents: Latents, *given: Tensor) -> Distribution:
        if latents:
            return self.likelihood(latents[-1].z, *given)
        assert latents.state is not None, "`_without_latents` made it"
        return self.likelihood(*given).expand(latents.state.shape[:-1])

    @override
    def initialise(self, data: Batch, mean: Tensor) -> None:
        initialise_parts(self, self.likelihood, data, mean)

    def _without_latents(self, shape: Shape, *given: Tensor) -> Latents:
        """No latents, and an empty state that has the batch shape of the draws."""
        return Latents(state=given[0].new_empty(*shape, *lead_of(given, self.spec.given), 0))


def single_layer(
    spec: Spec,
    latent_dim: int | list[int],
    prior: Recipe,
    posterior: Recipe,
    likelihood: Recipe,
    posterior_sees_conditions: bool = True,
) -> Layer:
    """p(z | c) p(x | z, c) with q(z | x, c): one layer of latents (Kingma & Welling 2014)."""
    shape = check_latent_dim(latent_dim)
    p = require_part(prior, "prior", "standard_normal")(spec.given, shape)
    q = build_posterior(posterior, spec, shape, posterior_sees_conditions, "diagonal_normal")
    share_posterior(p, q, spec)
    check_posterior(p, q, spec)
    return Layer(spec, shape, p, q, build_likelihood(likelihood, (shape, *spec.given), spec))
