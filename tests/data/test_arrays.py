"""A user's own arrays and pictures, in all their layouts."""

from pathlib import Path

import numpy as np
import pytest
from tests.helpers import refused

from elbolab.batch import Support
from elbolab.data.arrays import OwnArrays

NUM = 60
RNG = np.random.default_rng(0)


def pixels(*shape: int, num: int = NUM) -> np.ndarray:
    x = RNG.integers(256, size=(num, *shape), dtype=np.uint8)
    x.reshape(num, -1)[:, 0] = np.arange(num)
    return x


def own(path: Path, **options) -> OwnArrays:
    return OwnArrays(str(path), **({"batch_size": 10} | options))


def saved(folder: Path, **arrays: np.ndarray) -> Path:
    np.savez(folder / "x.npz", **arrays)
    return folder / "x.npz"


def everything(data: OwnArrays) -> np.ndarray:
    return np.concatenate([np.asarray(arrays.x) for arrays in data.splits])


@pytest.mark.parametrize(
    ("shape", "event"),
    [
        ((7,), (7,)),
        ((5, 6), (1, 5, 6)),
        ((5, 6, 3), (3, 5, 6)),
        ((5, 6, 1), (1, 5, 6)),
        ((3, 5, 6), (3, 5, 6)),
        ((4, 5, 6), (4, 5, 6)),
    ],
)
@pytest.mark.parametrize("suffix", ["npz", "npy"])
def test_layouts(tmp_path, shape, event, suffix, agrees):
    x = pixels(*shape)
    np.save(tmp_path / "x.npy", x)
    data = own(saved(tmp_path, x=x) if suffix == "npz" else tmp_path / "x.npy")
    assert data.spec.x == event
    agrees(data)
    expected = x if x.ndim == 2 else x[:, None] if x.ndim == 3 else x if event == shape else np.moveaxis(x, 3, 1)
    assert sorted(map(bytes, everything(data))) == sorted(map(bytes, np.ascontiguousarray(expected)))


@pytest.mark.parametrize(
    ("x", "support", "levels"),
    [
        (np.eye(NUM, dtype=bool), Support.BINARY, 2),
        (np.eye(NUM, dtype=np.int64), Support.BINARY, 2),
        (np.eye(NUM), Support.BINARY, 2),
        (pixels(4), Support.UNIT, 256),
        (pixels(4).astype(np.int64), Support.UNIT, 256),
        (pixels(4) / 255, Support.UNIT, None),
        (pixels(4) / 100, Support.REAL, None),
        (pixels(4) / 255 - 0.1, Support.REAL, None),
        (pixels(4).astype(np.float32) - 10, Support.REAL, None),
        (np.minimum(pixels(4), 200).astype(np.float32), Support.REAL, None),
        (pixels(3, 3).astype(np.float32) - 10, Support.REAL, None),
        (pixels(3, 3) * np.float32(2), Support.REAL, None),
    ],
)
def test_values_say_what_the_data_are(tmp_path, x, support, levels, agrees):
    data = own(saved(tmp_path, x=x))
    assert (data.spec.support, data.spec.levels) == (support, levels)
    agrees(data)


def test_values_of_all_splits_count(tmp_path):
    x = np.zeros((NUM, 2))
    assert own(saved(tmp_path, train=x, val=x, test=x)).spec.support is Support.BINARY
    assert own(saved(tmp_path, train=x, val=x, test=x - 1)).spec.support is Support.REAL


