"""scikit-learn's digits."""

import numpy as np
import pytest

from elbolab.batch import Spec, Support, name_by_number
from elbolab.data.digits import Digits


@pytest.mark.parametrize("binarize", ["dynamic", "fixed", "threshold", "none"])
def test_batches_agree_with_the_spec(binarize, agrees):
    agrees(Digits(binarize=binarize))


def test_it_is_the_digits():
    data = Digits(binarize="none")
    assert data.spec == Spec((1, 8, 8), Support.UNIT, levels=17, classes=name_by_number(10))
    assert list(map(len, data.splits)) == [1297, 200, 300]
    from sklearn.datasets import load_digits

    pairs = {(bytes(x.astype(np.uint8)), y) for x, y in zip(*load_digits(return_X_y=True), strict=True)}
    ours = [(bytes(x), y) for arrays in data.splits for x, y in zip(arrays.x, arrays.y, strict=True)]
    assert set(ours) == pairs
    assert len(ours) == 1797


def test_splits_belong_to_their_seed():
    one, same, other = Digits(), Digits(seed=5), Digits(split_seed=1)
    assert one.arrays("test").y.tolist() == same.arrays("test").y.tolist() != other.arrays("test").y.tolist()
