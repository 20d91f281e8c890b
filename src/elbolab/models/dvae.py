"""The denoising VAE (Im, Ahn, Memisevic and Bengio 2017)."""

from typing import Any, final

import torch
from torch import Tensor
from typing_extensions import override

from elbolab.batch import Batch
from elbolab.common.refusal import choose
from elbolab.densities.capabilities import Corrupting
from elbolab.densities.denoising import corrupted_terms
from elbolab.densities.terms import Terms, negative_elbo, summary
from elbolab.models.base import ElboModule, Loss, Player, draws_shape, one_player
from elbolab.models.checks import check_densities
from elbolab.training.scales import check_one_likelihood


@final
class DVAE(ElboModule):
    """Minimises -L_dvae: the encoder sees a corrupted x~, the decoder explains the clean x (Im et al. 2017).

    ``dvae_bound`` is L_dvae; elbo, rate and distortion are those of the clean input, as of every other model.

    Args:
        num_corruptions: M, corruptions of each datum.
        num_samples: K, draws of z for each of them; all M x K bounds are averaged.
        **base: see `ElboModule`.
    """

    def __init__(self, num_corruptions: int = 1, num_samples: int = 1, **base: Any) -> None:
        super().__init__(**base)
        reason = "a denoising VAE needs densities that corrupt their data"
        check_densities(self.densities, Corrupting, choose("model", "dvae"), reason)
        check_one_likelihood(self.densities, "a denoising VAE, which has one of clean and one of corrupted inputs,")
        self.corruption_shape = draws_shape("num_corruptions", num_corruptions)
        self.shape = draws_shape("num_samples", num_samples)

    @override
    def loss(self, batch: Batch) -> Loss:
        """-L_dvae, nats per datum. The clean-input bound, without a gradient, costs a quarter of a step."""
        with torch.no_grad():
            clean = summary(self.densities.terms(batch.x, *batch.given))
        terms = self._corrupted_terms(batch)
        return Loss(negative_elbo(terms), clean | _bound(terms), additive=not terms.fitted)

    @override
    def players(self) -> list[Player]:
        return one_player(self)

    @override
    def report(self, batch: Batch) -> dict[str, Tensor]:
        """elbo, rate and distortion of the clean input, and dvae_bound."""
        return summary(self.densities.terms(batch.x, *batch.given)) | _bound(self._corrupted_terms(batch))

    def _corrupted_terms(self, batch: Batch) -> Terms:
        shapes = {"corruption_shape": self.corruption_shape, "shape": self.shape}
        return corrupted_terms(self.densities, batch.x, *batch.given, **shapes)


def _bound(terms: Terms) -> dict[str, Tensor]:
    """``dvae_bound``; nothing where the latent is relaxed or the scale is fitted, because there it is no bound."""
    bound = summary(terms).get("elbo")
    return {} if bound is None else {"dvae_bound": bound}
