"""The axes and types of a user's own arrays."""

import numpy as np
import pytest
import torch
from tests.helpers import refused

from elbolab.data.arrays import OwnArrays
from elbolab.data.contents import channels_first

NUM = 20
RNG = np.random.default_rng(0)


def own(folder, x: np.ndarray, y: np.ndarray | None = None, **options) -> OwnArrays:
    np.savez(folder / "x.npz", x=x, **({} if y is None else {"y": y}))
    return OwnArrays(folder / "x.npz", **({"batch_size": 4} | options))


@pytest.mark.parametrize(
    ("shape", "place"),
    [
        ((3, 8, 8), "first"),
        ((8, 8, 3), "last"),
        ((8, 9, 1), "last"),
        ((4, 9, 2), "first"),
        ((2, 8, 8), "first"),
        ((8, 8, 2), "last"),
        ((5, 8, 9), "first"),
        ((8, 9, 5), "last"),
        ((13, 8, 8), "first"),
        ((8, 8, 13), "last"),
        ((1, 8, 8, 8), "first"),
        ((8, 9, 10, 1), "last"),
        ((2, 8, 9, 10), "first"),
        ((8, 8, 8, 20), "last"),
    ],
)
def test_channels_are_told_by_the_sizes_of_the_axes(shape, place):
    x = RNG.random((NUM, *shape))
    found = channels_first("x", x, "auto", "file")
    assert np.array_equal(found, x if place == "first" else np.moveaxis(x, -1, 1))


@pytest.mark.parametrize(
    "shape", [(3, 8, 3), (4, 4, 4), (3, 28, 1), (8, 8, 8), (8, 5, 9), (16, 3, 64, 64), (512, 4, 4), (3, 3, 32)]
)
def test_channels_that_may_be_either_are_asked_for(shape):
    x = RNG.random((2, *shape))
    with refused(r"file: x has shape .*x.reshape\(len.*: set data.channels=first or last"):
        channels_first("x", x, "auto", "file")
    assert np.array_equal(channels_first("x", x, "first", "file"), x)
    assert np.array_equal(channels_first("x", x, "last", "file"), np.moveaxis(x, -1, 1))


@pytest.mark.parametrize(
    ("shape", "channels", "message"),
    [
        ((NUM,), "auto", r"x has shape \(20,\), where \(n, D\) belongs: give one number a datum as x\[:, None\]"),
        ((), "auto", r"x has shape \(\)"),
        ((2, 3, 4, 5, 6, 7), "auto", r"volumes \(n, C, D, H, W\): give vectors by x.reshape\(len\(x\), -1\)"),
    ],
)
def test_shapes_that_are_no_data(shape, channels, message):
    with pytest.raises(ValueError, match=message):
        channels_first("x", np.zeros(shape), channels, "file")


@pytest.mark.parametrize("shape", [(4,), (4, 5)])
def test_a_place_of_channels_where_there_are_none(tmp_path, shape):
    with pytest.raises(ValueError, match="data.channels=last without effect: these data have no channels"):
        own(tmp_path, RNG.random((NUM, *shape)), channels="last").spec  # noqa: B018


def test_pictures_have_their_channels_where_they_are(tmp_path):
    from PIL import Image

    for i in range(NUM):
        Image.new("RGB", (3, 3), (i, 0, 0)).save(tmp_path / f"{i}.png")
    assert OwnArrays(tmp_path, batch_size=4).spec.x == (3, 3, 3)
    with pytest.raises(ValueError, match="data.channels=last without effect: .*or are pictures"):
        OwnArrays(tmp_path, batch_size=4, channels="last").spec  # noqa: B018


def test_there_are_two_places_for_channels():
    with pytest.raises(ValueError, match="data.channels=middle: choose auto, first, last"):
        OwnArrays("x.npz", channels="middle")


@pytest.mark.parametrize(("shape", "event"), [((8, 9, 5), (5, 8, 9)), ((8, 9, 10, 2), (2, 8, 9, 10))])
def test_unusual_channels_are_said(tmp_path, shape, event, agrees, caplog):
    data = own(tmp_path, RNG.random((NUM, *shape)))
    agrees(data)
    assert data.spec.x == event
    assert f"data of shape {shape} are read with {event[0]} channels of {event[1:]}" in caplog.text


@pytest.mark.parametrize("shape", [(7,), (8, 8), (3, 8, 8), (8, 8, 1), (1, 8, 8, 8)])
def test_usual_shapes_are_read_without_a_word(tmp_path, shape, caplog):
    own(tmp_path, RNG.random((NUM, *shape))).spec  # noqa: B018
    assert not caplog.text


def test_splits_of_different_shapes(tmp_path):
    np.savez(tmp_path / "x.npz", train=np.ones((NUM, 3)), test=np.ones((NUM, 4)))
    with pytest.raises(
        ValueError, match=r"a row of train has shape \(3,\), one of test \(4,\): give all splits data of"
    ):
        OwnArrays(tmp_path / "x.npz").spec  # noqa: B018


@pytest.mark.parametrize("dtype", ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8", np.longdouble])
@pytest.mark.parametrize("suffix", ["npz", "npy"])
def test_floats_of_every_size_and_byte_order(tmp_path, dtype, suffix, agrees):
    x = np.asfortranarray(RNG.integers(-512, 512, (NUM, 3)) / 8)
    (np.save if suffix == "npy" else np.savez)(tmp_path / f"x.{suffix}", x.astype(dtype))
    data = OwnArrays(tmp_path / f"x.{suffix}", batch_size=4)
    agrees(data)
    found = torch.cat([batch.x for split in ("train", "val", "test") for batch in data.batches(split)])
    assert sorted(found.tolist()) == sorted(x.tolist())


@pytest.mark.parametrize("dtype", [">u2", ">i8", np.uint64, np.int8])
def test_integers_of_every_size_and_byte_order(tmp_path, dtype, agrees):
    x = RNG.integers(0, 128, (NUM, 3))
    data = own(tmp_path, x.astype(dtype))
    agrees(data)
    assert data.spec.levels == 256
    assert sorted(np.concatenate([arrays.x for arrays in data.splits]).tolist()) == sorted(x.tolist())


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((0, 2)), r"x is empty, its shape is \(0, 2\)"),
        (np.zeros((9, 0)), r"x is empty, its shape is \(9, 0\)"),
        (np.full((9, 2), "a"), r"x is of type <U1, no numbers: give x.astype\('float32'\)"),
        (np.zeros((9, 2), "datetime64[D]"), r"x is of type datetime64\[D\], no numbers"),
        (np.zeros((9, 2), "V2"), r"x is of type \|V2, no numbers"),
        (np.zeros(9, "f8,f8"), r"x has records of f0, f1: give numpy.lib.recfunctions.structured_to_unstructured\(x\)"),
        (np.ones((9, 2), complex), r"x has complex numbers: give real ones, numpy.stack\("),
    ],
)
def test_arrays_that_are_no_numbers(tmp_path, x, message):
    with pytest.raises(ValueError, match=f"data.path=.*x.npz: {message}"):
        own(tmp_path, x, y=np.zeros(9)).spec  # noqa: B018


def test_a_value_beyond_the_floats_of_models_is_found_in_its_row(tmp_path):
    x = RNG.normal(size=(NUM, 3))
    x[7, 1] = -1e300
    with pytest.raises(
        ValueError, match=r"beyond float32.* in 1 of the 20 rows of x in data.path=.*, the first in row 7"
    ):
        own(tmp_path, x).spec  # noqa: B018
