"""Real-valued data in units of their own spread."""

import numpy as np
import pytest
import torch
from scipy.stats import zscore
from tests.helpers import refused

from elbolab.batch import Support
from elbolab.data.arrays import OwnArrays
from elbolab.data.standardise import describe_scales, measure_columns
from elbolab.reading.splits import Arrays

WILD = np.array([1, 10, 1e3, 1e5, 1e6, 1e-3])


def table(num: int = 3000, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(num, 6)) * WILD + 7


def own(path, **options) -> OwnArrays:
    return OwnArrays(path, **({"standardise": True, "batch_size": 10} | options))


def save(tmp_path, **arrays):
    np.savez(tmp_path / "x.npz", **arrays)
    return tmp_path / "x.npz"


def test_every_column_has_mean_0_and_deviation_1_over_the_training_data_alone(tmp_path):
    data = own(save(tmp_path, train=table(), val=table(50, 1) + 3 * WILD, test=table(40, 2)))
    train = data.splits.train.x
    np.testing.assert_allclose(train, zscore(table()), atol=1e-5)
    np.testing.assert_allclose(train.mean(0, dtype=np.float64), 0, atol=1e-6)
    np.testing.assert_allclose(train.std(0, dtype=np.float64), 1, atol=1e-6)
    assert data.splits.val.x.mean() > 2.5
    assert data.spec.support is Support.REAL
    np.testing.assert_allclose(data.spec.scaling.scale, table().std(0))
    batch = next(iter(data.batches("test"))).x
    assert batch.dtype == torch.float32
    np.testing.assert_allclose(data.spec.restore(batch).numpy(), table(40, 2), rtol=1e-4, atol=1e-6)
    assert "real, standardised" in data.describe()


def test_numbers_that_differ_beyond_the_digits_of_a_float32_keep_their_differences(tmp_path):
    x = 1e9 + np.random.default_rng(0).normal(size=(200, 2))
    data = own(save(tmp_path, x=x))
    assert len(np.unique(data.splits.train.x)) > 300
    assert data.splits.train.x.std(0) == pytest.approx(1, abs=1e-6)


def test_data_left_out_of_training_have_no_say(tmp_path):
    x = table()
    x[50:] *= 100
    data = own(save(tmp_path, train=x, test=x), train_limit=50, val_fraction=0.01)
    first = data.splits.train.x
    assert len(first) == 50
    np.testing.assert_allclose(first.std(0), 1, atol=1e-5)


def test_images_have_one_scale_a_channel(tmp_path):
    x = np.random.default_rng(0).normal(size=(100, 3, 4, 5)) * np.array([1, 50, 2e4])[:, None, None] - 4
    x[:, :, 0, 0] = -4  # a pixel that is always the same is no constant channel
    data = own(save(tmp_path, train=x, test=x))
    train = data.splits.train.x
    np.testing.assert_allclose(train.std((0, 2, 3)), 1, atol=1e-5)
    assert len(data.spec.scaling.scale) == 3


def test_rows_on_disk_are_standardised_when_they_are_read(tmp_path):
    np.save(tmp_path / "x.npy", table())
    on_disk, in_memory = own(tmp_path / "x.npy"), own(save(tmp_path, x=table()))
    assert on_disk.splits.train.on_disk
    assert on_disk.splits.train.x.dtype == np.float32
    for split in ("train", "val", "test"):
        parts = [np.asarray(data.arrays(split).x) for data in (on_disk, in_memory)]
        np.testing.assert_array_equal(*parts)
    rows = on_disk.splits.train.select(slice(5)).rows(np.array([4, 0])).x
    np.testing.assert_array_equal(rows, in_memory.splits.train.x[[4, 0]])
    assert on_disk.fingerprint == in_memory.fingerprint
    assert on_disk.spec == in_memory.spec


def test_a_huge_outlier_leaves_numbers_finite(tmp_path):
    x = table()
    x[7, 1] = 1e30
    assert np.abs(own(save(tmp_path, train=x, test=x)).splits.train.x).max() < 100


def test_whole_numbers_up_to_255_are_numbers_where_they_are_to_be_standardised(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, size=(100, 4)).astype(float)
    x[0, 0] = 255
    path = save(tmp_path, x=x)
    with pytest.raises(ValueError, match="pixels"):
        own(path, standardise=False).spec  # noqa: B018 -- reads
    assert own(path).spec.support is Support.REAL


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.eye(20), "0 to 1.*leave it out"),
        (np.random.default_rng(0).random((30, 4)), "floats from 0.*leave it out"),
        (np.random.default_rng(0).integers(0, 256, (30, 4)).astype("u1"), "integers.*floats"),
        (np.c_[table(30), np.full(30, 0.1)], r"x\[:, 6\] .*same.*numpy.delete\(x, \[6\], axis=1\)"),
        (np.c_[table(30), np.geomspace(1, 1e200, 30)], r"x\[:, 6\] .*too large"),
    ],
)
def test_data_that_have_no_spread_of_their_own_are_refused(tmp_path, x, words):
    with pytest.raises(ValueError, match=f"standardise.*{words}"):
        own(save(tmp_path, x=x)).spec  # noqa: B018 -- reads


def test_a_part_of_an_image_is_not_standardised(tmp_path):
    x = np.random.default_rng(0).normal(size=(50, 4, 4))
    with refused(r"has no scale of its own: set data.standardise=false, or set data.given=none"):
        own(save(tmp_path, x=x), given="quadrants", quadrants=1).spec  # noqa: B018 -- reads


def test_moments_do_not_lose_digits_to_a_large_mean():
    x = 1e8 + np.random.default_rng(0).normal(size=(5000, 2, 3))
    mean, deviation = measure_columns(Arrays(x))
    np.testing.assert_allclose(mean, x.mean((0, 2)), rtol=1e-12)
    np.testing.assert_allclose(deviation, x.std((0, 2)), rtol=1e-6)


@pytest.mark.parametrize(
    ("x", "is_wild"),
    [
        (table(200), True),
        ((table(200) - 7) / WILD, False),
        (np.random.default_rng(0).normal(size=(99, 3)) * [1, 50, 1], False),
        (np.random.default_rng(0).normal(size=(99, 3)) * 1e4, True),
        (np.random.default_rng(0).normal(size=(99, 3)) * 1e-4, True),
        (np.random.default_rng(0).normal(size=(99, 3)) * 0.01 + 20, True),
        (np.ones((99, 3)), False),
    ],
)
def test_wild_scales_are_seen(x, is_wild):
    assert (describe_scales(Arrays(x)) is not None) == is_wild


def test_levels_have_no_wild_scale():
    assert describe_scales(Arrays(np.full((9, 3), 255, np.uint8), levels=256)) is None
