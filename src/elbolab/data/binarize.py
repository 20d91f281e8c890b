"""What grey values become: four different data sets, whose likelihoods do not compare.

Dynamic binarisation follows Burda, Grosse and Salakhutdinov (2016): a pixel is drawn anew at every use in training,
with its grey value as its probability; validation and test data are drawn once, from a seed that belongs to the data.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from elbolab.batch import Spec, Support
from elbolab.data.splits import Arrays, Splits


def check_binarize(name: str) -> None:
    """Raises ValueError where there is no such binarisation."""
    if name not in _WAYS:
        raise ValueError(f"data.binarize={name}: choose {', '.join(_WAYS)}")


def binarized_spec(name: str, spec: Spec) -> Spec:
    """The spec of grey data after binarisation ``name``."""
    return spec if name == "none" else spec._replace(support=Support.BINARY, levels=2)


def binarized(name: str, splits: Splits, seed: int) -> Splits:
    """Grey data after binarisation ``name``.

    The streams have the seed and the number of the split in their names and no purpose: every published likelihood of
    binarised test data and every recorded curve is of these draws.

    Args:
        name: ``dynamic``, ``fixed`` (all three splits drawn once), ``threshold`` (above one half) or ``none``.
        splits: grey data with levels.
        seed: seed of what is drawn once; each split has a stream of its own.
    """
    rngs = [np.random.default_rng((seed, stream)) for stream in range(3)]
    return Splits(*(_WAYS[name](arrays, rng, i == 0) for i, (arrays, rng) in enumerate(zip(splits, rngs, strict=True))))


def binarized_as_test(name: str, grey: Arrays, seed: int) -> Arrays:
    """Grey data after binarisation ``name``, as the test data are; what is drawn comes from their stream."""
    return _WAYS[name](grey, np.random.default_rng((seed, 2)), False)


def _dynamic(grey: Arrays, rng: np.random.Generator, is_train: bool) -> Arrays:
    return replace(grey, draws=True) if is_train else _fixed(grey, rng, is_train)


def _fixed(grey: Arrays, rng: np.random.Generator, is_train: bool) -> Arrays:
    """P(1) = k / (levels - 1), exactly: an integer below levels - 1 is below k with this probability."""
    assert grey.levels is not None
    return _binary(grey, rng.integers(grey.levels - 1, size=grey.x.shape, dtype=np.uint8) < grey.x)


def _threshold(grey: Arrays, rng: np.random.Generator, is_train: bool) -> Arrays:
    assert grey.levels is not None
    return _binary(grey, np.asarray(grey.x) > (grey.levels - 1) / 2)


def _none(grey: Arrays, rng: np.random.Generator, is_train: bool) -> Arrays:
    return grey


def _binary(grey: Arrays, x: np.ndarray) -> Arrays:
    return replace(grey, x=x.view(np.uint8), levels=2)


_WAYS: dict[str, Callable[[Arrays, np.random.Generator, bool], Arrays]] = {
    "dynamic": _dynamic,
    "fixed": _fixed,
    "threshold": _threshold,
    "none": _none,
}
