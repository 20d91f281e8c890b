"""The model of one's own that the README shows: it takes costs as simply as a VAE does."""

import re
from pathlib import Path

import pytest
import torch
from tests.helpers import adam, fit, refused, small_densities
from tests.models.registry import autoencoder, batch_for

from elbolab.models.costs import Capacity, Rate

README = Path(__file__).parents[2] / "src" / "elbolab" / "models" / "README.md"


def shown(file):
    """What a file of the README defines."""
    (source,) = re.findall(rf"```python\n# file: {re.escape(file)}\n(.*?)```", README.read_text(), re.DOTALL)
    names = {}
    exec(source, names)
    return names


@pytest.fixture(scope="module")
def small_codes():
    return shown("small_codes.py")["SmallCodes"](weight=0.5)


def trimmed(costs=None, densities=small_densities, keep=0.75):
    torch.manual_seed(3)
    return shown("trimmed.py")["Trimmed"](keep, costs=costs, densities=densities(), optimizer=adam())


def test_it_pays_the_rate_and_its_costs_for_the_data_that_it_explains_best(small_codes):
    model = trimmed({"small_codes": small_codes})
    batch = batch_for(model)
    torch.manual_seed(0)
    loss = model.loss(batch)
    torch.manual_seed(0)
    terms = model.densities.terms(batch.x)
    square = terms.latents.only().z.square().sum(-1)
    best = (0.5 * square - terms.elbo).sort().values[:6]
    torch.testing.assert_close(loss.value, best.mean())
    assert not loss.additive
    assert loss.metrics["code_weight"] == 0.5
    torch.testing.assert_close(loss.metrics["small_codes"], square.mean())
    torch.testing.assert_close(loss.metrics["elbo"], terms.elbo.mean())


def test_a_cost_in_the_place_of_the_rate_is_paid_instead():
    model = trimmed({"rate": Rate(3.0)}, keep=1.0)
    batch = batch_for(model)
    torch.manual_seed(0)
    value = model.loss(batch).value
    torch.manual_seed(0)
    terms = model.densities.terms(batch.x)
    torch.testing.assert_close(value, (3 * terms.rate + terms.distortion).mean())


def test_costs_that_do_not_fit_are_refused(small_codes):
    with refused("rate and capacity each stand in the place of the rate"):
        trimmed({"rate": Rate(1.0), "capacity": Capacity(1.0, 1.0)})
    with refused("does not have what the cost rate is computed from"):
        trimmed({"rate": Rate(1.0)}, densities=autoencoder)


def test_it_trains():
    fit(trimmed(), max_steps=3)
