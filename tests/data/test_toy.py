"""Points in the plane."""

import numpy as np
import pytest

from elbolab.batch import Spec, Support, name_by_number
from elbolab.data.toy import Toy

PARTS = {"gaussians": 4, "moons": 2, "pinwheel": 5}


@pytest.mark.parametrize("shape", PARTS)
def test_batches_agree_with_the_spec(shape, agrees):
    data = Toy(shape=shape, train_size=200, val_size=30, test_size=40)
    agrees(data)
    assert data.spec == Spec((2,), Support.REAL, classes=name_by_number(PARTS[shape]))
    assert list(map(len, data.splits)) == [200, 30, 40]


def test_four_gaussians_are_where_and_as_wide_as_said():
    train = Toy(noise=0.2, train_size=20_000).arrays("train")
    for part, corner in enumerate([(1, 1), (-1, 1), (-1, -1), (1, -1)]):
        x = train.x[train.y == part]
        assert np.allclose(x.mean(0), corner, atol=0.02)
        assert np.allclose(np.cov(x.T), 0.04 * np.eye(2), atol=0.003)


def test_moons_without_noise_are_half_circles():
    train = Toy("moons", noise=0).arrays("train")
    for part, (centre, side) in enumerate([((-0.5, -0.25), 1), ((0.5, 0.25), -1)]):
        x = train.x[train.y == part] - np.array(centre)
        assert np.allclose(np.linalg.norm(x, axis=1), 1, atol=1e-5)
        assert (side * x[:, 1] > -1e-5).all()


def test_the_arms_of_a_pinwheel_are_turns_of_one():
    train = Toy("pinwheel", noise=0, train_size=20_000).arrays("train")
    radius = np.linalg.norm(train.x, axis=1)
    turned = np.arctan2(train.x[:, 1], train.x[:, 0]) - 0.25 * np.exp(radius) - 2 * np.pi * train.y / 5
    near = np.cos(turned[radius > 1e-3])
    assert np.isclose(near, 1, atol=1e-4).mean() > 0.99


def test_the_data_belong_to_their_seed():
    one, same, other = Toy(), Toy(seed=3), Toy(data_seed=1)
    assert np.array_equal(one.arrays("val").x, same.arrays("val").x)
    assert not np.array_equal(one.arrays("val").x, other.arrays("val").x)
    assert not np.array_equal(one.arrays("val").x, one.arrays("test").x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": "moon"}, "data.shape=moon: choose gaussians, moons, pinwheel"),
        ({"noise": -1.0}, "data.noise=-1.0: a number from 0 up"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(ValueError, match=message):
        Toy(**options)
