"""Real-valued data in units of their own spread: ``data.standardise=true``.

Shapes: n = data, C = columns of vectors, or channels of images.
"""

from dataclasses import replace
from math import prod

import numpy as np
import torch

from elbolab.batch import MOST_NAMES, Scaling, shorten
from elbolab.reading.options import write_option
from elbolab.reading.splits import Arrays, Selection, Splits

WIDE = 100
"""Columns whose scales are as many times apart, or whose numbers are about so large, are hard to learn as they are."""


def measure_columns(arrays: Arrays) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations of columns of vectors or channels of images, (C,) each, 0 where all are the same.

    By two passes in float64.
    """
    count = len(arrays) * prod(arrays.event[1:])
    low, high = np.inf, -np.inf
    total = np.zeros(arrays.event[0])
    for chunk in arrays.chunks():
        columns = _columns(chunk)
        total += columns.sum(0)
        low, high = np.minimum(low, columns.min(0)), np.maximum(high, columns.max(0))
    mean = total / count
    with np.errstate(over="ignore"):  # an infinite deviation says so
        square = sum(np.square(_columns(chunk) - mean).sum(0) for chunk in arrays.chunks())
    return mean, np.where(low == high, 0, np.sqrt(square / count))


def _columns(chunk: np.ndarray) -> np.ndarray:
    """(n, C, ...) -> (n * ..., C) in float64."""
    return np.moveaxis(np.asarray(chunk, np.float64), 1, -1).reshape(-1, chunk.shape[1])


def choose_scaling(train: Arrays, where: str, names: tuple[str, ...] = ()) -> Scaling:
    """Mean and standard deviation of every column of the training data; refuses columns that have no such deviation."""
    mean, deviation = measure_columns(train)
    constant, infinite = deviation == 0, ~np.isfinite(deviation)
    for wrong, what in ((constant, "the same number in all training data"), (infinite, "too large")):
        if places := np.flatnonzero(wrong).tolist():
            which = f"x[:, {shorten([str(i) for i in places])}]"
            way_out = f"numpy.delete(x, {places[:MOST_NAMES]}, axis=1)"
            if names:
                which = f"column {shorten([names[i] for i in places])}"
                way_out = write_option("ignore", [names[i] for i in places])
            why = f"data.standardise=true divides by standard deviations, and the numbers of {which} are {what}"
            raise ValueError(f"{where}: {why}: leave out by {way_out}")
    return Scaling(tuple(mean.tolist()), tuple(deviation.tolist()))


def standardise_splits(splits: Splits, scaling: Scaling) -> Splits:
    """All splits in units of the training data's spread; memory-mapped ones are standardised when they are read."""
    dtype = torch.empty(0).numpy().dtype
    shape = (-1, *(1 for _ in splits.train.event[1:]))
    shift, scale = (np.asarray(part).reshape(shape) for part in scaling)

    def standardise(rows: np.ndarray) -> np.ndarray:
        return ((np.asarray(rows, np.float64) - shift) / scale).astype(dtype)

    def standardise_split(arrays: Arrays) -> Arrays:
        if not arrays.on_disk:
            return replace(arrays, x=standardise(np.asarray(arrays.x)))
        base = arrays.x if isinstance(arrays.x, Selection) else Selection(arrays.x, np.arange(len(arrays)))
        return replace(arrays, x=Selection(base.base, base.index, standardise, dtype))

    return Splits(*map(standardise_split, splits))


def describe_scales(train: Arrays) -> str | None:
    """What is said of real-valued data whose columns are on wild scales; None where they are near 1, or have levels."""
    if train.levels is not None or train.draws:
        return None
    mean, deviation = measure_columns(train)
    varying = deviation[deviation > 0]
    size = np.sqrt(mean**2 + deviation**2)
    if len(varying) == 0:
        return None
    is_far = size.max() > WIDE or (np.abs(mean) > WIDE * deviation)[deviation > 0].any()
    if not is_far and varying.max() <= WIDE * varying.min() and size.max() >= 1 / WIDE:
        return None
    return (
        f"columns have means from {mean.min():.3g} to {mean.max():.3g} and standard deviations from "
        f"{deviation.min():.3g} to {deviation.max():.3g}"
    )
