"""A model whose encoder is shown corrupted data, and the bound that it is trained by (Im et al. 2017).

Shapes: M = corruptions (any shape), K = samples of z for each of them (any shape), B = data.
"""

from typing import final

from torch import Tensor
from torch.distributions import Distribution

from elbolab.batch import Spec
from elbolab.densities.base import Corrupting, Densities
from elbolab.densities.single_layer import SingleLayer
from elbolab.densities.terms import Terms
from elbolab.distributions.conditional import MakeConditional
from elbolab.distributions.corruption import MakeCorruption, check_corruptions, required


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

    Raises:
        ValueError: no corruption, one that is none of this data, or what `SingleLayer` refuses.
    """

    def __init__(
        self,
        spec: Spec,
        latent_dim: int,
        prior: MakeConditional | None,
        posterior: MakeConditional | None,
        likelihood: MakeConditional,
        corruption: MakeCorruption | None,
    ) -> None:
        super().__init__()
        self.corruption = required(corruption)()
        check_corruptions(self.corruption, spec)
        self.layer = SingleLayer(spec, latent_dim, prior, posterior, likelihood)
        self.spec, self.latent_shape = self.layer.spec, self.layer.latent_shape

    def terms(
        self, x: Tensor, *given: Tensor, sample_shape: tuple[int, ...] = (), proposal: Distribution | None = None
    ) -> Terms:
        """The layer's, its encoder at x itself: the ELBO is the clean-input bound."""
        return self.layer.terms(x, *given, sample_shape=sample_shape, proposal=proposal)

    def generate(self, num: int, *given: Tensor) -> Distribution:
        """p(x | z, c) at draws from the prior."""
        return self.layer.generate(num, *given)

    def encode(self, x: Tensor, *given: Tensor) -> Tensor:
        """The posterior mean at x itself."""
        return self.layer.encode(x, *given)

    def decode(self, z: Tensor, *given: Tensor) -> Distribution:
        """p(x | z, c)."""
        return self.layer.decode(z, *given)

    def initialise_to_mean(self, mean: Tensor) -> None:
        """Hands the mean to the layer."""
        self.layer.initialise_to_mean(mean)

    def corrupt(self, x: Tensor) -> Tensor:
        """x~ ~ p(x~ | x), (*M, B, *event) for x of that shape."""
        return self.corruption(x)

    def proposal(self, x: Tensor, *given: Tensor) -> Distribution:
        """q(z | x, c) at x, which may be corrupted, (*M, B, *event)."""
        return self.layer.posterior(x, *given)


def corrupted_terms(
    densities: Densities,
    x: Tensor,
    *given: Tensor,
    corruption_shape: tuple[int, ...] = (),
    sample_shape: tuple[int, ...] = (),
) -> Terms:
    """The pieces of L_dvae = E_{x~ | x} E_{q(z | x~)} log p(x, z) / q(z | x~), (*K, *M, B); its ELBO is L_dvae.

    The encoder is shown x~, the likelihood is that of the clean x (Im et al. 2017, section 3). With q~(z | x) =
    E_{x~ | x} q(z | x~), log p(x) >= E_q~ log p(x, z) / q~(z | x) >= L_dvae; the second gap is I(z; x~ | x).

    Args:
        densities: a denoising model.
        x: clean data, (B, *event).
        given: their conditions.
        corruption_shape: M, corruptions of each datum.
        sample_shape: K, draws of z for each of them.
    """
    assert isinstance(densities, Corrupting), "DVAE and evaluation have asked for it"
    corrupted = densities.corrupt(x.expand(*corruption_shape, *x.shape))
    q = densities.proposal(corrupted, *given)
    return densities.terms(x, *given, sample_shape=sample_shape, proposal=q)
