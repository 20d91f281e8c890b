"""Folders of arrays: which file is which split, and what to do with folders that hold neither pictures nor arrays."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from tests.helpers import refused

from elbolab.data.arrays import OwnArrays
from elbolab.data.own_files import read_arrays

X = np.random.default_rng(0).integers(256, size=(60, 4, 5), dtype=np.uint8)
Y = np.arange(60) % 3


def save(folder: Path, **arrays: np.ndarray) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def same(named: dict[str, np.ndarray], **arrays: np.ndarray) -> None:
    assert set(named) == set(arrays)
    for name, array in arrays.items():
        assert np.array_equal(named[name], array)


def test_a_file_for_each_array(tmp_path, agrees):
    save(tmp_path, train=X, val=X[:7], test=X[:9], y_train=Y, y_val=Y[:7], y_test=Y[:9])
    data = OwnArrays(tmp_path, batch_size=10)
    agrees(data)
    assert [len(part) for part in data.splits] == [60, 7, 9]
    assert data.splits.train.on_disk
    assert np.array_equal(data.splits.val.y, Y[:7])


def test_a_file_for_each_split(tmp_path):
    np.savez(tmp_path / "train.npz", x=X, y=Y)
    np.savez(tmp_path / "Valid.npz", x=X[:7], y=Y[:7])
    same(read_arrays(tmp_path), train=X, y_train=Y, val=X[:7], y_val=Y[:7])


def test_a_folder_for_each_split(tmp_path):
    save(tmp_path / "data" / "train", x=X, y=Y)
    save(tmp_path / "data" / "test", x=X[:7], y=Y[:7])
    same(read_arrays(tmp_path), train=X, y_train=Y, test=X[:7], y_test=Y[:7])


@pytest.mark.parametrize("name", ["data", "train"])
def test_a_single_file_is_read_as_if_it_were_given(tmp_path, name):
    np.savez(tmp_path / f"{name}.npz", x=X, y=Y)
    same(read_arrays(tmp_path), x=X, y=Y)


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4) for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


@pytest.mark.parametrize(
    "pattern", ["{}-{}-{}-ubyte", "{}-{}.{}-ubyte", "emnist-letters-{}-{}-{}-ubyte", "{}-{}-{}-ubyte.gz"]
)
def test_idx_files(tmp_path, pattern):
    (tmp_path / "raw").mkdir()
    for split, num in (("train", 60), ("t10k", 9)):
        for kind, dims, array in (("images", "idx3", X), ("labels", "idx1", Y)):
            name, content = pattern.format(split, kind, dims), idx(array[:num])
            (tmp_path / "raw" / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    same(read_arrays(tmp_path), train=X, y_train=Y, test=X[:9], y_test=Y[:9])


def test_of_a_plain_and_a_gzipped_idx_file_the_plain_one_is_read(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(X))
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"damaged")
    same(read_arrays(tmp_path), train=X)


def test_what_is_no_array_is_named(tmp_path, caplog):
    save(tmp_path, train=X, test=X)
    (tmp_path / "labels.csv").write_text("a,b")
    same(read_arrays(tmp_path), train=X, test=X)
    assert "left out what is no array: labels.csv" in caplog.text


def touch(*names: str):
    def write(folder: Path) -> None:
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(b"x")

    return write


def write_both(folder: Path) -> None:
    np.savez(folder / "train.npz", x=X, y=Y)
    save(folder, train=X)


def write_idx_twice(folder: Path) -> None:
    for name in ("train-images-idx3-ubyte", "training-images.idx3-ubyte"):
        (folder / name).write_bytes(idx(X))


def write_two_files(folder: Path) -> None:
    np.savez(folder / "a.npz", x=X, y=Y)
    np.savez(folder / "b.npz", x=X, y=Y)


def write_two_sets(folder: Path) -> None:
    for name in ("emnist-letters-train", "emnist-digits-train"):
        (folder / f"{name}-images-idx3-ubyte").write_bytes(idx(X))


@pytest.mark.parametrize(
    ("write", "parts"),
    [
        (touch(), ["no pictures there, and no arrays; it is empty: give pictures"]),
        (
            touch("a.txt", "b.txt", "deep/c.heic"),
            ["there are 2 .txt, 1 .heic: give pictures of a kind"],
        ),
        (touch("images.zip", "a.txt"), ["unpack images.zip"]),
        (touch("data_batch_1", "test_batch", "batches.meta"), ["choose data=cifar10 with data.root=FOLDER"]),
        (write_both, ["has the array train twice"]),
        (touch("train-images-idx3-ubyte", "training-images-idx3-ubyte"), ["corrupt data file"]),
        (write_idx_twice, ["has the array train twice, once in train-images"]),
        (write_two_files, ["a has the arrays x, y, and there are files beside it: call it train, val or test"]),
        (write_two_sets, ["has the idx files of emnist-digits, emnist-letters: leave those of one data set"]),
        (
            lambda folder: save(folder, **{f"s{i:02}": X for i in range(30)}),
            ["has 30 arrays, one of each"],
        ),
        (touch("a.npy", "train/b.npy"), ["has both a.npy, train: leave one kind"]),
        (touch("eval-images-idx3-ubyte"), ["eval-images-idx3-ubyte is of no split: call it train-"]),
    ],
)
def test_folders_that_are_no_data(tmp_path, write, parts):
    write(tmp_path)
    for part in parts:
        with refused(part):
            read_arrays(tmp_path)
