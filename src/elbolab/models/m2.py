"""Semi-supervised learning with a deep generative model of class and style: M2 and M1+M2 (Kingma et al. 2014)."""

from math import inf
from typing import Any, final

from torch import Tensor
from typing_extensions import override

from elbolab.batch import Batch, Semi, ask_for_labels
from elbolab.common.refusal import Refusal, choose
from elbolab.densities.base import Densities
from elbolab.densities.class_terms import Enumerating, sum_over_classes
from elbolab.densities.terms import add_penalty
from elbolab.metrics.classification import is_wrong
from elbolab.models.base import ElboModule, Loss, Player, one_player
from elbolab.training.scales import check_one_likelihood
from elbolab.training.schedules import Schedule, as_schedule


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

    Raises:
        Refusal: the densities have no latent class, or a scale that is fitted at each step.
        ValueError: alpha is negative or not finite.
    """

    takes = (Semi,)

    def __init__(self, alpha: float | Schedule, **base: Any) -> None:
        super().__init__(**base)
        if isinstance(alpha, int | float) and not 0 <= alpha < inf:
            raise ValueError(f"model.alpha={alpha}: choose a finite number that is not negative")
        check_one_likelihood(check_enumerating(self.densities), "model=m2")
        self.alpha = as_schedule(alpha)

    @override
    def loss(self, batch: Semi) -> Loss:
        """(sum U + sum L + alpha N mean[-log q(y | x)]) / N, nats per datum.

        Raises:
            Refusal: the batch is not semi-supervised.
        """
        labelled, unlabelled, share, _ = check_semi(batch)
        assert labelled.y is not None, "labelled data have labels"
        densities = check_enumerating(self.densities)
        u = sum_over_classes(densities.class_terms(unlabelled.x))
        l = densities.labelled_terms(labelled.x, labelled.y)
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
        terms = check_enumerating(self.densities).class_terms(batch.x)
        error = {} if batch.y is None else {"error": is_wrong(terms.log_q.T, batch.y).mean()}
        return sum_over_classes(terms).means() | error


def check_enumerating(densities: Densities) -> Enumerating:
    """The densities; raises Refusal where they have no bound at every class."""
    if not isinstance(densities, Enumerating):
        raise Refusal("M2 sums its bound over classes, and these densities have none", choose("model", "m2", "m1_m2"))
    return densities


def check_semi(batch: Any) -> Semi:
    """The batch; raises Refusal where it has no part with labels."""
    if not isinstance(batch, Semi):
        raise ask_for_labels()
    return batch
