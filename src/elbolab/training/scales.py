"""Scales that no gradient moves: they are fitted in closed form, to the model as it is validated and saved.

A running average of what training saw would be that of weights gone by, and with a weight average those of another
model. Of a VAE of four Gaussians after 400 steps (val/elbo; Adam 0.01, one hidden layer of 32):

==============================================  =======  ==========  ===========
scale                                           no EMA   EMA 0.99    EMA 0.999
==============================================  =======  ==========  ===========
of the latest 100 batches, raw weights           -2.42    -2.14       -7.72
the same, averaged as the weights are            -2.42    -2.99       -3.05
of the model's own errors (this file)            -1.53    -1.76       -2.91
==============================================  =======  ==========  ===========
"""

from collections.abc import Iterable
from contextlib import ExitStack

import torch
from torch.distributed import all_reduce

from elbolab.batch import Batch
from elbolab.common.refusal import Refusal, choose
from elbolab.densities.base import Densities
from elbolab.densities.checks import in_evaluation_mode
from elbolab.distributions.location_scale import OptimalNormal

NUM_FIT = 5_000
"""Training data that scales are fitted to: on MNIST the bound is then 0.01 nats from that of all of them."""


def fitted_scales(densities: Densities) -> list[OptimalNormal]:
    """The scales of ``densities`` that are fitted, but for those of its frozen parts."""
    parts = (part for part in densities.modules() if isinstance(part, Densities) and part.frozen)
    frozen = {id(module) for part in parts for module in part.modules()}
    return [m for m in densities.modules() if isinstance(m, OptimalNormal) and id(m) not in frozen]


def check_one_likelihood(densities: Densities, what: str) -> None:
    """Raises ValueError where a loss asks for log-likelihoods more than once a step, and each would have its own scale.

    ``what`` is the option that asks so, ``model.alpha below 1``, with what to choose instead of it.
    """
    if fitted_scales(densities):
        raise Refusal(
            f"an optimal scale is one a step, of all errors in it, and {what} weighs several log-likelihoods against "
            "each other",
            choose("likelihood", "gaussian_learned"),
        )


@torch.no_grad()
def fit_scales(densities: Densities, batches: Iterable[Batch], world: int = 1) -> None:
    """Sets every fitted scale to the one that maximises the bound on these data: the root of their mean squared error.

    The errors are those of the model in evaluation mode, with one draw of its latents for every datum, summed over the
    ranks, of which each has its part of the training data. Nothing happens where no scale is fitted.
    """
    families = fitted_scales(densities)
    if not families:
        return
    with ExitStack() as stack:
        errors = [stack.enter_context(family.collecting()) for family in families]
        stack.enter_context(in_evaluation_mode(densities))
        for batch in batches:
            densities.terms(batch.x, *batch.given)
    for family, sums in zip(families, errors, strict=True):
        if world > 1:
            all_reduce(sums)
        family.variance.copy_((sums[0] / sums[1]).clamp_min(family.min_scale**2))
