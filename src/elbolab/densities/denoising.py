"""A model whose encoder is shown corrupted data, and the bound that it is trained by (Im et al. 2017).

Shapes: M = corruptions (any shape), K = samples of z for each of them (any shape), B = data.
"""

from typing import final

from torch import Tensor
from torch.distributions import Distribution
from typing_extensions import override

from elbolab.batch import Batch, Shape, Spec
from elbolab.densities.base import Densities
from elbolab.densities.capabilities import Corrupting
from elbolab.densities.latents import Draw, Latents, sample
from elbolab.densities.layer import Layer, single_layer
from elbolab.densities.terms import Terms
from elbolab.distributions.conditional import Recipe
from elbolab.distributions.corruption import Corruption, MakeCorruption, build_corruption, check_corruptions


@final
class DenoisingLayer(Corrupting):
    """One layer of latents whose encoder is shown corrupted data where a bound asks for it.

    Its terms and codes are those of x as it is given, in training too; nothing is corrupted unless `corrupt` is called.

    Args:
        layer: p(z | c), q(z | x, c) and p(x | z, c).
        corruption: p(x~ | x).
    """

    def __init__(self, layer: Layer, corruption: Corruption) -> None:
        super().__init__()
        self.corruption, self.layer = corruption, layer
        self.spec, self.code_shapes = layer.spec, layer.code_shapes

    @override
    def infer(self, x: Tensor, *given: Tensor, shape: Shape = (), draw: Draw = sample) -> Latents:
        """Draws z ~ q(z | x, c), whether x (*M, B, *event) is clean or corrupted; nothing is corrupted here."""
        return self.layer.infer(x, *given, shape=shape, draw=draw)

    @override
    def imagine(self, shape: Shape, *given: Tensor, top: tuple[Tensor, ...] = (), draw: Draw = sample) -> Latents:
        return self.layer.imagine(shape, *given, top=top, draw=draw)

    @override
    def likelihood_of(self, latents: Latents, *given: Tensor) -> Distribution:
        return self.layer.likelihood_of(latents, *given)

    @override
    def initialise(self, data: Batch, mean: Tensor) -> None:
        self.layer.initialise(data, mean)

    @override
    def corrupt(self, x: Tensor) -> Tensor:
        return self.corruption(x)


def denoising_layer(
    spec: Spec,
    latent_dim: int,
    prior: Recipe,
    posterior: Recipe,
    likelihood: Recipe,
    corruption: MakeCorruption | None,
    posterior_sees_conditions: bool = True,
) -> DenoisingLayer:
    """What `single_layer` makes of the recipes, with a corruption of the data."""
    noise = build_corruption(corruption)
    check_corruptions(noise, spec)
    layer = single_layer(spec, latent_dim, prior, posterior, likelihood, posterior_sees_conditions)
    return DenoisingLayer(layer, noise)


def corrupted_terms(
    densities: Densities, x: Tensor, *given: Tensor, corruption_shape: Shape = (), shape: Shape = ()
) -> Terms:
    """The pieces of L_dvae = E_{x~ | x} E_{q(z | x~)} log p(x, z) / q(z | x~), (*K, *M, B); its ELBO is L_dvae.

    The encoder is shown x~, the likelihood is that of the clean x (Im et al. 2017, section 3). With q~(z | x) =
    E_{x~ | x} q(z | x~), log p(x) >= E_q~ log p(x, z) / q~(z | x) >= L_dvae; the second gap is I(z; x~ | x).

    Args:
        densities: a denoising model.
        x: clean data, (B, *event).
        given: their conditions.
        corruption_shape: M, corruptions of each datum.
        shape: K, draws of z for each of them.
    """
    assert isinstance(densities, Corrupting), "DVAE and evaluation have asked for it"
    corrupted = densities.corrupt(x.expand(*corruption_shape, *x.shape))
    return densities.score(x, densities.infer(corrupted, *given, shape=shape), *given)
