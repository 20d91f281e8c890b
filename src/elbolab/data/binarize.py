"""What grey values become: four different data sets, whose likelihoods do not compare.

Dynamic binarisation follows Burda, Grosse and Salakhutdinov (2016): a pixel is drawn anew at every use in training,
with its grey value as its probability; validation and test data are drawn once, from a seed that belongs to the data.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from elbolab.batch import Spec, Support
from elbolab.reading.options import check_whole
from elbolab.reading.splits import Arrays, Splits


def _draw_once(grey: Arrays, rng: np.random.Generator) -> Arrays:
    """P(1) = k / (levels - 1), exactly: an integer below levels - 1 is below k with this probability."""
    assert grey.levels is not None
    bits = rng.integers(grey.levels - 1, size=grey.x.shape, dtype=np.uint8) < grey.x
    return replace(grey, x=bits.view(np.uint8), levels=2)


def _cut_in_half(grey: Arrays, rng: np.random.Generator) -> Arrays:
    assert grey.levels is not None
    return replace(grey, x=(np.asarray(grey.x) > (grey.levels - 1) / 2).view(np.uint8), levels=2)


ONCE: dict[str, Callable[[Arrays, np.random.Generator], Arrays]] = {
    "dynamic": _draw_once,
    "fixed": _draw_once,
    "threshold": _cut_in_half,
    "none": lambda grey, rng: grey,
}
"""What becomes of data that are seen in one form: of all splits, but for the training data of ``dynamic``."""


def check_binarize(name: str, seed: int) -> None:
    """Raises ValueError where there is no such binarisation, or no such seed of what is drawn once."""
    check_whole(0, binarize_seed=seed)
    if name not in ONCE:
        raise ValueError(f"data.binarize={name}: choose {', '.join(ONCE)}")


def binarize_spec(name: str, spec: Spec) -> Spec:
    """The spec of grey data after binarisation ``name``."""
    return spec if name == "none" else spec._replace(support=Support.BINARY, levels=2)


def binarize_splits(name: str, splits: Splits, seed: int) -> Splits:
    """Grey data with levels after binarisation ``name``.

    The streams have the seed and the number of the split in their names and no purpose: every published likelihood of
    binarised test data and every recorded curve is of these draws.
    """
    rngs = [np.random.default_rng((seed, stream)) for stream in range(3)]
    train = replace(splits.train, draws=True) if name == "dynamic" else ONCE[name](splits.train, rngs[0])
    return Splits(train, ONCE[name](splits.val, rngs[1]), ONCE[name](splits.test, rngs[2]))


def binarize_as_test(name: str, grey: Arrays, seed: int) -> Arrays:
    """Grey data after binarisation ``name``, as the test data are; what is drawn comes from their stream."""
    return ONCE[name](grey, np.random.default_rng((seed, 2)))
