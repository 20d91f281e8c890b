"""Arrays in RAM, memory-mapped and packed to bits."""

import numpy as np
import pytest

from elbolab.reading.splits import CHUNK, Arrays, split_at_random

NUM = CHUNK + 5


@pytest.fixture
def mapped(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(2 * NUM).reshape(NUM, 2))
    return Arrays(np.load(tmp_path / "x.npy", mmap_mode="r"), np.arange(NUM))


def test_a_selection_of_a_memory_map_reads_nothing(mapped):
    index = np.array([7, 3, 500])
    part = mapped.select(index)
    assert part.on_disk
    assert part.x.base is mapped.x
    assert len(part) == 3
    assert part.nbytes == 3 * (2 * 8 + 8)
    assert np.asarray(part.x).tolist() == [[14, 15], [6, 7], [1000, 1001]]
    assert part.y.tolist() == index.tolist()
    assert part.select(slice(1, None)).rows(np.array([1])).x.tolist() == [[1000, 1001]]


def test_rows_are_in_ram(mapped):
    assert not Arrays(np.zeros((4, 2))).select(np.array([0])).on_disk
    assert not mapped.select(np.array([4, 2])).rows(np.array([1, 0])).on_disk
    assert mapped.select(np.array([4, 2])).rows(np.array([1, 0])).y.tolist() == [2, 4]


def test_chunks_are_the_whole(mapped):
    chunks = list(mapped.chunks())
    assert [len(chunk) for chunk in chunks] == [CHUNK, 5]
    assert np.array_equal(np.concatenate(chunks), mapped.x)


@pytest.mark.parametrize("event", [(1, 4, 4), (3, 5)])
def test_bits_are_unpacked(event):
    bits = np.random.default_rng(0).integers(2, size=(NUM, *event), dtype=np.uint8)
    packed = Arrays(np.packbits(bits.reshape(NUM, -1), axis=1), levels=2, packed=event)
    assert packed.event == event
    assert np.array_equal(np.concatenate(list(packed.chunks())), bits)


ALL = Arrays(np.arange(100)[:, None], np.arange(100))


def test_splits_are_a_partition_with_labels_beside_their_data():
    parts = split_at_random(ALL, 20, 30, seed=0)
    assert list(map(len, parts)) == [50, 20, 30]
    assert sorted(np.concatenate([part.y for part in parts])) == list(range(100))
    assert all(np.array_equal(part.x[:, 0], part.y) for part in parts)


def test_a_smaller_training_set_is_part_of_the_larger_and_the_rest_stays():
    small, large = split_at_random(ALL, 20, 30, 0, train_size=10), split_at_random(ALL, 20, 30, 0)
    assert len(small.train) == 10
    assert set(small.train.y) < set(large.train.y)
    assert small.val.y.tolist() == large.val.y.tolist()
    assert small.test.y.tolist() == large.test.y.tolist()


def test_the_first_validation_and_test_data_are_a_random_sample():
    """Data often lie sorted by class or factor: the first few of a sorted split would be of one kind."""
    parts = split_at_random(Arrays(np.arange(1000)[:, None]), 400, 400, seed=0)
    for part in (parts.val, parts.test):
        assert abs(part.x[:100].mean() - 500) < 100  # 3.5 standard errors


def test_the_splits_are_those_of_earlier_runs():
    """Results compare between runs, and with published ones, on the same splits only."""
    parts = split_at_random(ALL, 20, 30, seed=0)
    assert parts.train.y[:6].tolist() == [0, 1, 3, 6, 7, 12]
    assert parts.val.y[:6].tolist() == [25, 70, 34, 39, 64, 57]
    assert parts.test.y[:6].tolist() == [82, 36, 20, 5, 93, 16]


def test_the_seed_decides():
    assert split_at_random(ALL, 20, 30, 0).test.y.tolist() == split_at_random(ALL, 20, 30, 0).test.y.tolist()
    assert split_at_random(ALL, 20, 30, 0).test.y.tolist() != split_at_random(ALL, 20, 30, 1).test.y.tolist()


@pytest.mark.parametrize(("val", "test", "train"), [(50, 50, None), (20, 30, 51)])
def test_too_few(val, test, train):
    with pytest.raises(ValueError, match="too few data: 100"):
        split_at_random(ALL, val, test, 0, train)
