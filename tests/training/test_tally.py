"""Means over the data of steps and ranks."""

import pytest
import torch

from elbolab.training import tally
from elbolab.training.guard import NotFinite
from elbolab.training.tally import Tally


@pytest.fixture
def two_ranks(monkeypatch):
    """Another rank that has seen the same: what is summed over ranks doubles."""
    monkeypatch.setattr(tally, "all_reduce", lambda sums: sums.mul_(2))


def filled(forgiving, rows):
    means = Tally(forgiving)
    for row in rows:
        means.add({"loss": torch.tensor(row[0]), "elbo": torch.tensor(row[1])}, size=4)
    return means


ROWS = [(1.0, -4.0), (2.0, -5.0), (6.0, -9.0)]


@pytest.mark.parametrize("forgiving", [False, True])
def test_a_mean_over_ranks_is_no_sum(forgiving, two_ranks):
    assert filled(forgiving, ROWS).means(world=2) == pytest.approx({"loss": 3, "elbo": -6})


@pytest.mark.parametrize("forgiving", [False, True])
def test_a_block_forgets_the_one_before(forgiving):
    means = filled(forgiving, ROWS)
    means.clear()
    means.add({"loss": torch.tensor(8.0), "elbo": torch.tensor(1.0)}, size=2)
    assert means.means(world=1) == {"loss": 8, "elbo": 1}


def test_what_is_not_finite_is_left_out_of_its_own_mean_alone():
    rows = [*ROWS, (float("nan"), -2.0), (3.0, float("-inf"))]
    assert filled(True, rows).means(world=1) == pytest.approx({"loss": 3, "elbo": -5})
    with pytest.raises(NotFinite, match="loss=nan"):
        filled(False, rows).means(world=1)


def test_the_same_metrics_come_at_every_step():
    means = filled(False, ROWS)
    with pytest.raises(ValueError, match="same metrics at every step"):
        means.add({"loss": torch.tensor(1.0)}, size=4)
