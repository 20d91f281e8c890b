"""What tells data sets apart."""

import re
from dataclasses import replace

import numpy as np
import pytest

from elbolab.data import fingerprint as module
from elbolab.data.arrays import OwnArrays
from elbolab.data.fingerprint import compute_fingerprint, describe_differences
from elbolab.data.toy import Toy
from elbolab.reading.splits import Arrays, Selection, Splits

FLOATS = np.dtype(np.float32)


def _splits(**change) -> Splits:
    rng = np.random.default_rng(0)
    parts = []
    for num in (20, 6, 5):
        arrays = Arrays(
            rng.normal(size=(num, 3)),
            rng.integers(4, size=num),
            rng.integers(3, size=(num, 2)),
            given=rng.integers(256, size=(num, 2), dtype=np.uint8),
        )
        parts.append(arrays)
    changed = {name: change.pop(name)(parts[0]) for name in list(change)}
    return Splits(replace(parts[0], **changed), *parts[1:])


def _changes(splits: Splits, there: Splits | None = None) -> list[str]:
    return describe_differences(compute_fingerprint(there or _splits(), FLOATS), compute_fingerprint(splits, FLOATS))


def test_the_same_data_have_no_differences_however_their_numbers_are_stored():
    assert _changes(_splits()) == []
    narrow = _splits(x=lambda a: a.x.astype(np.float32).astype(">f4"), y=lambda a: a.y.astype(np.int8))
    assert _changes(narrow) == []
    in_double = compute_fingerprint(_splits(), np.dtype(np.float64)), compute_fingerprint(narrow, np.dtype(np.float64))
    assert describe_differences(*in_double) != []  # a run in float64 sees other numbers


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"x": lambda a: np.where(np.arange(3) == 1, a.x, -a.x)}, "train: data have other values"),
        ({"x": lambda a: a.x.reshape(20, 1, 3)}, r"train: data of shape \(1, 3\) instead of \(3,\)"),
        ({"x": lambda a: a.x.astype(np.uint8)}, "train: data of type uint8 instead of float32"),
        ({"x": lambda a: a.x + 1e-3 * (np.arange(20) == 19)[:, None]}, "train: data have other values"),
        ({"y": lambda a: a.y[::-1]}, "train: labels have other values"),
        ({"y": lambda a: None}, "train: labels are gone"),
        ({"factors": lambda a: a.factors[:, ::-1]}, "train: factors have other values"),
        ({"given": lambda a: 255 - a.given}, "train: conditions have other values"),
    ],
)
def test_a_change_is_named_by_split_and_part(change, text):
    (found,) = _changes(_splits(**change))
    assert re.fullmatch(text, found)


def test_labels_that_were_not_there_and_another_number_of_rows_are_named():
    without = _splits(y=lambda a: None)
    assert _changes(_splits(), without) == ["train: labels that were not there"]
    fewer = Splits(*(arrays.select(slice(4)) for arrays in _splits()))
    assert _changes(fewer) == [
        "train: 4 rows instead of 20",
        "val: 4 rows instead of 6",
        "test: 4 rows instead of 5",
    ]


def test_rows_in_another_order_are_told_from_other_rows():
    splits = _splits()
    within = splits._replace(train=splits.train.select(np.arange(20)[::-1]))
    across = splits._replace(
        val=replace(splits.val, **{name: getattr(splits.train, name)[:6] for name in ("x", "y", "factors", "given")}),
        train=splits.train._map(lambda part: part.copy()),
    )
    for name in ("x", "y", "factors", "given"):
        getattr(across.train, name)[:6] = getattr(splits.val, name)
    last = splits._replace(train=splits.train.select(np.r_[:18, 19, 18]))
    for reordered in (within, across, last):
        assert _changes(reordered) == ["the same rows are in another order"]
    twice = splits._replace(train=splits.train.select(np.r_[0, np.arange(19)]))
    assert "other values" in _changes(twice)[0]


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_rows_in_another_order_are_told_of_standardised_data_too(tmp_path, name):
    x = np.random.default_rng(0).normal(size=(60, 2)) * [1e3, 1] + [1e6, 0]

    def of(rows: np.ndarray) -> dict:
        np.save(tmp_path / "x.npy", rows)
        np.savez(tmp_path / "x.npz", x=rows)
        return OwnArrays(tmp_path / name, standardise=True, batch_size=10).fingerprint

    there, same, reordered, changed = of(x), of(x.copy()), of(x[::-1]), of(np.abs(x))
    assert describe_differences(there, same) == []
    assert describe_differences(there, reordered) == ["the same rows are in another order"]
    assert describe_differences(there, changed) == ["train, val, test: data have other values"]
    before = {split: {part: of for part, of in parts.items() if part != "unscaled"} for split, parts in there.items()}
    assert describe_differences(before, there) == []  # runs of before keep the scaled rows alone
    assert describe_differences(before, reordered) == ["train, val, test: data have other values"]


def test_rows_on_disk_have_the_fingerprint_of_those_in_memory(tmp_path):
    x = np.random.default_rng(1).normal(size=(30, 4)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    on_disk = Arrays(Selection(np.load(tmp_path / "x.npy", mmap_mode="r"), np.arange(0, 30, 2)))
    in_memory = Arrays(x[::2])
    assert _changes(Splits(on_disk, on_disk, on_disk), Splits(in_memory, in_memory, in_memory)) == []


def test_of_a_huge_array_evenly_spaced_rows_are_hashed_the_last_among_them(monkeypatch):
    monkeypatch.setattr(module, "PIECE", 16)
    monkeypatch.setattr(module, "WHOLE", 64)
    x = np.zeros((100, 4), np.float32)  # a row is a piece
    read = [int(piece[0, 0]) for piece in module._pieces(np.arange(400, dtype=np.float32).reshape(100, 4))]
    assert read == [0, 4 * 33, 4 * 66, 4 * 99]

    def of(row: int) -> str:
        changed = x.copy()
        changed[row] = 1
        return module._hash(changed, "x", FLOATS)["hash"]

    assert of(99) != of(0) != of(50)
    assert of(50) == of(51)  # between the pieces nothing is seen


def test_a_data_set_is_known_by_its_seeds(tmp_path):
    sizes = {"train_size": 40, "val_size": 10, "test_size": 10, "batch_size": 10}
    toys = [Toy(data_seed=seed, **sizes).fingerprint for seed in (0, 0, 1)]
    assert toys[0] == toys[1] != toys[2]
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((60, 2)))
    own = [OwnArrays(tmp_path / "x.npy", split_seed=seed, batch_size=10).fingerprint for seed in (0, 0, 1)]
    assert own[0] == own[1] != own[2]
    assert describe_differences(own[0], own[2]) == ["the same rows are in another order"]
