"""The embedded MNIST."""

import shutil
from functools import cache

import numpy as np
import pytest
import torch

from elbolab.batch import Spec, Support, name_by_number
from elbolab.data import mnist
from elbolab.data.mnist import MNIST


@pytest.fixture(scope="module", autouse=True)
def _read_once():
    """Unpacking the files takes half a second, and every test needs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mnist, "read_idx", cache(mnist.read_idx))
        yield


@pytest.fixture(scope="module")
def grey() -> MNIST:
    return MNIST(binarize="none", split="all")


def first(data: MNIST, split: str, num: int = 10):
    arrays = data.arrays(split)
    return arrays.x[:num], arrays.y[:num].tolist()


def test_it_is_mnist(grey):
    assert first(grey, "train")[1] == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert first(grey, "test")[1] == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert grey.spec == Spec((1, 28, 28), Support.UNIT, levels=256, classes=name_by_number(10))
    assert grey.train_mean().mean().item() == pytest.approx(0.13066, abs=1e-5)
    assert np.bincount(grey.arrays("test").y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.mark.parametrize(
    ("split", "sizes", "val_start"),
    [("standard", (50_000, 10_000), 50_000), ("burda", (59_600, 400), 59_600), ("all", (60_000, 10_000), 50_000)],
)
def test_splits(grey, split, sizes, val_start):
    data = MNIST(binarize="none", split=split)
    assert tuple(map(len, data.splits)) == (*sizes, 10_000)
    for part, start in (("train", 0), ("val", val_start)):
        stored, whole = data.arrays(part), grey.arrays("train")
        rows = slice(start, start + len(stored))
        assert np.array_equal(stored.x, whole.x[rows])
        assert np.array_equal(stored.y, whole.y[rows])


@pytest.mark.parametrize("binarize", ["dynamic", "fixed", "threshold", "none"])
def test_batches_agree_with_the_spec(binarize, agrees):
    agrees(MNIST(binarize=binarize))


def test_validation_and_test_data_are_drawn_once_for_all_runs(grey):
    torch.manual_seed(1)
    one = MNIST(seed=1)
    torch.manual_seed(2)
    other = MNIST(seed=2, split="burda", binarize="fixed")
    assert np.array_equal(one.arrays("test").x, other.arrays("test").x)
    again = MNIST(seed=3, binarize_seed=1)
    assert not np.array_equal(one.arrays("test").x, again.arrays("test").x)
    again.binarize_seed = 777
    assert np.array_equal(one.arrays("val").x, again.load().val.x)
    assert one.arrays("test").y.tolist() == grey.arrays("test").y.tolist()


def test_fixed_training_data_stay_and_dynamic_ones_change():
    def twice(binarize):
        loader = MNIST(binarize=binarize, train_limit=128).train_dataloader()
        return [next(iter(next(iter(loader)))).x for _ in range(2)]

    assert torch.equal(*twice("fixed"))
    assert not torch.equal(*twice("dynamic"))


def test_a_corrupt_file_is_found_out(tmp_path, monkeypatch):
    for path in mnist.FOLDER.glob("*.gz"):
        shutil.copy(path, tmp_path)
    labels = tmp_path / "train-labels-idx1-ubyte.gz"
    labels.write_bytes(labels.read_bytes()[:-1] + b"\x01")
    monkeypatch.setattr(mnist, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"corrupt data file .*train-labels.*: its md5 is not d53e105e.*remove it and"):
        MNIST().splits  # noqa: B018


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "Burda"}, "data.split=Burda: choose standard, burda, all"),
        ({"binarize": "static"}, "data.binarize=static: choose dynamic, fixed, threshold, none"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(ValueError, match=message):
        MNIST(**options)


def test_the_notice_names_every_file():
    notice = (mnist.FOLDER / "NOTICE").read_text()
    assert all(name in notice and md5 in notice for name, md5 in mnist.MD5.items())