GREY = pixels(3, 3)
ONE_SCALE = "give all splits in one type and on one scale, as uint8 from 0 to 255 or as floats"
PIXELS = "all of them whole numbers: give pixels as uint8, or divide them by 255"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((GREY, GREY, GREY / 255), f"train has integers from 0 to 255, but test has floats from 0 to 1: {ONE_SCALE}"),
        ((GREY / 255, GREY / 255, GREY), "train has floats from 0 to 1, but test has integers from 0 to 255"),
        ((GREY, GREY / 255, GREY), "train has integers from 0 to 255, but val has floats"),
        ((GREY > 9, GREY > 9, GREY), "train has booleans from 0 to 1, but test has integers"),
        (
            (GREY // 255, GREY // 255, GREY),
            f"has integers from 0 to 1, but test has integers from 0 to 255: {ONE_SCALE}",
        ),
        ((GREY, GREY, GREY // 255), "test has integers from 0 to 1, but train has integers from 0 to 255"),
        ((GREY / 255, GREY / 255, GREY / 1.5), "has floats from 0 to 1, but test has floats from 0 to 170"),
        ((GREY / 255, GREY / 255, GREY / -1.5), "has floats from 0 to 1, but test has floats from -170 to -?0"),
        ((GREY / 255, GREY / 255, GREY.astype(np.float32)), f"test has floats from 0 to 255, {PIXELS}"),
    ],
)
def test_splits_on_different_scales_are_refused(tmp_path, parts, message):
    with pytest.raises(ValueError, match=message):
        own(saved(tmp_path, **dict(zip(("train", "val", "test"), parts, strict=True)))).spec  # noqa: B018


def test_splits_of_one_scale_need_not_have_the_same_extremes(tmp_path):
    grey = np.minimum(GREY, 7)
    assert own(saved(tmp_path, train=GREY, test=grey)).spec.levels == 256
    assert own(saved(tmp_path, train=GREY / 255, test=grey / 255)).spec.support is Support.UNIT
    assert own(saved(tmp_path, train=GREY / 255, test=grey / 5 - 0.1)).spec.support is Support.REAL
    assert own(saved(tmp_path, train=(GREY > 127) * 1.0, test=GREY / 255)).spec.support is Support.UNIT
    binary = own(saved(tmp_path, train=GREY // 255, test=np.eye(NUM, 9).reshape(-1, 3, 3)))
    assert binary.spec.support is Support.BINARY
    assert binary.arrays("test").x.dtype == np.uint8


@pytest.mark.parametrize("x", [GREY, GREY // 16, pixels(3, 5, 5), GREY.reshape(NUM, -1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pixels_as_floats_are_no_real_numbers(tmp_path, x, dtype):
    with pytest.raises(ValueError, match=PIXELS):
        own(saved(tmp_path, x=x.astype(dtype))).spec  # noqa: B018


def test_labels_and_factors_stay_beside_their_data(tmp_path, agrees):
    x = pixels(4)
    factors = np.stack([np.arange(NUM) % 3, np.arange(NUM) % 5], axis=1)
    data = own(saved(tmp_path, x=x, y=np.arange(NUM) % 7, factors=factors), given="labels")
    assert (data.spec.num_classes, data.spec.factors, data.spec.given) == (7, (3, 5), ((7,),))
    agrees(data)
    for arrays in data.splits:
        assert np.array_equal(arrays.y, arrays.x[:, 0] % 7)
        assert np.array_equal(arrays.factors, np.stack([arrays.x[:, 0] % 3, arrays.x[:, 0] % 5], axis=1))


def test_the_files_own_splits(tmp_path, agrees):
    parts = {"train": pixels(4, num=20), "val": pixels(4, num=5), "test": pixels(4, num=7)}
    labels = {f"y_{name}": np.arange(len(part)) % 3 for name, part in parts.items()}
    data = own(saved(tmp_path, **parts, **labels))
    agrees(data)
    for name, part in parts.items():
        assert np.array_equal(data.arrays(name).x, part)
        assert np.array_equal(data.arrays(name).y, labels[f"y_{name}"])


def test_validation_data_are_cut_from_train_where_there_are_none(tmp_path):
    data = own(saved(tmp_path, train=pixels(4), test=pixels(4, num=7)), val_fraction=0.25)
    assert list(map(len, data.splits)) == [45, 15, 7]


def test_test_data_are_cut_from_train_where_there_are_none(tmp_path, caplog):
    train = pixels(4)
    data = own(saved(tmp_path, train=train, val=pixels(4, num=7)), test_fraction=0.25, split_seed=3)
    assert list(map(len, data.splits)) == [45, 7, 15]
    assert sorted(map(bytes, np.concatenate([data.splits.train.x, data.splits.test.x]))) == sorted(map(bytes, train))
    assert "has no test data: 15 of train are held out to test" in caplog.text


def test_fractions_and_seed_of_the_split(tmp_path):
    path = saved(tmp_path, x=pixels(4))
    data = own(path, val_fraction=0.1, test_fraction=0.3)
    assert list(map(len, data.splits)) == [36, 6, 18]
    assert np.array_equal(everything(data), everything(own(path, test_fraction=0.3, seed=9)))
    assert not np.array_equal(everything(data), everything(own(path, test_fraction=0.3, split_seed=1)))


def test_an_npy_file_is_read_when_it_is_needed(tmp_path):
    np.save(tmp_path / "x.npy", pixels(4))
    train = own(tmp_path / "x.npy").arrays("train")
    assert train.on_disk
    assert isinstance(train.x.base, np.memmap)


@pytest.mark.parametrize("binarize", ["dynamic", "fixed", "threshold"])
def test_grey_levels_may_be_made_binary(tmp_path, binarize, agrees):
    np.save(tmp_path / "x.npy", pixels(4))
    for path in (saved(tmp_path, x=pixels(4)), tmp_path / "x.npy"):
        data = own(path, binarize=binarize)
        assert (data.spec.support, data.spec.levels) == (Support.BINARY, 2)
        agrees(data)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.full((9, 2), 256)}, "integers from 256 to 256.*give 0 to 255, floats .x / 65535"),
        ({"x": np.full((9, 2), -1)}, "integers from -1 to -1"),
        ({"x": pixels(4), "y": np.zeros(9, int)}, "60 data, but 9 y"),
        ({"x": pixels(4)[:2]}, "too few data: 2, of which 1 validate and 1 test, and at least 1 must be left"),
    ],
)
def test_arrays_that_are_no_data(tmp_path, arrays, message):
    with pytest.raises(ValueError, match=message):
        own(saved(tmp_path, **arrays)).splits  # noqa: B018


@pytest.mark.parametrize(("num", "sizes"), [(3, (1, 1, 1)), (10, (8, 1, 1)), (14, (12, 1, 1)), (15, (11, 2, 2))])
def test_few_data_are_split_into_three(tmp_path, num, sizes):
    assert tuple(map(len, own(saved(tmp_path, x=pixels(4)[:num])).splits)) == sizes


@pytest.mark.parametrize("kind", ["y", "factors"])
def test_labels_of_some_splits_only(tmp_path, kind):
    labels = {f"{kind}_train": np.ones((NUM, 2) if kind == "factors" else NUM, int)}
    path = saved(tmp_path, train=pixels(4), val=pixels(4), test=pixels(4), **labels)
    with pytest.raises(
        ValueError, match=f"there is {kind}_train, but no {kind}_val: give (labels|factors) to all splits"
    ):
        own(path).splits  # noqa: B018


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (np.inf, "NaN or infinite values"),
        (-np.inf, "NaN or inf"),
        (np.nan, "NaN or inf"),
        (-1e39, "values beyond float32"),
    ],
)
@pytest.mark.parametrize("name", ["x", "val"])
def test_numbers_that_are_none_are_found_in_the_row_of_the_file(tmp_path, name, value, what):
    x = np.zeros((2000, 2))
    x[1500, 1] = x[1700, 0] = value
    parts = {"x": x} if name == "x" else {"train": np.ones((NUM, 2)), "val": x, "test": np.ones((5, 2))}
    message = rf"{what}.* in 2 of the 2000 rows of {name} in .*x.npz, the first in row 1500 \(counted from 0\)"
    with pytest.raises(ValueError, match=message):
        own(saved(tmp_path, **parts)).spec  # noqa: B018


