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
from elbolab.densities.latents import Latents
from elbolab.densities.terms import Terms
from elbolab.densities.wiring import single_layer
from elbolab.distributions.conditional import MakeConditional
from elbolab.distributions.corruption import MakeCorruption, build_corruption, check_corruptions
from elbolab.distributions.drawing import Draw, sample


@final
class DenoisingLayer(Corrupting):
    """One layer of latents whose encoder is shown corrupted data where a bound asks for it.

    Its terms and codes are those of x as it is given, in training too; nothing is corrupted unless `corrupt` is called.

    Args:
        spec: what is known of the data.
        latent_dim: D, dimensions of z.
        prior: recipe of p(z | c).
        posterior: recipe of q(z | x, c).
        likelihood: recipe of p(x | z, c).
        corruption: recipe of p(x~ | x).
        posterior_sees_conditions: False for q(z | x).

    Raises:
        ValueError: no corruption, one that is none of this data, or what `single_layer` refuses.
    """

    def __init__(
        self,
        spec: Spec,
        latent_dim: int,
        prior: MakeConditional | None,
        posterior: MakeConditional | None,
        likelihood: MakeConditional | None,
        corruption: MakeCorruption | None,
        posterior_sees_conditions: bool = True,
    ) -> None:
        super().__init__()
        self.corruption = build_corruption(corruption)
        check_corruptions(self.corruption, spec)
        self.layer = single_layer(spec, latent_dim, prior, posterior, likelihood, posterior_sees_conditions)
        self.spec, self.code_shapes = self.layer.spec, self.layer.code_shapes

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
