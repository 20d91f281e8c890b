"""A code z = f(x) and a likelihood p(x | z): the density side of autoencoders. Without a prior there is no rate."""

from typing import final

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn import functional as F

from elbolab.batch import Spec
from elbolab.densities.base import Densities
from elbolab.densities.checks import build_likelihood, check_code, check_latent_dim, check_likelihood, initialise_heads
from elbolab.densities.terms import Terms, Undefined, scored
from elbolab.distributions.conditional import MakeConditional


def refuse_prior(prior: MakeConditional | None) -> None:
    """Raises ValueError when an autoencoder is given a prior: it would be ignored."""
    if prior is not None:
        raise ValueError("an autoencoder has no prior: choose prior=none, or a model with a bound (model=vae)")


@final
class Autoencoder(Densities):
    """A deterministic encoder, maybe a denoising one, and a likelihood.

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

    def __init__(
        self,
        spec: Spec,
        latent_dim: int,
        prior: MakeConditional | None,
        posterior: MakeConditional | None,
        likelihood: MakeConditional,
    ) -> None:
        super().__init__()
        refuse_prior(prior)
        if posterior is None:
            raise ValueError(
                "this autoencoder needs an encoder: choose posterior=deterministic or denoising_deterministic"
            )
        check_latent_dim(latent_dim)
        self.spec = spec
        self.latent_shape = (latent_dim,)
        self.posterior = posterior((spec.x, *spec.given), self.latent_shape)
        self.likelihood = build_likelihood(likelihood, (self.latent_shape, *spec.given), spec)
        check_code(self.posterior, spec)
        check_likelihood(self.likelihood, self.latent_shape, spec)

    def terms(
        self, x: Tensor, *given: Tensor, sample_shape: tuple[int, ...] = (), proposal: Distribution | None = None
    ) -> Terms:
        """Log p(x | f(x)); no latents, so no rate and no bound."""
        q = self.posterior(x, *given) if proposal is None else proposal
        return scored(self.likelihood(q.rsample(sample_shape), *given), x, ())

    def generate(self, num: int, *given: Tensor) -> Distribution:
        """Raises Undefined: there is no prior to draw from."""
        raise Undefined("an autoencoder has no prior to draw from")

    def encode(self, x: Tensor, *given: Tensor) -> Tensor:
        """f(x)."""
        return self.posterior(x, *given).mean

    def decode(self, z: Tensor, *given: Tensor) -> Distribution:
        """p(x | z)."""
        return self.likelihood(z, *given)

    def initialise_to_mean(self, mean: Tensor) -> None:
        """Hands the mean to the likelihood's heads."""
        initialise_heads(self.likelihood, mean)


@final
class TiedAutoencoder(Densities):
    """Linear and tied: z = W (x - b), x_hat = W^T z + b (Baldi & Hornik 1989). With k = 1, W is the first component.

    Args:
        spec: what is known of the data.
        latent_dim: k.
        prior: None; anything else is refused.
        posterior: None; anything else is refused.
        likelihood: recipe of p(x | z); its network is replaced by W^T z + b.

    Raises:
        ValueError: latent_dim below 1, a prior, conditions, or a likelihood that is none of this data.
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
        refuse_prior(prior)
        if posterior is not None:
            raise ValueError("a tied autoencoder encodes by its decoder's weights: choose posterior=none")
        check_latent_dim(latent_dim)
        if spec.given:
            raise ValueError("a tied autoencoder takes no conditions: choose data.given=none")
        self.spec = spec
        self.latent_shape = (latent_dim,)
        self.tied = Tied(spec.x, latent_dim)
        self.likelihood = build_likelihood(
            likelihood, (self.latent_shape,), spec, net=lambda *_: _Transposed(self.tied)
        )
        check_likelihood(self.likelihood, self.latent_shape, spec)

    def terms(
        self, x: Tensor, *given: Tensor, sample_shape: tuple[int, ...] = (), proposal: Distribution | None = None
    ) -> Terms:
        """Log p(x | W (x - b))."""
        code = self.encode(x)
        z = code.expand(*sample_shape, *code.shape) if proposal is None else proposal.rsample(sample_shape)
        return scored(self.decode(z), x, ())

    def generate(self, num: int, *given: Tensor) -> Distribution:
        """Raises Undefined: there is no prior to draw from."""
        raise Undefined("an autoencoder has no prior to draw from")

    def encode(self, x: Tensor, *given: Tensor) -> Tensor:
        """W (x - b)."""
        return F.linear(x.flatten(1) - self.tied.bias.flatten(), self.tied.weight)

    def decode(self, z: Tensor, *given: Tensor) -> Distribution:
        """p(x | W^T z + b)."""
        return self.likelihood(z)

    @torch.no_grad()
    def initialise_to_mean(self, mean: Tensor) -> None:
        """The shared offset b starts at the mean, whatever ``init_to_mean``: it is the b of z = W (x - b)."""
        self.tied.bias.copy_(mean)


@final
class Tied(nn.Module):
    """W (k, D) and b, shared by encoder and decoder."""

    def __init__(self, event: tuple[int, ...], latent_dim: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(event))
        self.weight = nn.Parameter(nn.init.orthogonal_(torch.empty(latent_dim, self.bias.numel())))


@final
class _Transposed(nn.Module):
    """z -> W^T z + b, (N, k) -> (N, *event). It holds the shared weights in a list: they belong to the encoder."""

    def __init__(self, tied: Tied) -> None:
        super().__init__()
        self.shared = [tied]

    def forward(self, z: Tensor) -> Tensor:
        """W^T z + b."""
        (tied,) = self.shared
        return (z @ tied.weight).view(-1, *tied.bias.shape) + tied.bias
