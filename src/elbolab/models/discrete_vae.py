"""Variational autoencoders with discrete latents, trained by the score of the posterior.

Shapes: K = samples, B = data in a batch.
"""

from typing import Any, final

import torch
from torch import Tensor, nn
from typing_extensions import override

from elbolab.batch import Batch, Net, Semi, rows_of
from elbolab.densities.terms import add_penalty, summary
from elbolab.models.base import ElboModule, Loss, Player
from elbolab.models.checks import check_score_function
from elbolab.models.players import MakeOptimizer
from elbolab.nets.precision import run
from elbolab.training.player import trainable


@final
class DiscreteVAE(ElboModule):
    """Maximises a bound of K samples whose posterior learns by its score, which needs no gradient through draws.

    Args:
        num_samples: K.
        estimator: ``nvil``, ``rloo``, ``disarm``, of the ELBO, or ``vimco``, of the bound of K samples; see
            `elbolab.densities.score_function`.
        baseline: recipe of a network of x whose output is subtracted from what the score is weighted with; None: 0.
        baseline_optimizer: parameters -> optimiser, of the baseline.
        **base: see `ElboModule`.

    Raises:
        Refusal: an estimator that there is not, too few samples for it, or latents that are not discrete.
    """

    takes = (Batch, Semi)

    def __init__(
        self,
        num_samples: int,
        estimator: str,
        baseline: Net | None,
        baseline_optimizer: MakeOptimizer,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.estimate = check_score_function(estimator, num_samples, self.densities)
        self.num_samples, self.baseline_optimizer = num_samples, baseline_optimizer
        self.baseline: nn.Module | None = None if baseline is None else baseline((self.densities.spec.x,), (1,))

    @override
    def loss(self, batch: Batch | Semi) -> Loss:
        data = rows_of(batch)
        latents = self.densities.infer(data.x, *data.given, shape=(self.num_samples,), draw=self.estimate.draw)
        terms = self.densities.score(data.x, latents, *data.given)
        bound = self.estimate.bound(terms, self._baseline(data.x))
        return Loss(add_penalty(-bound, terms.penalty).mean(), summary(terms) | {"bound": bound.detach().mean()})

    @torch.no_grad()
    def _log_weight(self, data: Batch) -> Tensor:
        return self.densities.terms(data.x, *data.given).log_weight

    def _baseline(self, x: Tensor) -> Tensor:
        return x.new_zeros(len(x)) if self.baseline is None else run(self.baseline, x)[..., 0]

    def baseline_loss(self, batch: Batch | Semi) -> Loss:
        """Squared error of the baseline as an estimate of log p(x, z) - log q(z | x)."""
        data = rows_of(batch)
        error = self._baseline(data.x) - self._log_weight(data)
        return Loss(error.square().mean(), {})

    @override
    def players(self) -> list[Player]:
        players = [Player(self.loss, trainable(self.densities), self.optimizer)]
        if self.baseline is not None:
            players.append(Player(self.baseline_loss, trainable(self.baseline), self.baseline_optimizer, "baseline"))
        return players

    @override
    def report(self, batch: Batch) -> dict[str, Tensor]:
        """elbo, rate and distortion."""
        return summary(self.densities.terms(batch.x, *batch.given))
