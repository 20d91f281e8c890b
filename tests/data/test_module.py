"""What every data set does: batches from arrays, checks, options, ranks."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.helpers import refused

from elbolab.batch import Pace, Spec, Support, name_by_number
from elbolab.data.blocks import BlockLoader
from elbolab.data.module import DataModule
from elbolab.data.stream import StreamLoader
from elbolab.reading.splits import CHUNK, Arrays, Splits


class Small(DataModule):
    """100 + 23 + 17 data of two elements in five levels, drawn from in training; x[:, 0] tells them apart."""

    def __init__(self, spec: Spec | None = None, splits: Splits | None = None, **base):
        super().__init__(**({"batch_size": 10} | base))
        self._spec, self._splits, self.reads = spec, splits, 0

    def header(self):
        return self._spec or Spec((2,), Support.BINARY, levels=2, classes=name_by_number(3), factors=(7,))

    def load(self):
        self.reads += 1
        return self._splits or Splits(_split(100, draws=True), _split(23), _split(17))


def _split(num: int, draws: bool = False) -> Arrays:
    rng = np.random.default_rng(num)
    levels = 5 if draws else 2
    x = rng.integers(levels, size=(num, 2), dtype=np.uint8)
    return Arrays(x, rng.integers(3, size=num), rng.integers(7, size=(num, 1)), levels, draws)


def _real(num: int, step: float = 1.0, **values) -> Arrays:
    x = step * np.arange(2.0 * num).reshape(num, 2)
    for row, value in values.items():
        x[int(row[1:]), 1] = value
    return Arrays(x)


REAL = Spec((2,), Support.REAL)
LABELLED = Arrays(np.zeros((10, 2)), np.zeros(10, int))


def ranked(module: DataModule, world: int, rank: int, device: str = "cpu") -> DataModule:
    module.trainer = SimpleNamespace(
        world_size=world, global_rank=rank, strategy=SimpleNamespace(root_device=torch.device(device))
    )
    return module


def run(loader) -> list:
    return [batch for block in loader for batch in block]


def test_constructing_and_the_spec_read_nothing():
    data = Small(given="labels", root="/nowhere")
    assert data.spec.given == ((3,),)
    assert data.reads == 0
    assert data.splits is data.splits
    assert data.reads == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_batches_agree_with_the_spec(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        for split in Splits._fields:
            for batch in Small(given="labels", eval_batch_size=10).batches(split):
                assert batch.x.dtype == dtype
                assert batch.x.shape[1:] == (2,)
                assert set(batch.x.unique().tolist()) <= {0.0, 1.0}
                assert torch.equal(batch.given[0].argmax(1), batch.y)
                assert batch.given[0].dtype == dtype
                assert batch.given[0].sum(1).eq(1).all()
                assert batch.y.dtype == batch.factors.dtype == torch.int64
    finally:
        torch.set_default_dtype(before)


def test_rows_stay_together():
    data = Small(eval_batch_size=10)
    stored = data.splits.test
    batches = list(data.batches("test"))
    assert torch.equal(torch.cat([batch.x for batch in batches]), torch.from_numpy(stored.x).float())
    assert torch.cat([batch.y for batch in batches]).tolist() == stored.y.tolist()
    assert torch.cat([batch.factors for batch in batches]).tolist() == stored.factors.tolist()


def test_binary_draws_have_the_grey_value_as_probability():
    data, total, epochs = Small(batch_size=100), 0.0, 2000
    torch.manual_seed(0)
    loader = data.train_dataloader()
    for epoch in range(epochs):
        loader.set_epoch(epoch)
        total += run(loader)[0].x.mean(0) / epochs
    p = data.splits.train.x / 4
    assert torch.allclose(total, torch.as_tensor(p.mean(0), dtype=torch.float32), atol=5e-3)
    assert torch.allclose(data.train_mean(), torch.as_tensor(p.mean(0), dtype=torch.float32))


def test_real_data_that_are_large_have_an_accurate_mean():
    x = np.full((5000, 2), 1e4 + 0.25, np.float32)
    data = Small(REAL, Splits(Arrays(x), Arrays(x[:1]), Arrays(x[:1])))
    assert data.train_mean().tolist() == [10000.25, 10000.25]


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("block", [1, 3, 50])
def test_noise_and_order_depend_neither_on_blocks_nor_on_residence(block, resident):
    def epoch(block, resident):
        data = Small(batch_size=8, resident=resident)
        data.pace = Pace(block=block)
        loader = data.train_dataloader()
        assert isinstance(loader, BlockLoader if resident else StreamLoader)
        torch.manual_seed(4)
        noisy = []
        for batch in run(loader):
            noisy += [batch.x, batch.y, torch.rand(3)]
        return noisy

    assert all(map(torch.equal, epoch(block, resident), epoch(7, True)))


def test_training_data_are_drawn_anew_and_evaluation_data_are_not():
    data = Small(batch_size=100)
    first, second = (next(iter(next(iter(data.train_dataloader())))).x for _ in range(2))
    assert not torch.equal(first, second)
    for split in ("val", "test"):
        loader = getattr(data, f"{split}_dataloader")()
        assert torch.equal(run(loader)[0].x, run(loader)[0].x)


def test_evaluating_on_training_data_neither_varies_nor_disturbs():
    batches = Small().batches("train")
    state = torch.get_rng_state()
    assert torch.equal(next(iter(batches)).x, next(iter(batches)).x)
    assert torch.equal(state, torch.get_rng_state())


def test_a_limit_of_batches():
    data = Small(eval_batch_size=10)
    assert [len(batch.x) for batch in data.batches("val", limit=2)] == [10, 10]
    assert len(data.batches("val", limit=2)) == 2
    assert len(data.batches("val")) == 3


def test_the_seed_is_the_shuffles():
    def first(**options):
        data = Small(batch_size=8, **options)
        return run(data.train_dataloader())[0].y.tolist()

    assert first(seed=1) == first(seed=1) != first(seed=2)


def test_pace_and_ranks_set_the_steps():
    data = Small(batch_size=8, eval_batch_size=5)
    assert (data.steps_per_epoch, len(data.train_dataloader())) == (13, 1)
    data.pace = Pace(block=5, limit_train=11, limit_val=3)
    assert (data.steps_per_epoch, len(data.train_dataloader())) == (11, 3)
    assert len(run(data.val_dataloader())) == 3
    assert len(run(data.test_dataloader())) == 4
    data.pace = Pace()
    assert ranked(data, 2, 1).steps_per_epoch == 7


@pytest.mark.parametrize("eval_batch_size", [5, 1000])
def test_two_ranks_validate_every_datum_once(eval_batch_size):
    ranks = [ranked(Small(eval_batch_size=eval_batch_size), 2, rank) for rank in (0, 1)]
    shards = [torch.cat([batch.factors for batch in run(data.val_dataloader())]) for data in ranks]
    assert all(len(shard) for shard in shards)
    assert sorted(torch.cat(shards).flatten().tolist()) == sorted(ranks[0].splits.val.factors.flatten().tolist())


def test_fewer_training_data():
    data = Small(batch_size=10, train_limit=30)
    assert [len(arrays) for arrays in data.splits] == [30, 23, 17]
    assert data.steps_per_epoch == 3
    assert np.array_equal(data.splits.train.x, Small().splits.train.x[:30])


def test_one_line_for_people():
    assert Small(batch_size=10).describe() == "Small: 100 / 23 / 17 data of shape (2,), binary, 2 levels, 3 classes"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "data.batch_size=0: a whole number, at least 1"),
        ({"batch_size": True}, "data.batch_size=True: a whole number, at least 1"),
        ({"eval_batch_size": -1}, "data.eval_batch_size=-1"),
        ({"train_limit": -5}, "data.train_limit=-5: a whole number, at least 1"),
        ({"train_limit": 0}, "data.train_limit=0: a whole number, at least 1"),
        ({"num_workers": -1}, "data.num_workers=-1: a whole number, at least 0"),
        ({"seed": "x"}, "data.seed=x: a whole number, at least 0"),
        ({"seed": -1}, "data.seed=-1: a whole number, at least 0"),
        ({"resident": "maybe"}, "data.resident=maybe: choose auto, true or false"),
        ({"resident": 1}, "data.resident=1: choose auto, true or false"),
        ({"given": "label"}, "data.given=label: choose none, labels, factors, own, quadrants"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(ValueError, match=message):
        Small(**options)


def test_labels_of_unlabelled_data():
    with refused(r"data.given=labels, but Small has no labels: set data.given=none"):
        Small(REAL, given="labels").spec  # noqa: B018


def test_unknown_split():
    with pytest.raises(ValueError, match="no split 'valid': choose train, val, test"):
        Small().batches("valid")


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ((_real(0), _real(1), _real(1)), "too few data: the train split has none"),
        ((_real(10), _real(0), _real(1)), "the val split has none"),
        ((_real(10), _real(1), _real(0)), "the test split has none"),
        (
            (_real(10), _real(8, r3=np.nan, r6=np.inf), _real(1)),
            "in 2 of the 8 rows of the val split, the first in row 3",
        ),
        ((_real(10), _real(1), Arrays(np.zeros((4, 3)))), r"the test split has data of shape \(3,\), where .* \(2,\)"),
        (
            (LABELLED, LABELLED, Arrays(np.zeros((4, 2)), np.zeros(3, int))),
            "the test split has 4 data, but 3 labels",
        ),
        (
            (Arrays(np.zeros((10, 2)), np.zeros((10, 1), int)), _real(1), _real(1)),
            r"labels of shape \(10, 1\).*y.squeeze",
        ),
        (
            (Arrays(np.zeros((10, 2)), None, np.zeros(10, int)), _real(1), _real(1)),
            r"factors of shape \(10,\).*\(n, F\)",
        ),
        (
            (LABELLED, LABELLED, Arrays(np.zeros((4, 2)), np.full(4, 3))),
            "labels from 3 to 3, where 0 to 2 belong",
        ),
        ((LABELLED, LABELLED, Arrays(np.zeros((4, 2)), np.full(4, -1))), "labels from -1 to -1"),
    ],
)
def test_data_that_cannot_be_used(splits, message):
    spec = REAL._replace(classes=name_by_number(3) if splits[0].y is not None else ())
    with pytest.raises(ValueError, match=message):
        Small(spec, Splits(*splits), batch_size=10).splits  # noqa: B018


BINARY, GREY = (REAL._replace(support=support) for support in (Support.BINARY, Support.UNIT))


@pytest.mark.parametrize(
    ("spec", "arrays", "message"),
    [
        (BINARY, _real(4, 0.0, r3=0.25), "the val split has the value 0.25, where the spec says binary data"),
        (BINARY, Arrays(np.full((4, 2), 7, np.uint8), levels=256), "7 / 255, where the spec says binary data"),
        (BINARY, Arrays(np.full((4, 2), 2, np.uint8), levels=2), "2, where the spec says binary data"),
        (BINARY, Arrays(np.full((4, 2), 1.5), draws=True), "1.5, where the spec says binary data"),
        (GREY, _real(4, 0.0, r1=-0.5), r"-0.5, where the spec says grey values in \[0, 1\]"),
        (GREY, _real(CHUNK + 9, 0.0, r1030=1.5), r"1.5, where the spec says grey values in \[0, 1\]"),
        (GREY, Arrays(np.full((4, 2), 17, np.uint8), levels=17), r"17 / 16, where the spec says grey values"),
        (GREY._replace(levels=17), Arrays(np.full((4, 2), 7, np.uint8), levels=256), "7 / 255, where .* of 17 levels"),
        (GREY._replace(levels=256), _real(4, 0.0, r2=0.3001), "0.3001, where .* of 256 levels"),
        (REAL._replace(classes=name_by_number(3)), _real(4), "the train split has no labels, where the spec says 3"),
        (REAL._replace(factors=(2, 5)), _real(4), "the train split has no factors, where the spec says 2"),
    ],
)
def test_data_that_contradict_their_header(spec, arrays, message):
    with pytest.raises(ValueError, match=message):
        Small(spec, Splits(_real(10, 0.0), arrays, _real(1, 0.0)), batch_size=10).splits  # noqa: B018


@pytest.mark.parametrize(
    ("spec", "arrays"),
    [
        (BINARY, _real(4, 0.0, r3=1)),
        (BINARY, Arrays(np.array([[0, 255]] * 4, np.uint8), levels=256)),
        (BINARY, Arrays(np.full((4, 2), 7, np.uint8), levels=256, draws=True)),
        (BINARY, Arrays(np.full((4, 2), 0.25), draws=True)),
        (BINARY, Arrays(np.ones((4, 2), bool))),
        (GREY, _real(4, 0.0, r1=0.3)),
        (GREY, Arrays(np.full((4, 2), 17, np.uint8), levels=256)),
        (GREY._replace(levels=256), Arrays(np.full((4, 2), 1, np.uint8), levels=2)),
        (GREY._replace(levels=256), Arrays(np.full((4, 2), 77 / 255, np.float32))),
        (REAL, _real(4, r1=-7.5)),
    ],
)
def test_data_that_are_as_their_header_says(spec, arrays):
    assert len(Small(spec, Splits(_real(10, 0.0), arrays, _real(1, 0.0)), batch_size=10).splits.val) == 4


def test_a_batch_holds_no_more_than_all_training_data():
    data = Small(REAL, Splits(_real(7), _real(1), _real(1)), batch_size=10)
    assert "data.batch_size=10 is more than the 7 training data: every step sees all" in data.describe()
    assert (data.steps_per_epoch, data.batch_size) == (1, 7)
    assert "data.batch_size" not in Small(REAL, Splits(_real(10), _real(1), _real(1)), batch_size=10).describe()
