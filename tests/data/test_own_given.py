"""Conditions in a user's own file."""

import numpy as np
import pytest
import torch

from elbolab.data.arrays import OwnArrays

NUM = 50


@pytest.fixture
def write(tmp_path):
    def write(**arrays):
        np.savez(tmp_path / "x.npz", **arrays)
        return OwnArrays(tmp_path / "x.npz", given="own", batch_size=8)

    return write


def x(num: int = NUM) -> np.ndarray:
    return np.arange(3.0 * num).reshape(num, 3) + 0.5


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        (np.random.default_rng(0).normal(size=(NUM, 4)), (4,)),
        (np.random.default_rng(0).normal(size=(NUM, 4, 5)), (1, 4, 5)),
        (np.random.default_rng(0).normal(size=(NUM, 3, 4, 5)), (3, 4, 5)),
    ],
)
def test_vectors_and_images(write, given, shape):
    data = write(x=x(), given=given)
    assert data.spec.given == (shape,)
    for split in ("train", "val", "test"):
        for batch in data.batches(split):
            rows = (batch.x[:, 0] / 3).long()
            expected = torch.from_numpy(given.reshape(NUM, *shape)).float()[rows]
            assert torch.equal(batch.given[0], expected)


def test_levels_of_all_splits_are_scaled_alike(write):
    parts = {name: np.full((9, 2), value, np.uint8) for name, value in [("train", 255), ("val", 1), ("test", 0)]}
    data = write(**{name: x(9) for name in parts}, **{f"given_{name}": part for name, part in parts.items()})
    values = [next(iter(data.batches(split))).given[0][0, 0].item() for split in parts]
    assert values == pytest.approx([1, 1 / 255, 0])


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool])
def test_zeros_and_ones_are_attributes_and_no_levels(write, dtype):
    attributes = np.eye(5)[np.arange(NUM) % 5].astype(dtype)
    data = write(x=x(), given=attributes)
    batch = next(iter(data.batches("test")))
    assert torch.equal(batch.given[0], torch.from_numpy(attributes).float()[(batch.x[:, 0] / 3).long()])


def test_a_file_with_conditions_may_be_used_without(write, tmp_path):
    write(x=x(), given=x())
    data = OwnArrays(tmp_path / "x.npz", batch_size=8)
    assert data.spec.given == ()
    assert next(iter(data.batches("test"))).given == ()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": x()}, "data.given=own, but OwnArrays brings no conditions along"),
        ({"x": x(), "given": x(9)}, "50 data, but 9 given"),
        ({"x": x(), "given": x()[:, 0]}, r"given has shape \(50,\), where \(n, D\) belongs"),
        (
            {"x": x(), "given": np.where(x() == 9.5, np.nan, x())},
            "in 1 of the 50 rows of given in .*, the first in row 3",
        ),
        ({"x": x(), "given": np.full((NUM, 2), "a")}, "given is of type <U1, no numbers"),
        ({"x": x(), "given": np.arange(NUM)[:, None]}, "given has int64 from 0 to 49, which may be classes or numbers"),
        (
            {"train": x(), "test": x(), "given_train": x()},
            "there is given_train, but no given_test: give conditions to all splits",
        ),
        (
            {"train": x(), "test": x(), "given_train": x(), "given_test": x()[:, :2]},
            r"a row of given_train has shape \(3,\), one of given_test \(2,\)",
        ),
        (
            {"train": x(), "test": x(), "given_train": x(), "given_test": x().astype(int)},
            "given_train has floats, but given_test integers",
        ),
    ],
)
def test_conditions_that_cannot_be_used(write, arrays, message):
    with pytest.raises(ValueError, match=message):
        write(**arrays).spec  # noqa: B018
