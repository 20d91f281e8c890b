"""Seeded splits of data that come in one piece."""

import numpy as np

from elbolab.data.splits import Arrays, Splits


def split(arrays: Arrays, val_size: int, test_size: int, seed: int, train_size: int | None = None) -> Splits:
    """Disjoint random splits; the test and validation data do not depend on ``train_size``.

    Validation and test data stay in the order drawn, so that the first of them, which pictures show and limits keep,
    are a random sample too. Training data are in the order of ``arrays``, in which they are read fastest.

    The order comes from the bare seed and no named stream: the published runs and recorded curves on digits and
    dSprites were split so, and a run on own data of before would be measured on rows that it was trained on.

    Args:
        arrays: all data.
        val_size: validation data.
        test_size: test data.
        seed: seed of the split, apart from the run's seed.
        train_size: training data, None for all that are left.

    Raises:
        ValueError: there are fewer data.
    """
    held_out = val_size + test_size
    if len(arrays) < held_out + (train_size or 1):
        raise ValueError(
            f"too few data: {len(arrays)}, of which {val_size} validate and {test_size} test, and "
            f"{train_size or 'at least 1'} must be left to train on"
        )
    order = np.random.default_rng(seed).permutation(len(arrays))
    train = np.sort(order[held_out:][:train_size])
    return Splits(*(arrays.select(part) for part in (train, order[test_size:held_out], order[:test_size])))
