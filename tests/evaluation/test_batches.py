"""Which data a measurement is made of."""

import torch

from elbolab.batch import Batch
from elbolab.evaluation.batches import choose_data, choose_rows


def test_rows_are_chosen_by_the_seed_without_repetition_and_in_order():
    rows = choose_rows(100, 30, seed=0).tolist()
    assert sorted(set(rows)) == rows
    assert len(rows) == 30
    assert rows == choose_rows(100, 30, seed=0).tolist()
    assert rows != choose_rows(100, 30, seed=1).tolist()
    assert choose_rows(30, 30, seed=0).tolist() == list(range(30))


def test_every_row_is_chosen_as_often_as_any_other():
    counts = torch.stack([torch.bincount(choose_rows(10, 4, seed), minlength=10) for seed in range(500)]).sum(0)
    # 5 standard errors of 500 draws with probability 0.4
    assert (counts - 200).abs().max() < 55


def test_a_choice_is_one_of_the_whole_data_however_they_are_batched():
    x = torch.arange(60.0)[:, None]
    whole = Batch(x, (2 * x,), torch.arange(60), torch.arange(60)[:, None])
    for size in (60, 25, 7):
        parts = [
            Batch(x[i : i + size], (2 * x[i : i + size],), whole.y[i : i + size], whole.factors[i : i + size])
            for i in range(0, 60, size)
        ]
        found = list(choose_data(parts, 11, seed=3))
        rows = torch.cat([part.x for part in found])[:, 0].long()
        assert torch.equal(rows, choose_rows(60, 11, seed=3))
        assert torch.equal(torch.cat([part.given[0] for part in found])[:, 0].long(), 2 * rows)
        assert torch.equal(torch.cat([part.y for part in found]), rows)
        assert torch.equal(torch.cat([part.factors for part in found])[:, 0], rows)


def test_few_data_are_all_chosen():
    batches = [Batch(torch.ones(3, 2)), Batch(torch.zeros(2, 2))]
    assert [len(batch.x) for batch in choose_data(batches, 5, seed=0)] == [3, 2]
    assert [batch.y for batch in choose_data(batches, 5, seed=0)] == [None, None]
