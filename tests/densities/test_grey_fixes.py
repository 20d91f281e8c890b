"""What is advised where a Bernoulli meets values in [0, 1]: only what these data can follow."""

import pytest
from tests.helpers import refused, small_densities

from elbolab.batch import Spec, Support

CONTINUOUS = "choose likelihood=continuous_bernoulli or gaussian"
DISCRETE = f"{CONTINUOUS}, or choose likelihood=discretised_logistic or logistic_mixture"
BINARISE = "set data.binarize=dynamic, or "


@pytest.mark.parametrize(
    ("x", "levels", "fix"),
    [
        ((1, 4, 4), 256, f"{BINARISE}{DISCRETE}$"),
        ((16,), 256, f"{BINARISE}{DISCRETE}$"),
        ((1, 8, 8), 17, f"{BINARISE}{DISCRETE} with densities.likelihood.family.levels=17$"),
        ((3, 4, 4), 256, rf"\[0, 1\]: {DISCRETE}$"),
        ((1, 4, 4), None, rf"\[0, 1\]: {CONTINUOUS}$"),
    ],
)
def test_it_can_be_followed(x, levels, fix):
    with refused(fix):
        small_densities(Spec(x, Support.UNIT, levels))
