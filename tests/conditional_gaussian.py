"""A conditional model whose likelihoods are known: z ~ N(mu_c, I), x = W z + b + scale * noise, c one of three."""

from functools import partial
from types import SimpleNamespace

import torch
from tests.helpers import Linear
from torch.distributions import Independent, MultivariateNormal, Normal

from elbolab.batch import Batch, Spec, Support, name_by_number
from elbolab.densities.layer import single_layer
from elbolab.distributions.conditional import Conditional, Ignore
from elbolab.distributions.priors import ClassCentres

SPEC = Spec((4,), Support.REAL, given=((3,),), classes=name_by_number(3), given_is_label=True)
SCALE = 0.5


class Posterior(Conditional):
    """p(z | x, c), or a Gaussian without covariances and ``wider`` than it."""

    def __init__(self, prior, weight, bias, wider):
        super().__init__()
        self.prior, self.weight, self.bias, self.wider = prior, weight, bias, wider
        precision = torch.eye(2) + weight.T @ weight / SCALE**2
        self.covariance = torch.linalg.inv(precision)

    def forward(self, x, c):
        mean = ((x - self.bias) @ self.weight / SCALE**2 + c @ self.prior.centres) @ self.covariance
        if self.wider is None:
            return MultivariateNormal(mean, self.covariance)
        return Independent(Normal(mean, (self.wider * self.covariance.diagonal().sqrt()).expand_as(mean)), 1)


def conditional_gaussian(num=12, wider=None, seed=0):
    """Densities, data with their labels, and log p(x | c) of every class, (N, 3)."""
    g = torch.Generator().manual_seed(seed)
    w, b, noise, z = (torch.randn(*shape, generator=g) for shape in ((4, 2), (4,), (num, 4), (num, 2)))
    torch.manual_seed(seed)
    likelihood = partial(Ignore, conditional=lambda *_: Linear(None, None, w, b, torch.tensor(SCALE)))
    prior = ClassCentres(SPEC.given, (2,), spread=1.0)
    densities = single_layer(
        SPEC, 2, lambda *_: prior, lambda *_: Posterior(prior, w.clone(), b.clone(), wider), likelihood
    )
    y = torch.arange(num) % 3
    centres = prior.centres.detach()
    x = (z + centres[y]) @ w.T + b + SCALE * noise
    evidence = MultivariateNormal(centres @ w.T + b, w @ w.T + SCALE**2 * torch.eye(4))
    batch = Batch(x, (torch.eye(3)[y],), y)
    return SimpleNamespace(densities=densities, batch=batch, log_px=evidence.log_prob(x[:, None]), w=w, b=b)
