"""What is said before training of parts that fit each other and mean something else than it seems."""

import pytest
from tests.helpers import BITS, Bits, adam, small_densities

from elbolab.cli.checks import warn_of_density
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.models.vae import VAE

SAID = "compare with no bound or NLL of a Bernoulli likelihood"


@pytest.mark.parametrize(("family", "num"), [(Bernoulli, 0), (DiagonalNormal, 1)])
def test_a_density_of_binary_data_is_said_to_be_one(caplog, family, num):
    model = VAE(densities=small_densities(BITS, family=family), optimizer=adam())
    warn_of_density(model, Bits(batch_size=10))
    assert caplog.text.count(SAID) == num
