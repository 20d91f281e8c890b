"""The supervised-only baseline of semi-supervised models: q(y | x) on labelled data alone."""

from typing import Any, final

from torch import Tensor
from typing_extensions import override

from elbolab.batch import Batch, Semi
from elbolab.common.refusal import choose
from elbolab.densities.capabilities import Classifying
from elbolab.metrics.classification import is_wrong
from elbolab.models.base import ElboModule, Loss, Player, one_player
from elbolab.models.checks import check_densities, check_labels


@final
class Classifier(ElboModule):
    """Minimises -log q(y | x) over labelled data; of a semi-supervised batch it sees the labelled part."""

    densities: Classifying
    takes = (Batch, Semi)

    def __init__(self, **base: Any) -> None:
        super().__init__(**base)
        check_densities(self.densities, Classifying, choose("model", "classifier"), "these densities name no classes")

    @override
    def loss(self, batch: Batch | Semi) -> Loss:
        x, y = labelled_part(batch)
        log_q = self.densities.log_class_probs(x)
        cost, error = -log_q.gather(1, y[:, None]).squeeze(1), is_wrong(log_q, y)
        if isinstance(batch, Semi):
            return Loss(batch.labelled_mean(cost), {"error": batch.labelled_mean(error)})
        return Loss(cost.mean(), {"error": error.mean()})

    @override
    def players(self) -> list[Player]:
        return one_player(self)

    @override
    def report(self, batch: Batch) -> dict[str, Tensor]:
        x, y = labelled_part(batch)
        log_q = self.densities.log_class_probs(x)
        return {"error": is_wrong(log_q, y).mean(), "classification": -log_q.gather(1, y[:, None]).mean()}


def labelled_part(batch: Batch | Semi) -> tuple[Tensor, Tensor]:
    """Data with labels, and these."""
    part = batch.labelled if isinstance(batch, Semi) else batch
    return part.x, check_labels(part)
