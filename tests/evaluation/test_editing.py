"""Edits of attributes, on models that do as they are told, and on some that do not."""

import numpy as np
import pytest
import torch
from tests.evaluation.registry import measure
from tests.helpers import small_densities
from torch.distributions import Independent, Normal

from elbolab.batch import Batch, Spec, Support
from elbolab.densities.latents import Undefined
from elbolab.densities.layer import single_layer
from elbolab.distributions.conditional import Conditional, StandardNormal
from elbolab.evaluation.editing import Editing, edit_attributes, set_value, sizes_of, values_of
from elbolab.evaluation.figures.conditional import edits

SIZES = (2, 3)
SPEC = Spec((5,), Support.REAL, given=((5,),), factors=SIZES)


class Around(Conditional):
    """N(mean of parents, scale^2): what ``choose`` picks of the parents."""

    def __init__(self, choose, scale):
        super().__init__()
        self.choose, self.scale = choose, scale

    def forward(self, *parents):
        loc = self.choose(*parents)
        return Independent(Normal(loc, torch.full_like(loc, self.scale)), 1)


def model(prior=lambda y: y, likelihood=lambda z, y: z):
    """z ~ N(y, 1), x ~ N(z, 0.1^2), the code of x is x: data are their attributes with an individual offset."""
    parts = (prior, 1.0), (lambda x, y: x, 0.1), (likelihood, 0.1)
    return single_layer(SPEC, 5, *(lambda *_, part=part: Around(*part) for part in parts))


def data(num, seed=0):
    g = torch.Generator().manual_seed(seed)
    factors = torch.stack([torch.randint(size, (num,), generator=g) for size in SIZES], 1)
    y = torch.cat([torch.nn.functional.one_hot(f, s) for f, s in zip(factors.T, SIZES, strict=True)], 1).float()
    x = y + 0.15 * torch.randn(num, 5, generator=g)
    return [Batch(x[s], (y[s],), factors=factors[s]) for s in (slice(num // 2), slice(num // 2, num))]


def measured(densities, num=60):
    return measure(Editing(600, num_eval=num), densities, data(num, 1), train=data(600))


def test_an_edit_moves_the_code_by_the_means_of_the_prior_and_keeps_what_is_individual():
    (batch, _) = data(10)
    (y,) = batch.given
    wanted = set_value(y, SIZES, 1, torch.full((5,), 2))
    assert torch.equal(values_of(wanted, SIZES), torch.stack([batch.factors[:, 0], torch.full((5,), 2)], 1))
    p = edit_attributes(model(), batch.x, (y,), (wanted,))
    torch.testing.assert_close(p.mean, batch.x + wanted - y)


def test_where_the_prior_knows_no_attributes_the_likelihood_is_told_of_them():
    """A label-conditional CVAE: the same code under other conditions."""
    (batch, _) = data(10)
    (y,) = batch.given
    exchange = model(prior=torch.zeros_like, likelihood=lambda z, y: z + 2 * y)
    wanted = set_value(y, SIZES, 0, torch.zeros(5, dtype=torch.long))
    torch.testing.assert_close(edit_attributes(exchange, batch.x, (y,), (wanted,)).mean, batch.x + 2 * wanted)


def test_edits_that_do_as_they_are_told_are_read_so():
    found = measured(model())
    assert found["edit_accuracy"].value > 0.95
    assert found["edit_classifier_accuracy"].value > 0.95
    assert found["edit_accuracy"].n == 60
    for name in ("edit_accuracy", "edit_classifier_accuracy"):
        assert found[name].value == pytest.approx(np.mean(found[f"{name}_by_factor"].value))
        assert len(found[f"{name}_by_factor"].value) == 2


def test_edits_without_effect_are_read_as_what_the_data_were():
    deaf = measured(model(prior=torch.zeros_like))
    assert deaf["edit_accuracy"].value < 0.05
    assert deaf["edit_classifier_accuracy"].value > 0.95


def test_one_factor_that_is_not_heard_shows_by_factor():
    first_alone = model(prior=lambda y: torch.cat([y[..., :2], torch.zeros_like(y[..., 2:])], -1))
    heard, unheard = measured(first_alone)["edit_accuracy_by_factor"].value
    assert heard > 0.95
    assert unheard < 0.05


def test_the_same_seed_gives_the_same_numbers_and_leaves_the_generator_alone():
    torch.manual_seed(7)
    state = torch.get_rng_state()
    first = measured(model(), 20)
    assert torch.equal(torch.get_rng_state(), state)
    assert measured(model(), 20) == first


@pytest.mark.parametrize("spec", [SPEC._replace(factors=()), SPEC._replace(given=((4,),)), SPEC._replace(given=())])
def test_conditions_that_are_no_factors_are_not_edited(spec):
    with pytest.raises(Undefined, match="data.given=factors"):
        sizes_of(spec)
    with pytest.raises(Undefined):
        measure(Editing(1, num_eval=1), small_densities(), [], train=[])


def test_the_picture_has_a_row_an_attribute_and_the_datum_first():
    (batch, _) = data(10)
    (axes,) = edits(model(), batch, seed=0).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["factor 0", "factor 1"]
    assert len(axes.collections[0].get_segments()) == 2 * 11


def test_an_unknown_mean_of_the_prior_leaves_edits_out():
    class Meanless(Normal):
        @property
        def mean(self):
            raise NotImplementedError("no mean")

    class Prior(Conditional):
        def forward(self, y):
            return Independent(Meanless(y, torch.ones_like(y)), 1)

    densities = single_layer(SPEC, 5, StandardNormal, *(lambda *_: Around(lambda x, y: x, 0.1),) * 2)
    densities.prior = Prior()
    with pytest.raises(Undefined, match="the mean of this prior is not known"):
        measured(densities, 4)
