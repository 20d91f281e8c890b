"""A linear autoencoder whose decoder has the weights of the encoder (Baldi & Hornik 1989)."""

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from elbolab.batch import Shape, Spec
from elbolab.common.refusal import Refusal, change
from elbolab.densities.checks import build_likelihood, check_latent_dim, refuse_part
from elbolab.densities.layer import Layer
from elbolab.distributions.conditional import Conditional, Recipe, StartsAtMean
from elbolab.distributions.point_mass import PointMass


def tied_autoencoder(spec: Spec, latent_dim: int, prior: Recipe, posterior: Recipe, likelihood: Recipe) -> Layer:
    """Linear and tied: z = W (x - b), x_hat = W^T z + b. With k = 1, W is the first principal component.

    The offset b starts at the mean of the data. The network of the likelihood's recipe is replaced by W^T z + b.
    """
    refuse_part(prior, "an autoencoder has no prior", "prior", "vae")
    refuse_part(posterior, "a tied autoencoder encodes by its decoder's weights", "posterior", "ae")
    shape = check_latent_dim(latent_dim)
    if spec.given:
        raise Refusal("a tied autoencoder takes no conditions", change("data.given", "none"))
    weights = TiedWeights(spec.x, latent_dim)
    decoder = build_likelihood(likelihood, (shape,), spec, net=lambda *_: TiedDecoder(weights), init_to_mean=False)
    return Layer(spec, shape, None, TiedEncoder(weights), decoder)


@final
class TiedWeights(nn.Module):
    """W (k, D) and b (*event), of encoder and decoder alike."""

    def __init__(self, event: Shape, latent_dim: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(event))
        self.weight = nn.Parameter(nn.init.orthogonal_(torch.empty(latent_dim, self.bias.numel())))


@final
class TiedEncoder(Conditional):
    """All mass at W (x - b)."""

    def __init__(self, weights: TiedWeights) -> None:
        super().__init__()
        self.tied = weights

    @override
    def forward(self, *parents: Tensor) -> PointMass:
        (x,) = parents
        return PointMass(F.linear(x.flatten(1) - self.tied.bias.flatten(), self.tied.weight), 1)


@final
class TiedDecoder(StartsAtMean):
    """z -> W^T z + b, (N, k) -> (N, *event)."""

    def __init__(self, weights: TiedWeights) -> None:
        super().__init__()
        self.tied = weights

    @override
    def forward(self, z: Tensor) -> Tensor:
        return (z @ self.tied.weight).view(-1, *self.tied.bias.shape) + self.tied.bias

    @torch.no_grad()
    @override
    def initialise_to_mean(self, mean: Tensor) -> None:
        """Sets b, the centre of what is encoded, to the mean."""
        self.tied.bias.copy_(mean)
