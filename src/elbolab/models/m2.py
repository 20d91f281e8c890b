"""Semi-supervised learning with a deep generative model of class and style: M2 and M1+M2 (Kingma et al. 2014)."""

from typing import Any, final

from torch import Tensor
from typing_extensions import override

from elbolab.batch import Batch, Semi
from elbolab.common.refusal import choose
from elbolab.densities.class_terms import Enumerating, sum_over_classes
from elbolab.densities.terms import add_penalty
from elbolab.metrics.classification import is_wrong
from elbolab.models.base import ElboModule, Loss, Player, one_player
from elbolab.models.checks import check_densities, check_semi
from elbolab.training.scales import check_one_likelihood
from elbolab.training.schedules import Schedule, weight_of


@final
class M2(ElboModule):
    """Minimises the objective of Kingma et al. (2014), Eq. 9, divided by N, estimated on one minibatch.

    Its three parts are a mean over all data, labelled ones included, and two means over labelled data::

        mean U(x) + N_lab / N * mean L(x, y) + alpha * mean [-log q(y | x)]

    U sums the bound over every class (Eq. 7), L takes it at the label (Eq. 6). Each mean is estimated by the
    minibatch's own, so alpha means the same at any ratio of labelled to unlabelled data. The paper's weight is
    alpha * N on the mean over labelled data, with its alpha = 0.1 that of here.

    Args:
        alpha: weight of the classification term, a number or a schedule.
        **base: see `ElboModule`.
    """

    densities: Enumerating
    takes = (Semi,)

    def __init__(self, alpha: float | Schedule, **base: Any) -> None:
        super().__init__(**base)
        self.alpha = weight_of("model.alpha", alpha)
        reason = "M2 sums its bound over classes, and these densities have none"
        check_densities(self.densities, Enumerating, choose("model", "m2", "m1_m2"), reason)
        check_one_likelihood(self.densities, "model=m2")

    @override
    def loss(self, batch: Semi) -> Loss:
        """(sum U + sum L + alpha N mean[-log q(y | x)]) / N, nats per datum."""
        labelled, unlabelled, share, _ = check_semi(batch)
        assert labelled.y is not None, "labelled data have labels"
        u = sum_over_classes(self.densities.class_terms(unlabelled.x))
        l = self.densities.labelled_terms(labelled.x, labelled.y)
        alpha, classification = self.alpha(self.step), -batch.labelled_mean(l.log_q)
        of_all, of_labelled = add_penalty(-u.elbo, u.penalty), add_penalty(-l.elbo, l.penalty)
        value = of_all.mean() + batch.labelled_mean(share * of_labelled) + alpha * classification
        labelled_elbo = batch.labelled_mean(l.elbo)
        supervised = {"labelled_elbo": labelled_elbo, "classification": classification, "alpha": alpha}
        return Loss(value, u.means() | supervised)

    @override
    def players(self) -> list[Player]:
        return one_player(self)

    @override
    def report(self, batch: Batch) -> dict[str, Tensor]:
        """elbo, rate and distortion of the exact sum over classes; the classification error where labels are there."""
        terms = self.densities.class_terms(batch.x)
        error = {} if batch.y is None else {"error": is_wrong(terms.log_q.T, batch.y).mean()}
        return sum_over_classes(terms).means() | error
