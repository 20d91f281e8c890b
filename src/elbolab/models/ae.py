"""The autoencoder: a code without a distribution. It has a distortion, and no bound."""

from typing import final

from torch import Tensor
from typing_extensions import override

from elbolab.batch import Batch
from elbolab.densities.base import Densities
from elbolab.densities.terms import add_penalty, summary
from elbolab.models.base import ElboModule, Loss, Player, one_player


@final
class AE(ElboModule):
    """Minimises the distortion -log p(x | z = f(x)).

    Whether it is linear, convolutional, tied or denoising is said by its densities and their nets. It has no ELBO:
    monitor its distortion.
    """

    @override
    def loss(self, batch: Batch) -> Loss:
        terms = self.densities.terms(batch.x, *batch.given)
        return Loss(add_penalty(terms.distortion, terms.penalty).mean(), summary(terms), additive=not terms.fitted)

    @override
    def players(self) -> list[Player]:
        return one_player(self)

    @override
    def report(self, batch: Batch) -> dict[str, Tensor]:
        return report_reconstruction(self.densities, batch)


def report_reconstruction(densities: Densities, batch: Batch) -> dict[str, Tensor]:
    """The distortion, and the squared error per element of the mean reconstruction."""
    z = densities.encode(batch.x, *batch.given)
    p = densities.decode(z, *batch.given)
    return {"distortion": -p.log_prob(batch.x).mean(), "mse": (p.mean - batch.x).square().mean()}
