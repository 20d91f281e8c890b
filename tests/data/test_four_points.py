"""Four images of one pixel that is 1."""

import numpy as np

from elbolab.data.four_points import FourPoints


def test_every_image_comes_equally_often_with_the_number_of_its_pixel(agrees):
    data = FourPoints(train_size=80, val_size=8, test_size=12)
    agrees(data)
    assert list(map(len, data.splits)) == [80, 8, 12]
    x, y = data.arrays("train").x, data.arrays("train").y
    assert (x.reshape(80, 4).sum(0) == 20).all()
    assert (x.reshape(80, 4).argmax(1) == y).all()
    assert (x.reshape(80, 4).sum(1) == 1).all()
    assert np.bincount(y).tolist() == [20] * 4
