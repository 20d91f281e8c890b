"""What elbolab's training time grows with: batch size, samples, latent size, and the number of steps."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from statistics import median
from typing import NamedTuple, final

from elbolab.benchmark.cases import mlp
from elbolab.benchmark.measure import UNLIMITED, Work, calibrate, interleave
from elbolab.benchmark.options import Options
from elbolab.benchmark.ours import train
from elbolab.benchmark.results import format_number
from elbolab.common.text import text_table

log = logging.getLogger(__name__)

BATCH = 128

AXES: dict[str, Sequence[int]] = {
    "batch": (32, 64, 128, 256, 512),
    "samples": (1, 2, 4, 8, 16),
    "latent": (10, 20, 40, 80, 160),
}
"""Values of what one step does more or less of; the others are at batch 128, 1 sample and 20 latent dimensions."""

STEPS = (1, 2, 4, 8)
"""Multiples of a number of steps that takes an eighth of a measurement's seconds."""


@final
class Point(NamedTuple):
    """One line of the table.

    Attributes:
        axis: what was changed.
        value: to what.
        time: median over rounds.
        unit: of the time: ``us/step``, or ``s`` where steps were changed.
        ratio: to the time of the axis's first value.
        factor: the value, as a multiple of the axis's first: what linear growth would make of the ratio.
    """

    axis: str
    value: int
    time: float
    unit: str
    ratio: float
    factor: float


def scale(options: Options, axes: Mapping[str, Sequence[int]] = AXES) -> list[Point]:
    """Every axis in turn; its values are measured in the same rounds."""
    points: list[Point] = []
    for axis, values in axes.items():
        log.info("scaling with %s", axis)
        points += _scale_step(axis, values, options)
    work = partial(train, mlp(options.where), BATCH)
    base = calibrate(work, options.seconds / STEPS[-1], options.where, UNLIMITED)
    amounts = {str(base * multiple): base * multiple for multiple in STEPS}
    found = interleave(dict.fromkeys(amounts, work), amounts, options.repeats, options.where)
    times = {amounts[name]: [m.seconds for m in rounds] for name, rounds in found.items()}
    return points + points_of("steps", "s", times)


def _scale_step(axis: str, values: Sequence[int], options: Options) -> list[Point]:
    """The time of a step at each value of one axis; the others are as usual."""
    works: dict[str, Work] = {}
    for value in values:
        case = mlp(options.where, latent_dim=value) if axis == "latent" else mlp(options.where)
        num_samples = value if axis == "samples" else 1
        works[str(value)] = partial(train, case, value if axis == "batch" else BATCH, num_samples=num_samples)
    amounts = {name: calibrate(work, options.seconds, options.where, UNLIMITED) for name, work in works.items()}
    found = interleave(works, amounts, options.repeats, options.where)
    return points_of(axis, "us/step", {int(name): [1e6 / m.rate for m in rounds] for name, rounds in found.items()})


def points_of(axis: str, unit: str, times: Mapping[int, Sequence[float]]) -> list[Point]:
    """Times of every round at every value -> one axis; ratios are medians over rounds."""
    (first, base), *_ = times.items()
    return [
        Point(axis, value, median(own), unit, median(t / b for t, b in zip(own, base, strict=True)), value / first)
        for value, own in times.items()
    ]


def table(points: Sequence[Point]) -> str:
    """A line a value."""
    head = ["axis", "value", "time", "unit", "ratio", "value / first"]
    rows = [[p.axis, str(p.value), format_number(p.time), p.unit, f"{p.ratio:.2f}", f"{p.factor:g}"] for p in points]
    return text_table([head, *rows], left=(0, 3))
