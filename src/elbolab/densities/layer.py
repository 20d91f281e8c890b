"""One layer of latents, or none: p(z | c), q(z | x, c) and p(x | z, c), of which the first two may be missing.

Shapes: *S = sample dimensions, B = data in a batch, D = latent dimensions.
"""

from typing import final

from torch import Tensor
from torch.distributions import Distribution
from typing_extensions import override

from elbolab.batch import Batch, Shape, Spec
from elbolab.densities.base import Densities, initialise_heads
from elbolab.densities.latents import Latent, Latents, Undefined
from elbolab.distributions.conditional import Conditional, lead_of
from elbolab.distributions.drawing import Draw, sample


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
        initialise_heads(self.likelihood, mean)

    def _without_latents(self, shape: Shape, *given: Tensor) -> Latents:
        """No latents, and an empty state that has the batch shape of the draws."""
        return Latents(state=given[0].new_empty(*shape, *lead_of(given, self.spec.given), 0))
