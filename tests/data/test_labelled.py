"""Semi-supervised data."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.helpers import refused

from elbolab.batch import Pace, Spec, Support, name_by_number
from elbolab.data.binarized_mnist import BinarizedMNIST
from elbolab.data.blocks import Order
from elbolab.data.fetch import Finish, Rows
from elbolab.data.given import unconditional
from elbolab.data.labelled import FinishPair, PairedOrder, choose_labelled
from elbolab.data.module import DataModule
from elbolab.data.toy import Toy
from elbolab.reading.splits import Arrays, Splits

NUM, CLASSES = 240, 4
SPEC = Spec((2,), Support.REAL, classes=name_by_number(CLASSES), factors=(3,))


class Few(DataModule):
    """240 data whose x[:, 0] are their numbers; x[:, 1] is drawn where ``draws``."""

    def __init__(self, draws: bool = False, **base):
        super().__init__(**({"batch_size": 24, "num_labelled": 40} | base))
        self.draws = draws

    def header(self):
        return SPEC._replace(support=Support.BINARY, levels=2) if self.draws else SPEC

    def load(self):
        rng = np.random.default_rng(0)
        x = np.stack([np.arange(NUM), rng.random(NUM)], 1)
        x = rng.integers(5, size=(NUM, 2), dtype=np.uint8) if self.draws else x
        train = Arrays(x, rng.permutation(NUM) % CLASSES, rng.integers(3, size=(NUM, 1)), 5 if self.draws else None)
        train = Arrays(train.x, train.y, train.factors, train.levels, self.draws)
        return Splits(train, train.rows(slice(9)), train.rows(slice(9)))


def ranked(data: DataModule, world: int, rank: int) -> DataModule:
    device = SimpleNamespace(root_device=torch.device("cpu"))
    data.trainer = SimpleNamespace(world_size=world, global_rank=rank, strategy=device)
    return data


def steps(data: DataModule, epochs: int = 1, seed: int = 0) -> list:
    """Semi-supervised batches of some epochs."""
    torch.manual_seed(seed)
    loader, found = data.train_dataloader(), []
    for epoch in range(epochs):
        loader.set_epoch(epoch)
        found += [batch for block in loader for batch in block]
    return found


def numbers(batch) -> list[int]:
    return batch.x[:, 0].long().tolist()


@pytest.mark.parametrize(
    ("num_labelled", "size"), [(4, 4), (40, 40), (40, 20), (40, 8), (80, 8), (240, 24), (12, 36), (120, 60)]
)
@pytest.mark.usefixtures("float64")
def test_an_epoch_adds_up_to_the_objective(num_labelled, size):
    """mean(unlabelled f) + mean(share * labelled g), summed: the paper's objective over N, whatever the ratio."""
    f, g = torch.randn(2, NUM)
    data = Few(num_labelled=num_labelled, labelled_batch_size=size)
    epochs = num_labelled // np.gcd(num_labelled, 10 * size)  # until the labelled data are used equally often
    terms = [
        f[numbers(batch.unlabelled)].mean() + (batch.share * g[numbers(batch.labelled)]).mean()
        for batch in steps(data, epochs)
    ]
    labelled = numbers(next(iter(data.batches("labelled"))))
    torch.testing.assert_close(torch.stack(terms).mean(), (f.sum() + g[labelled].sum()) / NUM)


def test_shapes_and_what_is_known():
    data = Few(labelled_batch_size=7)
    stored = data.splits.train
    for batch in steps(data, 2):
        assert (len(batch.labelled.x), len(batch.unlabelled.x), batch.share.shape) == (7, 24, (7,))
        assert batch.share.unique().item() == pytest.approx(40 / 240)
        assert (batch.unlabelled.y, batch.unlabelled.factors) == (None, None)
        assert (batch.unlabelled.given, batch.labelled.given) == ((), ())
        rows = numbers(batch.labelled)
        assert batch.labelled.y.tolist() == stored.y[rows].tolist()
        assert batch.labelled.factors.tolist() == stored.factors[rows].tolist()


