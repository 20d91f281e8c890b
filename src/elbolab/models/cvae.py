"""The conditional VAE (Sohn, Lee & Yan 2015), and its hybrid with their Gaussian stochastic network.

The network alone is ``model=gsnn``. Here x is what is predicted (the paper's y) and c
what is seen (the paper's x).
"""

from dataclasses import replace
from typing import Any, final

from torch import Tensor
from typing_extensions import override

from elbolab.batch import Batch
from elbolab.common.refusal import Refusal, change, choose
from elbolab.densities.checks import check_given, example_terms
from elbolab.densities.latents import Latents, sample
from elbolab.densities.terms import Terms, negative_elbo, summary
from elbolab.models.base import ElboModule, Loss, Player, draws_shape, one_player
from elbolab.models.checks import check_prior
from elbolab.training.scales import check_one_likelihood


@final
class CVAE(ElboModule):
    """Minimises alpha * CVAE + (1 - alpha) * GSNN (Sohn et al. 2015, section 4.2: the hybrid objective).

    The CVAE's cost is -E_q(z | x, c)[log p(x | z, c)] + KL(q(z | x, c) || p(z | c)) (their equations 4 and 5); the
    Gaussian stochastic network's is -E_p(z | c)[log p(x | z, c)], which trains what generation will do, and leaves the
    recognition network alone. Minus either is a lower bound on log p(x | c), and so is their weighted sum. The bound
    that is reported is the CVAE's, and with alpha < 1 beside it the other one, ``gsnn_bound``, and the sum,
    ``hybrid_bound``, which is what to monitor.

    Args:
        alpha: weight of the CVAE, 1 for it alone.
        num_samples: draws of z per datum whose bounds are averaged (L in the paper), of q and of p each.
        **base: see `ElboModule`.
    """

    def __init__(self, alpha: float = 1.0, num_samples: int = 1, **base: Any) -> None:
        super().__init__(**base)
        check_given(self.densities.spec, "model=cvae")
        if not 0 < alpha <= 1:
            raise Refusal(
                f"model.alpha={alpha}: the CVAE's weight is above 0 and at most 1; the GSNN alone is another model",
                change("model.alpha", 1, 0.5),
                choose("model", "gsnn"),
            )
        if alpha < 1:
            check_prior(example_terms(self.densities).latents)
            check_one_likelihood(self.densities, "model.alpha below 1")
        self.alpha, self.shape = alpha, draws_shape("num_samples", num_samples)

    @override
    def loss(self, batch: Batch) -> Loss:
        terms = self.densities.terms(batch.x, *batch.given, shape=self.shape)
        cvae = negative_elbo(terms)
        if self.alpha == 1:
            return Loss(cvae, summary(terms), additive=not terms.fitted)
        gsnn = self._gsnn_bound(batch, terms)
        return Loss(self.alpha * cvae - (1 - self.alpha) * gsnn, summary(terms) | {"gsnn_bound": gsnn})

    @override
    def players(self) -> list[Player]:
        return one_player(self)

    @override
    def report(self, batch: Batch) -> dict[str, Tensor]:
        """elbo, rate and distortion of the CVAE; gsnn_bound and hybrid_bound with alpha < 1."""
        terms = self.densities.terms(batch.x, *batch.given)
        if self.alpha == 1:
            return summary(terms)
        gsnn = self._gsnn_bound(batch, terms)
        hybrid = self.alpha * terms.elbo.mean() + (1 - self.alpha) * gsnn
        return summary(terms) | {"gsnn_bound": gsnn, "hybrid_bound": hybrid}

    def _gsnn_bound(self, batch: Batch, terms: Terms) -> Tensor:
        """E_p(z | c)[log p(x | z, c)] by draws from the prior of ``terms``, averaged over data."""
        latent = terms.latents.only()
        assert latent.p is not None, "`check_prior` has refused it"
        z, log_p, _ = sample(latent.p, self.shape)
        drawn = replace(latent, z=z, q=latent.p, drawn_log_q=log_p, drawn_log_p=log_p)
        latents = Latents([drawn], terms.latents.state)
        return self.densities.score(batch.x, latents, *batch.given).log_lik.mean()
