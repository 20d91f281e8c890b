"""Grey values made binary."""

import numpy as np
import pytest

from elbolab.batch import Spec, Support
from elbolab.data.binarize import binarize_spec, binarize_splits, check_binarize
from elbolab.reading.splits import Arrays, Splits

LEVELS = 17


def grey(num: int = 20_000) -> Splits:
    x = np.broadcast_to(np.arange(LEVELS, dtype=np.uint8), (num, LEVELS))
    return Splits(*(Arrays(x, np.arange(num), levels=LEVELS) for _ in range(3)))


def test_drawn_pixels_have_their_grey_value_as_probability():
    drawn = binarize_splits("fixed", grey(), 777)
    p = np.arange(LEVELS) / (LEVELS - 1)
    for arrays in drawn:
        assert set(np.unique(arrays.x)) == {0, 1}
        assert np.all(np.abs(arrays.x.mean(0) - p) <= 4.5 * np.sqrt(p * (1 - p) / len(arrays)))


def test_black_and_white_are_certain():
    x = binarize_splits("fixed", grey(), 777).test.x
    assert not x[:, 0].any()
    assert x[:, -1].all()


def test_splits_and_seeds_have_draws_of_their_own():
    first, again, other = (binarize_splits("fixed", grey(), seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a.x, b.x) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a.x, b.x) for a, b in zip(first, other, strict=True))
    assert not np.array_equal(first.val.x, first.test.x)


def test_dynamic_leaves_training_data_grey_and_draws_the_rest_once():
    dynamic, fixed = binarize_splits("dynamic", grey(), 777), binarize_splits("fixed", grey(), 777)
    assert (dynamic.train.draws, dynamic.train.levels) == (True, LEVELS)
    for one, other in zip(dynamic[1:], fixed[1:], strict=True):
        assert not one.draws
        assert np.array_equal(one.x, other.x)


def test_the_threshold_is_above_one_half():
    assert binarize_splits("threshold", grey(1), 0).test.x.tolist() == [[0] * 9 + [1] * 8]


def test_none_changes_nothing():
    splits = grey(3)
    assert binarize_splits("none", splits, 0) == splits


def test_the_spec_says_what_the_data_are():
    spec = Spec((LEVELS,), Support.UNIT, levels=LEVELS)
    assert binarize_spec("none", spec) == spec
    assert {binarize_spec(name, spec) for name in ("dynamic", "fixed", "threshold")} == {
        Spec((LEVELS,), Support.BINARY, levels=2)
    }


def test_an_unknown_way_names_the_known():
    with pytest.raises(ValueError, match=r"data.binarize=dynamik: choose dynamic, fixed, threshold, none"):
        check_binarize("dynamik", 0)
