"""p(x | c) alone, without latents: what a conditional model is to be compared with, and its first guess."""

from dataclasses import replace
from typing import final

from torch import Tensor
from torch.distributions import Distribution

from elbolab.batch import Spec
from elbolab.densities.base import Densities
from elbolab.densities.checks import build_likelihood, check_given, check_likelihood, initialise_heads
from elbolab.densities.terms import Certain, Terms, scored
from elbolab.distributions.conditional import MakeConditional


@final
class Regression(Densities):
    """A network from c to the distribution of x, the NN baseline of Sohn et al. (2015).

    It has no latents, so a code is a vector of no numbers, its rate is 0, and bound and log-likelihood are the same.

    Args:
        spec: what is known of the data.
        prior: None; anything else is refused.
        posterior: None; anything else is refused.
        likelihood: recipe of p(x | c).

    Raises:
        ValueError: a prior or a posterior, no conditions, or a likelihood that is none of this data.
    """

    def __init__(
        self,
        spec: Spec,
        prior: MakeConditional | None,
        posterior: MakeConditional | None,
        likelihood: MakeConditional,
    ) -> None:
        super().__init__()
        if prior is not None or posterior is not None:
            raise ValueError("a regression has no latents: choose prior=none and posterior=none, or model=cvae")
        check_given(spec, "a regression")
        self.spec = spec
        self.latent_shape = (0,)
        self.likelihood = build_likelihood(likelihood, spec.given, spec)
        check_likelihood(self.likelihood, None, spec)

    def predict(self, *given: Tensor) -> Distribution:
        """p(x | c), batch shape (B,)."""
        return self.likelihood(*given)

    def terms(
        self, x: Tensor, *given: Tensor, sample_shape: tuple[int, ...] = (), proposal: Distribution | None = None
    ) -> Terms:
        """Log p(x | c), the same for every sample: there is nothing to draw."""
        terms = scored(self.predict(*given), x, ())
        log_lik = terms.log_lik.expand(*sample_shape, *terms.log_lik.shape)
        return replace(terms, log_lik=log_lik, latents=(Certain(log_lik),))

    def generate(self, num: int, *given: Tensor) -> Distribution:
        """p(x | c), ``num`` times."""
        return self.predict(*(tensor.expand(num, *tensor.shape) for tensor in given))

    def encode(self, x: Tensor, *given: Tensor) -> Tensor:
        """No numbers, (B, 0)."""
        return x.new_empty(len(x), 0)

    def decode(self, z: Tensor, *given: Tensor) -> Distribution:
        """p(x | c), whatever z (*S, B, 0)."""
        shapes = zip(given, self.spec.given, strict=True)
        return self.predict(*(tensor.expand(*z.shape[:-1], *shape) for tensor, shape in shapes))

    def initialise_to_mean(self, mean: Tensor) -> None:
        """Hands the mean to the likelihood's heads."""
        initialise_heads(self.likelihood, mean)