def test_the_unlabelled_part_is_the_usual_epoch():
    semi, usual = steps(Few()), steps(Few(num_labelled=None))
    assert [numbers(batch.unlabelled) for batch in semi] == [numbers(batch) for batch in usual]


def test_a_last_batch_keeps_its_labelled_data():
    found = steps(Few(batch_size=100, labelled_batch_size=8))
    assert [(len(batch.unlabelled.x), len(batch.labelled.x)) for batch in found] == [(100, 8), (100, 8), (40, 8)]


@pytest.mark.parametrize(("num_labelled", "size"), [(40, 40), (80, 80), (120, 100), (240, 100)])
def test_without_a_size_a_hundred_or_all_are_taken(num_labelled, size):
    assert len(steps(Few(num_labelled=num_labelled))[0].labelled.x) == size


def test_every_labelled_datum_is_used_equally_often():
    used = Counter(row for batch in steps(Few(labelled_batch_size=7), 3) for row in numbers(batch.labelled))
    assert len(used) == 40
    assert set(used.values()) == {5, 6}  # 3 * 10 * 7 = 5.25 * 40


def test_every_pass_over_the_labelled_data_has_an_order_of_its_own():
    used = [row for batch in steps(Few(labelled_batch_size=8), 2) for row in numbers(batch.labelled)]
    passes = [tuple(used[start : start + 40]) for start in range(0, len(used) - 39, 40)]
    assert len(set(passes)) == len(passes) == 4
    assert len({tuple(sorted(one)) for one in passes}) == 1


def test_the_subset_is_balanced_and_grows():
    y = Few().splits.train.y
    small, large = (choose_labelled(y, name_by_number(CLASSES), num, seed=5) for num in (12, 60))
    assert np.bincount(y[large]).tolist() == [15] * CLASSES
    assert set(small) < set(large)
    assert len(set(large)) == 60


def test_the_subset_depends_on_its_seed_alone():
    def subset(**options):
        return sorted({row for batch in steps(Few(**options)) for row in numbers(batch.labelled)})

    assert subset() == subset(seed=9) == subset(batch_size=7) == subset(labelled_batch_size=4)
    assert subset() == Few().arrays("labelled").x[:, 0].tolist()
    assert subset() != subset(label_seed=1)


def test_the_labelled_data_are_a_split():
    (batch,) = Few().batches("labelled")
    assert (len(batch.x), Counter(batch.y.tolist())) == (40, Counter(dict.fromkeys(range(CLASSES), 10)))


@pytest.mark.parametrize("world", [2, 3])
def test_ranks_step_as_one_process_with_their_union(world):
    alone = steps(Few(labelled_batch_size=4 * world, batch_size=8 * world), 2)
    ranks = [steps(ranked(Few(labelled_batch_size=4, batch_size=8), world, rank), 2) for rank in range(world)]
    for step, whole in enumerate(alone):
        for part in ("labelled", "unlabelled"):
            shards = [numbers(getattr(found[step], part)) for found in ranks]
            assert sum(shards, []) == numbers(getattr(whole, part))
        assert len({len(found[step].labelled.x) for found in ranks}) == 1


