"""The partially importance-weighted autoencoder (PIWAE: Rainforth et al. 2018, section 4).

Shapes: K = samples of a bound, M = bounds.
"""

from typing import Any, final

from torch import Tensor
from typing_extensions import override

from elbolab.batch import Batch, Semi, rows_of
from elbolab.common.refusal import Refusal, choose
from elbolab.densities.capabilities import Inferring
from elbolab.densities.terms import add_penalty, summary
from elbolab.models.base import ElboModule, Loss, Player
from elbolab.models.checks import check_estimator
from elbolab.models.iwae import iwae_bound
from elbolab.training.player import trainable


@final
class PIWAE(ElboModule):
    """The posterior maximises the mean of M bounds of K samples, prior and likelihood one bound of M K samples.

    More samples make the bound tighter and the posterior's gradient noisier: each part gets the bound that suits it, in
    a step of its own on every batch.

    Args:
        num_samples: K.
        num_bounds: M.
        **base: see `ElboModule`.

    Raises:
        Refusal: no posterior of its own, or one without the weights that a bound needs.
        ValueError: K or M below 1.
    """

    takes = (Batch, Semi)

    def __init__(self, num_samples: int = 8, num_bounds: int = 8, **base: Any) -> None:
        super().__init__(**base)
        for name, number in {"num_samples": num_samples, "num_bounds": num_bounds}.items():
            if number < 1:
                raise ValueError(f"model.{name}={number}: a bound needs at least one draw of z")
        check_estimator("standard", self.densities)
        if not isinstance(self.densities, Inferring) or self.densities.posterior is None:
            raise Refusal(
                "this model trains the posterior apart from the rest",
                choose("densities", "single_layer", "two_layer", "bottom_up"),
                choose("model", "iwae"),
            )
        self.encoder = trainable(self.densities.posterior)
        own = {id(parameter) for parameter in self.encoder}
        self.decoder = [parameter for parameter in trainable(self.densities) if id(parameter) not in own]
        self.num_samples, self.num_bounds = num_samples, num_bounds

    @override
    def loss(self, batch: Batch | Semi) -> Loss:
        """Minus one bound of M K samples."""
        return self._loss(batch, self.num_samples * self.num_bounds, 1)

    def encoder_loss(self, batch: Batch | Semi) -> Loss:
        """Minus the mean of M bounds of K samples."""
        return self._loss(batch, self.num_samples, self.num_bounds)

    def _loss(self, batch: Batch | Semi, num_samples: int, num_bounds: int) -> Loss:
        data = rows_of(batch)
        terms = self.densities.terms(data.x, *data.given, shape=(num_samples, num_bounds))
        bound = iwae_bound(terms.log_weight)
        logged = summary(terms) | ({} if terms.fitted else {"iwae_bound": bound.detach().mean()})
        return Loss(add_penalty(-bound, terms.penalty).mean(), logged, additive=not terms.fitted)

    @override
    def players(self) -> list[Player]:
        return [
            Player(self.encoder_loss, self.encoder, self.optimizer, "encoder"),
            Player(self.loss, self.decoder, self.optimizer),
        ]

    @override
    def report(self, batch: Batch) -> dict[str, Tensor]:
        """elbo, rate, distortion, and the bound of M K samples."""
        terms = self.densities.terms(batch.x, *batch.given, shape=(self.num_samples * self.num_bounds,))
        return summary(terms) | {"iwae_bound": iwae_bound(terms.log_weight).mean()}
