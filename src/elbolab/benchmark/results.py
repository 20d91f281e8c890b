"""Results of a benchmark: as JSON, as ratios, as a table.

The schema of ``benchmark.json``, a list of::

    {"task", "model", "batch", "implementation", "images_per_s", "min", "max", "peak_mb"}

task            ``train`` or ``nll``.
model           ``mlp``, ``conv``, or ``burda, K=5000``: the network and the samples per image of a log-likelihood.
batch           images in a training step; images handed over at once for their log-likelihood.
implementation  the contender.
images_per_s    median over rounds; ``min`` and ``max`` are the slowest and the fastest round.
peak_mb         peak memory in 10^6 bytes, see `elbolab.benchmark.memory`; null where it cannot be read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, final

from elbolab.common.text import text_table

REFERENCES = ("raw_eager", "raw_captured")
"""Contenders that the others are compared with."""


@final
@dataclass(frozen=True)
class Result:
    """What one contender did at one task: ``rates`` in images a second in each round, the rest as in the schema."""

    task: str
    model: str
    batch: int
    implementation: str
    rates: Sequence[float]
    peak_mb: float | None

    def to_json(self) -> dict[str, Any]:
        """One entry of the schema."""
        names = {"task": self.task, "model": self.model, "batch": self.batch, "implementation": self.implementation}
        speeds = {"images_per_s": median(self.rates), "min": min(self.rates), "max": max(self.rates)}
        return names | speeds | {"peak_mb": self.peak_mb}


Group = Sequence[Result]
"""Results of the same rounds."""


def ratio(result: Result, reference: Result) -> float:
    """Median over rounds of how many times faster than ``reference``: both saw the same disturbances in a round."""
    return median(own / other for own, other in zip(result.rates, reference.rates, strict=True))


def table(groups: Sequence[Group]) -> str:
    """A line a result, with its ratio to each reference that was measured."""
    measured = {result.implementation for group in groups for result in group}
    references = [name for name in REFERENCES if name in measured]
    head = ["task", "model", "batch", "implementation", "images/s", "min", "max", "peak MB"]
    rows = [[*head, *(f"/ {name}" for name in references)]]
    for group in groups:
        by_name = {result.implementation: result for result in group}
        for result in group:
            speeds = [format_number(speed) for speed in (median(result.rates), min(result.rates), max(result.rates))]
            peak = "-" if result.peak_mb is None else f"{result.peak_mb:,.0f}"
            ratios = [f"{ratio(result, by_name[name]):.2f}" if name in by_name else "-" for name in references]
            names = [result.task, result.model, str(result.batch), result.implementation]
            rows.append([*names, *speeds, peak, *ratios])
    return text_table(rows, left=(0, 1, 3))


def format_number(number: float) -> str:
    """Three digits, or all before the point."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
