"""Importance-weighted autoencoders: IWAE (Burda et al. 2016), MIWAE and CIWAE (Rainforth et al. 2018).

Shapes: K = samples of a bound, M = bounds, B = data in a batch.
"""

from dataclasses import replace
from math import log
from typing import Any, final

import torch
from torch import Tensor
from typing_extensions import override

from elbolab.batch import Batch, Semi, rows_of
from elbolab.densities.terms import add_penalty, summary
from elbolab.models.base import ElboModule, Loss, Player, one_player
from elbolab.models.checks import check_estimator


@final
class IWAE(ElboModule):
    """Maximises (1 - beta) mean_m log 1/K sum_k w_mk + beta mean_mk log w_mk, w = p(x, z) / q(z | x).

    IWAE is M = 1 and beta = 0 (Burda et al. 2016, eq. 8), MIWAE M > 1 (Rainforth et al. 2018, eq. 10) and CIWAE
    beta > 0 (eq. 12), which with beta = 1 is the ELBO.

    Args:
        num_samples: K.
        num_bounds: M.
        elbo_weight: beta, from 0 to 1.
        estimator: of the gradient: ``standard``, ``stl`` or ``dreg``; see `elbolab.densities.estimators`.
        **base: see `ElboModule`.

    Raises:
        Refusal: an estimator that there is not, or a posterior whose density it cannot take.
        ValueError: a number out of its range.
    """

    takes = (Batch, Semi)

    def __init__(
        self,
        num_samples: int = 5,
        num_bounds: int = 1,
        elbo_weight: float = 0.0,
        estimator: str = "standard",
        **base: Any,
    ) -> None:
        super().__init__(**base)
        for name, number in {"num_samples": num_samples, "num_bounds": num_bounds}.items():
            if number < 1:
                raise ValueError(f"model.{name}={number}: a bound needs at least one draw of z")
        if not 0 <= elbo_weight <= 1:
            raise ValueError(f"model.elbo_weight={elbo_weight}: a number from 0, the IWAE bound, to 1, the ELBO")
        self.estimate = check_estimator(estimator, self.densities)
        self.num_samples, self.num_bounds, self.elbo_weight = num_samples, num_bounds, elbo_weight

    @override
    def loss(self, batch: Batch | Semi) -> Loss:
        data = rows_of(batch)
        path_weights: list[Tensor] = []
        latents = self.densities.infer(data.x, *data.given, shape=(self.num_samples, self.num_bounds))
        terms = self.densities.score(data.x, self.estimate(latents, lambda: path_weights[0]), *data.given)
        log_w = terms.log_weight
        # d bound / d log w_k = beta / K + (1 - beta) share_k, of which DReG takes the second part share_k times
        share = log_w.detach().softmax(0)
        of_elbo, of_iwae = self.elbo_weight / self.num_samples, 1 - self.elbo_weight
        weight = of_elbo + of_iwae * share
        path_weights.append((of_elbo + of_iwae * share.square()) / weight.clamp(torch.finfo(weight.dtype).tiny))
        iwae = iwae_bound(log_w)
        bound = of_iwae * iwae + self.elbo_weight * log_w.mean(0)
        logged = summary(replace(terms, latents=latents)) | (
            {} if terms.fitted else {"iwae_bound": iwae.detach().mean()}
        )
        return Loss(add_penalty(-bound, terms.penalty).mean(), logged, additive=not terms.fitted)

    @override
    def players(self) -> list[Player]:
        return one_player(self)

    @override
    def report(self, batch: Batch) -> dict[str, Tensor]:
        """elbo, rate, distortion, and the bound of K samples."""
        terms = self.densities.terms(batch.x, *batch.given, shape=(self.num_samples,))
        return summary(terms) | {"iwae_bound": iwae_bound(terms.log_weight).mean()}


def iwae_bound(log_w: Tensor) -> Tensor:
    """Log 1/K sum_k w_k over the first dimension, in nats (Burda et al. 2016, eq. 8)."""
    return log_w.logsumexp(0) - log(len(log_w))
