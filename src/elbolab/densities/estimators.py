"""How the gradient of a bound of K samples is estimated: the value of the bound is the same for all.

Shapes: *S = samples, B = data in a batch.
"""

from collections.abc import Callable

from torch import Tensor

from elbolab.densities.latents import Latent, Latents

PathWeights = Callable[[], Tensor]
"""Asked when gradients flow, so that it may depend on what the draws were scored with: (*S, B)."""
Estimator = Callable[[Latents, PathWeights], Latents]
"""(draws, what the doubly reparameterised gradient weights their paths with) -> the draws, to be scored."""


def keep_gradient(latents: Latents, weights: PathWeights) -> Latents:
    """The reparameterised gradient (Burda et al. 2016, eq. 13), score of log q included."""
    return latents


def stick_the_landing(latents: Latents, weights: PathWeights) -> Latents:
    """The gradient without the score of log q (Roeder et al. 2017); unbiased for the ELBO, biased for K > 1."""
    return Latents([latent.follow(latent.z) for latent in latents], latents.state)


def reparameterise_twice(latents: Latents, weights: PathWeights) -> Latents:
    """The unbiased gradient without the score of log q (DReG: Tucker et al. 2019, eq. 8).

    The score is reparameterised once more, so that the path of sample k counts w_k^2 for the posterior where it counts
    w_k, the normalised importance weight, for the likelihood.
    """
    return Latents([_weight_path(latent, weights) for latent in latents], latents.state)


def _weight_path(latent: Latent, weights: PathWeights) -> Latent:
    z = latent.z.view_as(latent.z)

    def weight(gradient: Tensor) -> Tensor:
        return weights()[(..., *[None] * (gradient.dim() - weights().dim()))] * gradient

    if z.requires_grad:
        z.register_hook(weight)
    return latent.follow(z)


ESTIMATORS: dict[str, Estimator] = {
    "standard": keep_gradient,
    "stl": stick_the_landing,
    "dreg": reparameterise_twice,
}
"""By the names of ``model.estimator``."""
