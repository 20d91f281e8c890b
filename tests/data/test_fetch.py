"""Stored rows made batches."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from elbolab.batch import Spec, Support, name_by_number
from elbolab.data.fetch import Finish, Rows, draw_bits
from elbolab.data.given import Labels, unconditional
from elbolab.reading.splits import Arrays

ON_DEVICE = torch.device("meta")  # has no values: what would make the host wait for one raises


class Watch(TorchDispatchMode):
    """Sees every operation."""

    def __init__(self):
        super().__init__()
        self.inputs, self.largest, self.copies = set(), 0, []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        self.inputs |= {tensor.device for tensor in tensors}
        self.largest = max(self.largest, *(leaf.numel() for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor)))
        if func is torch.ops.aten._to_copy.default and tensors[0].device != out.device:
            self.copies.append((kwargs or {}).get("non_blocking"))
        return out


def labels(num_classes, device="cpu"):
    return Labels().on(Spec((1,), Support.REAL, classes=name_by_number(num_classes)), device)


def batch_of(arrays: Arrays, condition=unconditional):
    return Finish(arrays, condition, "cpu")(Rows.of(arrays))


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
    batch = batch_of(Arrays(np.zeros((3, 1)), np.array([2, 0, 1], np.uint8)), labels(3))
    assert batch.given[0].tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]


def test_a_label_of_one_datum_keeps_its_row():
    assert batch_of(Arrays(np.zeros((1, 1)), np.array([1])), labels(2)).given[0].tolist() == [[0, 1]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_conditions_have_the_dtype_of_the_data(dtype):
    before = torch.get_default_dtype()
    finish = Finish(Arrays(np.zeros((3, 1))), labels(3), "cpu")
    torch.set_default_dtype(dtype)
    try:
        batch = finish(Rows.of(Arrays(np.zeros((3, 1)), np.arange(3))))
        assert batch.x.dtype == batch.given[0].dtype == dtype
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize(
    "arrays",
    [
        Arrays(np.zeros((6, 3), np.uint8), np.zeros(6), np.zeros((6, 2)), levels=256),
        Arrays(np.zeros((6, 3), np.uint8), np.zeros(6), levels=256, draws=True),
        Arrays(np.zeros((6, 2), np.uint8), np.zeros(6), levels=2, packed=(3, 5)),
        Arrays(np.zeros((6, 3)), np.zeros(6)),
        Arrays(np.zeros((6, 3)), np.zeros(6), given=np.zeros((6, 2))),
    ],
)
def test_finishing_resident_rows_is_work_of_the_device_alone(arrays):
    """So that a captured step may hold it: nothing is waited for, and nothing comes from the host."""
    finish = Finish(arrays, labels(4, ON_DEVICE), ON_DEVICE)
    rows, indices = Rows.of(arrays).to(ON_DEVICE), torch.empty(6, dtype=torch.int64, device=ON_DEVICE)
    with Watch() as watch:
        batch = finish(rows.select(indices))
    assert batch.x.shape == (6, *arrays.event)
    assert watch.inputs == {ON_DEVICE}
    assert not watch.copies


def test_rows_go_to_the_device_without_waiting():
    with Watch() as watch:
        Rows.of(Arrays(np.zeros((6, 3)), np.zeros(6), np.zeros((6, 2)))).to(ON_DEVICE)
    assert watch.copies == [True] * 3


def test_many_classes_take_no_table():
    arrays = Arrays(np.zeros((8, 1)), np.zeros(8))
    with Watch() as watch:
        batch = Finish(arrays, labels(60_000, ON_DEVICE), ON_DEVICE)(Rows.of(arrays).to(ON_DEVICE))
    assert batch.given[0].shape == (8, 60_000)
    assert watch.largest == 8 * 60_000


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_draws_have_their_probabilities(dtype):
    """Every count of 20,000 draws within five standard deviations of its mean; what is sure is never otherwise."""
    p = torch.linspace(0, 1, 256, dtype=dtype)
    drawn = draw_bits(p.expand(20_000, -1), torch.Generator().manual_seed(0))
    assert drawn.dtype is dtype
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    error = (drawn.mean(0) - p).abs()
    assert (error <= 5 * (p * (1 - p) / 20_000).sqrt()).all()
    assert error[[0, -1]].tolist() == [0, 0]
