"""Arrays in RAM, memory-mapped and packed to bits."""

import numpy as np
import pytest

from elbolab.data.splits import CHUNK, Arrays

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
