"""What classifiers read from a model's codes when few data are labelled (M1 of Kingma et al. 2014, section 2.1).

Shapes: R = draws of a code, N = labelled data, D = latent dimensions.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from typing_extensions import override

from elbolab.batch import Batch
from elbolab.common.kind import Kind
from elbolab.densities.base import Densities
from elbolab.densities.latents import Undefined
from elbolab.evaluation.measure import Data, Measure
from elbolab.evaluation.quantity import Quantity, means_of
from elbolab.evaluation.representation import codes
from elbolab.evaluation.seeded import evaluating
from elbolab.metrics.few_labels import few_label_errors

KINDS = {
    "error_knn": Kind("fraction", "lower", 140),
    "error_logistic": Kind("fraction", "lower", 150),
    "error_svm": Kind("fraction", "lower", 160),
}

DRAWS = 10
"""Codes drawn for each labelled datum."""

ROWS = 2_000
"""Codes that classifiers are fitted to, where so many draws give more: the cost of an SVM is quadratic."""

ACTIVE = 0.1
"""Least standard deviation of the codes of the labelled data in a dimension that classifiers see, as the authors'."""


@final
@dataclass(frozen=True)
class FewLabels(Measure):
    """error_knn, error_logistic and error_svm: the share of data whose class is misread from the code.

    Classifiers are fitted to draws z ~ q(z | x) of the labelled part of the training data, or to their codes where
    there is no q, and then classify the codes of the measured data. They see only dimensions whose codes vary over the
    labelled data: draws of the others are noise. Undefined without a labelled part of two classes, and without codes.
    """

    @override
    def __call__(self, densities: Densities, data: Data, split: str, seed: int) -> dict[str, Quantity]:
        if data.num_labelled is None:
            raise Undefined("no part of the data has labels of its own")
        labelled = data.batches("labelled")
        known, test = codes(densities, labelled), codes(densities, data.measured(split))
        if known.y is None or test.y is None or len(known.y.unique()) < 2 or known.z.shape[1] == 0:
            raise Undefined("classifiers of codes need labels of two classes, and codes")
        active = known.z.std(0, correction=0) > ACTIVE
        active = active if active.any() else torch.ones_like(active)
        num_draws = max(1, min(DRAWS, ROWS // len(known.y)))
        with evaluating(densities, "few labels", seed):
            draws = torch.cat([_draw_codes(densities, batch, num_draws).flatten(2).cpu() for batch in labelled], dim=1)
        arrays = draws[..., active].numpy(), known.y.numpy(), test.z[:, active].numpy(), test.y.numpy()
        errors = {f"error_{name}": torch.from_numpy(wrong) for name, wrong in few_label_errors(*arrays).items()}
        return means_of(errors, KINDS, k=None, seed=seed, dtype=test.z.dtype)


def _draw_codes(densities: Densities, batch: Batch, num: int) -> Tensor:
    """``num`` draws of each code, (R, N, *latent_shape), or the code itself, R = 1, where q has no density."""
    try:
        latent = densities.infer(batch.x, *batch.given, shape=(num,)).only()
        _ = latent.log_q
    except Undefined:
        return densities.encode(batch.x, *batch.given)[None]
    return latent.z
