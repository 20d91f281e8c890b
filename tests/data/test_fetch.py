"""Stored rows made batches."""

import numpy as np
import pytest
import torch

from elbolab.data.fetch import Finish, Rows
from elbolab.data.splits import Arrays


def batch_of(arrays: Arrays, given=()):
    return Finish(arrays, given, "cpu")(Rows.of(arrays))


@pytest.mark.parametrize("event", [(1, 8, 8), (3, 5)])
def test_bits_are_unpacked_as_numpy_does(event):
    bits = np.random.default_rng(0).integers(2, size=(6, *event), dtype=np.uint8)
    packed = Arrays(np.packbits(bits.reshape(6, -1), axis=1), levels=2, packed=event)
    assert batch_of(packed).x.tolist() == bits.tolist()


def test_levels_become_equally_spaced_values():
    x = np.arange(256, dtype=np.uint8)[:, None]
    assert torch.equal(batch_of(Arrays(x, levels=256)).x, torch.arange(256)[:, None] / 255)


def test_floats_stay_as_they_are():
    x = np.array([[-1.5], [2.5]])
    batch = batch_of(Arrays(x))
    assert batch.x.tolist() == x.tolist()
    assert (batch.given, batch.y, batch.factors) == ((), None, None)


def test_read_only_arrays_are_copied_and_others_shared():
    frozen, shared = np.zeros((2, 2)), np.zeros((2, 2))
    frozen.flags.writeable = False
    assert Rows.of(Arrays(frozen)).x.shape == (2, 2)
    assert Rows.of(Arrays(shared)).x.data_ptr() == shared.ctypes.data


def test_labels_are_one_hot_conditions():
    batch = batch_of(Arrays(np.zeros((3, 1)), np.array([2, 0, 1], np.uint8)), given=((3,),))
    assert batch.given[0].tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
