"""Means over the data of steps and ranks."""

from math import inf

import pytest
import torch

from elbolab.training import stepper
from elbolab.training.guard import LossNotFinite, NotFinite
from elbolab.training.stepper import Tally


@pytest.fixture
def two_ranks(monkeypatch):
    """Another rank that has seen the same: what is summed over ranks doubles."""
    monkeypatch.setattr(stepper, "all_reduce", lambda sums: sums.mul_(2))


def filled(forgiving, rows):
    means = Tally(forgiving)
    for row in rows:
        means.add({"loss": torch.tensor(row[0]), "elbo": torch.tensor(row[1])}, size=4)
    return means


ROWS = [(1.0, -4.0), (2.0, -5.0), (6.0, -9.0)]


@pytest.mark.parametrize("forgiving", [False, True])
def test_a_mean_over_ranks_is_no_sum(forgiving, two_ranks):
    assert filled(forgiving, ROWS).means(3, world=2) == pytest.approx({"loss": 3, "elbo": -6})


@pytest.mark.parametrize("forgiving", [False, True])
def test_a_block_forgets_the_one_before(forgiving):
    means = filled(forgiving, ROWS)
    means.clear()
    means.add({"loss": torch.tensor(8.0), "elbo": torch.tensor(1.0)}, size=2)
    assert means.means(3, world=1) == {"loss": 8, "elbo": 1}


def test_what_is_not_finite_is_left_out_of_its_own_mean_alone():
    rows = [*ROWS, (float("nan"), -2.0), (3.0, float("-inf"))]
    assert filled(True, rows).means(3, world=1) == pytest.approx({"loss": 3, "elbo": -5})
    with pytest.raises(NotFinite, match=r"at step 4, in loss \(before it loss=3"):
        filled(False, rows).means(5, world=1)


@pytest.mark.parametrize("world", [1, 2])
def test_the_first_quantity_that_is_not_finite_is_named_with_its_step(world, two_ranks):
    nan = float("nan")
    with pytest.raises(LossNotFinite) as caught:
        filled(False, [*ROWS, (5.0, -inf), (nan, -1.0), (nan, nan)]).means(6, world=world)
    assert (caught.value.step, caught.value.first, caught.value.before["loss"]) == (4, ("elbo",), pytest.approx(3.5))
    assert (caught.value.after(100).step, caught.value.after(100).first) == (104, ("elbo",))


def test_a_short_last_batch_does_not_move_the_step():
    means = Tally(forgiving=False)
    for size, loss in ((4, 1.0), (4, inf), (1, inf)):
        means.add({"loss": torch.tensor(loss)}, size)
    with pytest.raises(LossNotFinite, match="at step 2"):
        means.means(3, world=1)


def test_the_same_metrics_come_at_every_step():
    means = filled(False, ROWS)
    with pytest.raises(ValueError, match="same metrics at every step"):
        means.add({"loss": torch.tensor(1.0)}, size=4)
