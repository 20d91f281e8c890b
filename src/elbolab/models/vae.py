"""The variational autoencoder (Kingma & Welling 2014; Rezende et al. 2014)."""

from typing import Any, final

from torch import Tensor

from elbolab.batch import Batch
from elbolab.densities.terms import negative_elbo, summary
from elbolab.models.base import ElboModule, Loss, Player
from elbolab.models.players import one_player


@final
class VAE(ElboModule):
    """Minimises -ELBO = distortion + rate (Kingma & Welling 2014, Eq. 3).

    Args:
        num_samples: draws of z per datum whose bounds are averaged (L in the paper).
        **base: see `ElboModule`.

    Raises:
        ValueError: num_samples below 1.
    """

    def __init__(self, num_samples: int = 1, **base: Any) -> None:
        super().__init__(**base)
        if num_samples < 1:
            raise ValueError(f"model.num_samples={num_samples}: a bound needs at least one draw of z")
        self.shape = () if num_samples == 1 else (num_samples,)

    def loss(self, batch: Batch) -> Loss:
        """-ELBO, nats per datum."""
        terms = self.densities.terms(batch.x, *batch.given, shape=self.shape)
        return Loss(negative_elbo(terms), summary(terms), additive=not terms.fitted)

    def players(self) -> list[Player]:
        """One player."""
        return one_player(self)

    def report(self, batch: Batch) -> dict[str, Tensor]:
        """elbo, rate and distortion."""
        return summary(self.densities.terms(batch.x, *batch.given))
