"""p(z | c) p(x | z, c) without a posterior: the Gaussian stochastic neural network (Sohn, Lee & Yan 2015)."""

from typing import final

from torch import Tensor
from torch.distributions import Distribution

from elbolab.batch import Spec
from elbolab.densities.base import Densities
from elbolab.densities.checks import (
    build_likelihood,
    check_draws,
    check_given,
    check_latent_dim,
    check_likelihood,
    initialise_heads,
)
from elbolab.densities.terms import Sampled, Terms, scored
from elbolab.distributions.conditional import MakeConditional
from elbolab.distributions.priors import check_centres


@final
class StochasticNetwork(Densities):
    """Section 4.2 of the paper: "we set the recognition network the same as the prior network", q(z | x, c) = p(z | c).

    So its bound is E_p(z | c)[log p(x | z, c)], its rate is 0, importance sampling is Monte Carlo from the prior, and a
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

    def __init__(
        self,
        spec: Spec,
        latent_dim: int,
        prior: MakeConditional | None,
        posterior: MakeConditional | None,
        likelihood: MakeConditional,
    ) -> None:
        super().__init__()
        check_given(spec, "a stochastic network")
        if posterior is not None:
            raise ValueError("a stochastic network draws z from p(z | c) alone: choose posterior=none, or model=cvae")
        if prior is None:
            raise ValueError("this model needs a prior: choose e.g. prior=conditional_normal")
        check_latent_dim(latent_dim)
        self.spec = spec
        self.latent_shape = (latent_dim,)
        self.prior = prior(spec.given, self.latent_shape)
        self.likelihood = build_likelihood(likelihood, (self.latent_shape, *spec.given), spec)
        check_centres(self.prior, spec)
        check_draws(self.prior, spec)
        check_likelihood(self.likelihood, self.latent_shape, spec)

    def terms(
        self, x: Tensor, *given: Tensor, sample_shape: tuple[int, ...] = (), proposal: Distribution | None = None
    ) -> Terms:
        """Log p(x | z, c) at ``sample_shape`` draws of z per datum, and a KL that is 0 where they are the prior's."""
        p = self.prior(*given)
        q = p if proposal is None else proposal
        z = q.rsample(sample_shape) if q.has_rsample else q.sample(sample_shape)
        return scored(self.likelihood(z, *given), x, (Sampled(z, q, p),))

    def generate(self, num: int, *given: Tensor) -> Distribution:
        """p(x | z, c) at draws from the prior."""
        return self.decode(self.prior(*given).sample((num,)), *given)

    def encode(self, x: Tensor, *given: Tensor) -> Tensor:
        """The mean of q(z | x, c) = p(z | c): nothing of x but what c says."""
        return self.prior(*given).mean

    def decode(self, z: Tensor, *given: Tensor) -> Distribution:
        """p(x | z, c)."""
        return self.likelihood(z, *given)

    def initialise_to_mean(self, mean: Tensor) -> None:
        """Hands the mean to the likelihood's heads."""
        initialise_heads(self.likelihood, mean)
