"""Bits per dimension: of probabilities of several levels alone."""

from math import log

import pytest
import torch
from tests.evaluation.binary_vae import BINARY, bernoulli_vae, binary_batches
from tests.evaluation.registry import measure
from torch.distributions import Distribution, Independent, Normal

from elbolab.batch import Batch, Spec, Support
from elbolab.distributions.conditional import Conditional
from elbolab.evaluation.likelihood import Likelihood

pytestmark = pytest.mark.usefixtures("float64")


class Grid(Conditional):
    """A uniform distribution over four levels, for any latent."""

    def __init__(self, parents, event):
        super().__init__()
        self.event = event

    def forward(self, z):
        return Independent(Levels(torch.zeros(*z.shape[:-1], *self.event)), len(self.event))


class Levels(Distribution):
    """Each element is one of 0, 1/3, 2/3, 1."""

    arg_constraints = {}
    support = torch.distributions.constraints.integer_interval(0, 1)

    def __init__(self, zeros):
        super().__init__(zeros.shape, validate_args=False)
        self.zeros = zeros

    def log_prob(self, value):
        return self.zeros + torch.zeros_like(value) - log(4)


@pytest.mark.parametrize(("levels", "expected"), [(4, 2.0), (None, None), (2, None)])
def test_bits_per_dim_only_for_probabilities_of_several_levels(levels, expected):
    densities = bernoulli_vae()
    densities.likelihood = Grid((), (9,))
    densities.spec = Spec((9,), Support.UNIT, levels)
    densities.posterior = Prior()
    quantities = measure(Likelihood(2), densities, binary_batches())
    assert ("bits_per_dim" in quantities) == (expected is not None)
    if expected is not None:
        assert quantities["bits_per_dim"].value == pytest.approx(expected)
        assert quantities["bits_per_dim"].kind.unit == "bits/dim"


def test_bits_are_per_dimension_and_not_per_channel():
    densities = bernoulli_vae(spec=BINARY._replace(x=(3, 2, 2)))
    densities.spec = densities.spec._replace(support=Support.UNIT, levels=4)
    densities.likelihood, densities.posterior = Grid((), (3, 2, 2)), Prior()
    quantities = measure(Likelihood(2), densities, [Batch(torch.rand(8, 3, 2, 2).round())])
    assert quantities["bits_per_dim"].value == pytest.approx(2.0)


class Prior(Conditional):
    def forward(self, x):
        return Independent(Normal(torch.zeros(len(x), 3), torch.ones(len(x), 3)), 1)
