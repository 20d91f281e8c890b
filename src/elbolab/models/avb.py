"""Adversarial variational Bayes (Mescheder, Nowozin & Geiger 2017), which asks a posterior for draws alone.

Shapes: B = data in a batch, D = latent dimensions.
"""

from typing import Any, final

import torch
from torch import Tensor
from torch.distributions import Independent, Normal
from typing_extensions import override

from elbolab.batch import Batch, Net
from elbolab.densities.latents import Latent, sample
from elbolab.densities.layer import Layer
from elbolab.densities.terms import Terms, add_penalty, summary
from elbolab.models.base import ElboModule, Loss, Player
from elbolab.models.checks import check_contrast, check_prior_and_posterior
from elbolab.models.players import Critic, CriticGoal, MakeOptimizer, Points, critic_player
from elbolab.training.player import trainable

NUM_DRAWS = 32
"""Draws of a posterior for each datum, whose mean and variance stand for those that are unknown."""

LEAST_VARIANCE = 1e-12
"""Where a posterior has collapsed to a point."""


@final
class AVB(ElboModule):
    """Minimises E_q[T(x, z) - log p(x | z)], where a critic T tells draws of q(z | x) from draws of p(z) (Algorithm 1).

    The optimal critic is T = log q(z | x) - log p(z) (Proposition 1), and its gradient in the parameters of q is 0 in
    mean (Proposition 2), so that q needs the gradient of T in z alone. The loss is -ELBO only where the critic is
    optimal: its negative is logged as ``estimated_elbo``, and is no bound.

    With adaptive contrast (section 3.4) the critic tells q(z | x) from r(z | x), the normal distribution of the same
    mean and variance, and sees z standardised by them: KL(q || p) = KL(q || r) + E_q[log r(z | x) - log p(z)].

    Args:
        critic: recipe of the critic's network, which reads a code, a datum and its conditions.
        critic_optimizer: parameters -> optimiser, of the critic.
        adaptive_contrast: whether the critic compares with r(z | x) instead of the prior.
        **base: see `ElboModule`.

    Raises:
        Refusal: a posterior without noise, or, with adaptive contrast, a prior without a density.
    """

    densities: Layer

    def __init__(
        self, critic: Net, critic_optimizer: MakeOptimizer, adaptive_contrast: bool = False, **base: Any
    ) -> None:
        super().__init__(**base)
        check_prior_and_posterior(self.densities)
        check_contrast(self.densities, adaptive_contrast)
        self.critic_optimizer, self.adaptive_contrast = critic_optimizer, adaptive_contrast
        spec = self.densities.spec
        self.critic = Critic(critic, self.densities.latent_shape, spec.x, *spec.given)

    @override
    def loss(self, batch: Batch) -> Loss:
        terms, negative_elbo = self._terms(batch)
        value = add_penalty(negative_elbo, terms.penalty).mean()
        return Loss(value, _report(terms, negative_elbo), additive=not terms.fitted)

    @override
    def players(self) -> list[Player]:
        return [
            Player(self.loss, trainable(self.densities), self.optimizer),
            critic_player(
                self.critic, self.posterior_points, self.contrast_points, self.critic_optimizer, CriticGoal()
            ),
        ]

    @override
    def report(self, batch: Batch) -> dict[str, Tensor]:
        """The distortion, and the ELBO as the critic estimates it, which is no bound."""
        return _report(*self._terms(batch))

    def posterior_points(self, batch: Batch) -> Points:
        """Draws z ~ q(z | x), standardised with adaptive contrast, each with its datum."""
        latent = self.densities.infer(batch.x, *batch.given).only()
        z = standardise(latent.z, normal_of_moments(latent)) if self.adaptive_contrast else latent.z
        return z, batch.x, *batch.given

    def contrast_points(self, batch: Batch) -> Points:
        """Draws of what the posterior is told from: of p(z), or of r(z | x), which is N(0, I) once standardised."""
        if self.adaptive_contrast:
            shape = (len(batch.x), *self.densities.latent_shape)
            return torch.randn(shape, dtype=batch.x.dtype, device=batch.x.device), batch.x, *batch.given
        p = check_prior_and_posterior(self.densities)[0](*batch.given)
        return sample(p, () if p.batch_shape else (len(batch.x),)).z, batch.x, *batch.given

    def log_ratio(self, latent: Latent, batch: Batch) -> Tensor:
        """The critic's estimate of log q(z | x) - log p(z) at the draw, (B,)."""
        if not self.adaptive_contrast:
            return self.critic(latent.z, batch.x, *batch.given)
        r = normal_of_moments(latent)
        return self.critic(standardise(latent.z, r), batch.x, *batch.given) + r.log_prob(latent.z) - latent.log_p

    def _terms(self, batch: Batch) -> tuple[Terms, Tensor]:
        """The pieces of the bound, and -ELBO of each datum as the critic estimates it, (B,)."""
        terms = self.densities.terms(batch.x, *batch.given)
        return terms, terms.distortion + self.log_ratio(terms.latents.only(), batch)


@torch.no_grad()
def normal_of_moments(latent: Latent) -> Independent:
    """r(z | x): the normal distribution with the mean and variance of q(z | x), to which no gradient leads.

    Moments that are unknown are those of draws, new ones at every call: from draws that never change q would learn to
    keep away. The estimated KL is then too small, by about 1 / NUM_DRAWS nats a dimension where q is normal.
    """
    q = latent.q
    assert q is not None, "`check_prior_and_posterior` has seen it"
    try:
        mean, variance = q.mean, q.variance
    except NotImplementedError:
        draws = sample(q, (NUM_DRAWS,)).z
        mean, variance = draws.mean(0), draws.var(0)
    return Independent(Normal(mean, variance.clamp_min(LEAST_VARIANCE).sqrt()), len(q.event_shape))


def standardise(z: Tensor, r: Independent) -> Tensor:
    """(z - mean) / standard deviation, in each dimension."""
    return (z - r.mean) / r.stddev


def _report(terms: Terms, negative_elbo: Tensor) -> dict[str, Tensor]:
    found = summary(terms, ("distortion",))
    return found if terms.fitted else found | {"estimated_elbo": -negative_elbo.detach().mean()}