@pytest.mark.parametrize("draws", [False, True])
@pytest.mark.parametrize(("block", "resident"), [(1, True), (3, False), (50, False)])
def test_pairs_and_noise_depend_neither_on_blocks_nor_on_residence(block, resident, draws):
    def flat(**options):
        data = Few(draws, labelled_batch_size=7, resident=options["resident"])
        data.pace = Pace(block=options["block"])
        found = steps(data, 2, seed=4)
        return [part for batch in found for part in (batch.labelled.x, batch.labelled.y, batch.unlabelled.x)]

    assert all(map(torch.equal, flat(block=block, resident=resident), flat(block=7, resident=True)))


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("new", [3, 4])
def test_a_resumed_epoch_has_the_same_pairs(resident, new):
    def loader(block):
        data = Few(labelled_batch_size=7, resident=resident)
        data.pace = Pace(block=block)
        loader = data.train_dataloader()
        loader.set_epoch(1)
        return loader

    def pairs(blocks):
        return [(numbers(batch.labelled), numbers(batch.unlabelled)) for block in blocks for batch in block]

    old, resumed, iterator = loader(3), loader(new), iter(loader(3))
    seen = pairs([next(iterator)])
    first = iter(old)
    next(first)
    state = old.state_dict() | {"done": len(resumed) - -(-7 // new), "block": new}
    resumed.load_state_dict(state)
    assert seen + pairs(resumed) == pairs(loader(50))


def test_both_uses_of_a_datum_have_noise_of_their_own():
    arrays = Arrays(np.full((8, 100), 1, np.uint8), np.zeros(8, int), levels=3, draws=True)
    finish = FinishPair(Finish(arrays, unconditional, "cpu"), 4, 0.5)
    batch = finish(Rows.of(arrays))
    assert not torch.equal(batch.labelled.x, batch.unlabelled.x)
    assert set(batch.labelled.x.unique().tolist()) == {0.0, 1.0}


def test_finishing_pairs_is_work_of_the_device_alone():
    device = torch.device("meta")  # has no values: what would make the host wait for one raises
    arrays = Arrays(np.zeros((9, 3), np.uint8), np.zeros(9), levels=256, draws=True)
    finish = FinishPair(Finish(arrays, unconditional, device), 2, 0.5)
    indices = torch.empty(6, dtype=torch.int64, device=device)
    batch = finish(Rows.of(arrays).to(device).select(indices))
    assert (batch.labelled.x.shape, batch.unlabelled.x.shape, batch.share.shape) == ((2, 3), (4, 3), (2,))


def test_validation_and_test_data_stay_as_they_are():
    data = Few()
    for loader in (data.val_dataloader(), data.test_dataloader()):
        (batch,) = (batch for block in loader for batch in block)
        assert (len(batch.x), len(batch.y)) == (9, 9)


def test_one_line_says_how_many_are_labelled():
    assert "4 classes, 40 labelled" in Few().describe()


def test_the_stream_does_not_restart_with_an_epoch():
    order = PairedOrder(Order(20, 10, 1, True), np.arange(100, 108), 3)
    stream = torch.cat([batch[-3:] for epoch in range(4) for batch in order.batches(epoch)])
    assert [sorted(part.tolist()) for part in stream.split(8)] == [list(range(100, 108))] * 3


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: Few(num_labelled=0), "data.num_labelled=0: a whole number, at least 1"),
        (lambda: Few(num_labelled=3), "data.num_labelled=3: 4 classes have equally many .* each; choose 4$"),
        (lambda: Few(num_labelled=42), "data.num_labelled=42: 4 classes .*; choose 40 or 44$"),
        (lambda: Few(num_labelled=400), "takes 100 data of each class, and class 0 has 60 .*: choose at most 240"),
        (lambda: Few(num_labelled=None, labelled_batch_size=5), "=5 has no effect: set data.num_labelled=100"),
        (lambda: Few(labelled_batch_size=0), "data.labelled_batch_size=0: a whole number, at least 1"),
        (lambda: Few(label_seed=-1), "data.label_seed=-1: a whole number, at least 0"),
        (
            lambda: Few(given="labels"),
            "=40: .* without labels have no conditions: set data.given=none",
        ),
        (lambda: Few(given="factors"), "data.num_labelled=40: .* without labels have no conditions"),
        (
            lambda: BinarizedMNIST(num_labelled=100),
            "=100, but BinarizedMNIST has no labels: set data.num_labelled=null",
        ),
        (lambda: Few(num_labelled=None), "no training data are labelled more than others: .*data.num_labelled"),
    ],
)
def test_labelled_data_that_cannot_be_had(data, message):
    with refused(message):
        data().arrays("labelled")


def test_classes_without_data_are_named_before_a_number_that_would_not_do():
    with pytest.raises(
        ValueError, match="data.num_labelled=5: class 1 has no data in the training split: leave its data out"
    ):
        choose_labelled(np.array([0, 2, 3, 4, 0]), name_by_number(5), 5, seed=0)


def test_too_many_labels_are_known_of_before_training():
    with pytest.raises(ValueError, match="takes 1249 data of each class, and class . has"):
        Toy(num_labelled=4996).steps_per_epoch  # noqa: B018
