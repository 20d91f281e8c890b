"""p(z | c) p(x | z, c) with q(z | x, c): one layer of latents (Kingma & Welling 2014)."""

from typing import final

from torch import Tensor
from torch.distributions import Distribution

from elbolab.batch import Spec
from elbolab.densities.base import Densities
from elbolab.densities.checks import (
    build_likelihood,
    check_latent_dim,
    check_likelihood,
    check_posterior,
    initialise_heads,
)
from elbolab.densities.terms import Sampled, Terms, scored
from elbolab.distributions.conditional import MakeConditional
from elbolab.distributions.priors import check_centres


@final
class SingleLayer(Densities):
    """One layer of latents.

    Args:
        spec: what is known of the data.
        latent_dim: D, dimensions of z.
        prior: recipe of p(z | c).
        posterior: recipe of q(z | x, c).
        likelihood: recipe of p(x | z, c).

    Raises:
        ValueError: latent_dim below 1, a missing recipe, a likelihood that is none of this data, a posterior whose
            support leaves the prior's, or a prior of classes without labels.
    """

    def __init__(
        self,
        spec: Spec,
        latent_dim: int,
        prior: MakeConditional | None,
        posterior: MakeConditional | None,
        likelihood: MakeConditional,
    ) -> None:
        super().__init__()
        if prior is None:
            raise ValueError("this model needs a prior: choose e.g. prior=standard_normal")
        if posterior is None:
            raise ValueError("this model needs a posterior: choose e.g. posterior=diagonal_normal")
        check_latent_dim(latent_dim)
        self.spec = spec
        self.latent_shape = (latent_dim,)
        self.prior = prior(spec.given, self.latent_shape)
        self.posterior = posterior((spec.x, *spec.given), self.latent_shape)
        self.likelihood = build_likelihood(likelihood, (self.latent_shape, *spec.given), spec)
        check_centres(self.prior, spec)
        check_posterior(self.prior, self.posterior, spec)
        check_likelihood(self.likelihood, self.latent_shape, spec)

    def terms(
        self, x: Tensor, *given: Tensor, sample_shape: tuple[int, ...] = (), proposal: Distribution | None = None
    ) -> Terms:
        """Log p(x | z, c) and KL(q || p) at ``sample_shape`` draws of z per datum."""
        q = self.posterior(x, *given) if proposal is None else proposal
        z = q.rsample(sample_shape) if q.has_rsample else q.sample(sample_shape)
        return scored(self.likelihood(z, *given), x, (Sampled(z, q, self.prior(*given)),))

    def generate(self, num: int, *given: Tensor) -> Distribution:
        """p(x | z, c) at draws from the prior."""
        return self.decode(self.prior(*given).sample((num,)), *given)

    def encode(self, x: Tensor, *given: Tensor) -> Tensor:
        """The posterior mean."""
        return self.posterior(x, *given).mean

    def decode(self, z: Tensor, *given: Tensor) -> Distribution:
        """p(x | z, c)."""
        return self.likelihood(z, *given)

    def initialise_to_mean(self, mean: Tensor) -> None:
        """Hands the mean to the likelihood's heads."""
        initialise_heads(self.likelihood, mean)
