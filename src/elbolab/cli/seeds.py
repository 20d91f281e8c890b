"""Means over the jobs of a sweep that differ in nothing but their seeds."""

import json
from collections.abc import Mapping, Sequence
from math import sqrt
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from elbolab.cli.compare import BOUNDS, SCORES
from elbolab.cli.sweep import Job, swept

SEEDS = ("seed", "data.label_seed")
"""Keys that a mean is taken over."""

Told = tuple[tuple[str, str], ...]
"""Swept keys with their values."""


def over_seeds(folder: Path, jobs: Sequence[Job]) -> str:
    """A line for each group of jobs, mean ± standard error; empty text where no two jobs differ in seeds alone.

    Args:
        folder: the sweep's directory.
        jobs: those that have finished.
    """
    groups = grouped(jobs)
    if not any(len(numbers) > 1 for numbers in groups.values()):
        return ""
    reports = {label(told, numbers): _reports(folder, numbers) for told, numbers in groups.items()}
    pairs = reports.items()
    names = [n for n in (*BOUNDS, *SCORES) if any(n in report for _, of in pairs for report in of)]
    rows = [["mean ± s.e.", *(name.replace("_", " ") for name in names)]]
    rows += [
        [group, *(_cell([r[name]["value"] for r in of if name in r]) for name in names)]
        for group, of in reports.items()
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]
    return "\n".join(["", *lines, ""]) + "\n"


def grouped(jobs: Sequence[Job]) -> dict[Told, list[int]]:
    """The numbers of the jobs that have the same swept values but for their seeds."""
    groups: dict[Told, list[int]] = {}
    for num, told in swept(jobs).items():
        groups.setdefault(tuple((key, value) for key, value in told.items() if key not in SEEDS), []).append(num)
    return groups


def label(told: Told, numbers: Sequence[int]) -> str:
    """``model=vae, n=3``."""
    return ", ".join([*(f"{key}={value}" for key, value in told), f"n={len(numbers)}"])


def _reports(folder: Path, numbers: Sequence[int]) -> list[Mapping[str, Any]]:
    paths = [folder / str(num) / "evaluation.json" for num in numbers]
    return [json.loads(path.read_text()).get("test", {}) for path in paths if path.is_file()]


def _cell(values: Sequence[float]) -> str:
    """The mean, with its standard error s / sqrt(n) where there are two values; a dash where there is none."""
    if not values:
        return "-"
    error = f" ± {stdev(values) / sqrt(len(values)):.3f}" if len(values) > 1 else ""
    return f"{mean(values):.3f}{error}"