def test_large_numbers_are_data_of_a_run_in_float64(tmp_path, float64):
    assert own(saved(tmp_path, x=np.array([[1.0], [1e300]] * NUM))).spec.support is Support.REAL


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.npz", None, "there is no such file or folder"),
        (
            "x.npz",
            b"PK not",
            r"x.npz cannot be read as .npz \(it is no zip archive.*\): write arrays of numbers with numpy.s",
        ),
        ("x.npy", b"", r"x.npy cannot be read as .npy \(.*\): write arrays of numbers with numpy.save"),
        ("x.npy", b"no arrays", "the magic string is not correct"),
        ("x.png", b"", "is one picture: give the folder"),
        (".", None, "no pictures there"),
    ],
)
def test_files_that_are_no_data(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        own(tmp_path / name).spec  # noqa: B018


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"val_fraction": 0.0}, "data.val_fraction=0.0, data.test_fraction=0.1: both are positive"),
        ({"val_fraction": 0.5, "test_fraction": 0.5}, "leave something to train on"),
        ({"val_fraction": -0.1}, "data.val_fraction=-0.1: a number from 0 to 1"),
        ({"val_fraction": "x"}, "data.val_fraction=x: a number from 0 to 1"),
        ({"test_fraction": float("nan")}, "data.test_fraction=nan: a number from 0 to 1"),
        ({"split_seed": -1}, "data.split_seed=-1: a whole number, at least 0"),
        ({"binarize_seed": "x"}, "data.binarize_seed=x: a whole number, at least 0"),
        ({"binarize": "yes"}, "data.binarize=yes: choose dynamic"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(ValueError, match=message):
        own(Path("x.npz"), **options)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (pixels(4) / 255, r"numpy.rint\(255 \* x\) as uint8 would be, .* are grey values .*set data.binarize=none"),
        (pixels(4) // 255, "these are binary data: set data.binarize=none"),
        (pixels(4) - 0.5, "these are real numbers: set data.binarize=none"),
    ],
)
def test_only_grey_levels_are_binarised(tmp_path, x, message):
    with refused(f"binarize=dynamic: only integers from 0 to 255 are binarised, .*{message}"):
        own(saved(tmp_path, x=x), binarize="dynamic").spec  # noqa: B018


def test_a_path_may_look_like_a_number():
    assert OwnArrays(5).path == Path("5")


@pytest.mark.parametrize("name", ["x.npz", "x.npy"])
def test_a_file_that_is_none_is_named(tmp_path, name):
    (tmp_path / name).write_text("no arrays")
    with pytest.raises(ValueError, match=f"{name} cannot be read"):
        own(tmp_path / name).spec  # noqa: B018


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x.npz", r"x.npz: the array arr_0 cannot be read \(.*\): write the file anew, objects by arr_0.astype\(str\)"),
        ("x.npy", r"x.npy cannot be read .*\(.*\): write arrays of numbers"),
    ],
)
def test_arrays_of_objects_say_what_to_write(tmp_path, name, message):
    (np.savez if name == "x.npz" else np.save)(tmp_path / name, np.array([None, "a"]))
    with pytest.raises(ValueError, match=message):
        own(tmp_path / name).spec  # noqa: B018
