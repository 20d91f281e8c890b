"""What the page's charts are drawn from: curves, rates and distortions, KL by dimension."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import compress
from math import inf, isfinite
from pathlib import Path
from typing import Any

from elbolab.common.kind import curve_of
from elbolab.loggers.table import read_table
from elbolab.report.rows import Row

POINTS = 40_000
"""Of all curves together: about 0.4 MB of the page."""

MOST_POINTS, FEWEST_POINTS = 400, 20
"""Of one curve."""

Table = Mapping[str, Sequence[str]]
"""The columns of a ``metrics.csv``."""


def charts_of(rows: Sequence[Row]) -> dict[str, Any]:
    """The page's data, in JSON's types: NaN and infinities are null.

    Returns:
        groups, the configurations' names; runs, a name and the number of its configuration each; curves, of each run
        and split the steps and the quantities at them; panels, the quantities in their order, and first, those of them
        that are shown at once; planes, of each data set the points (run, rate, distortion); kl, of each run its numbers
        by dimension; thinned, whether points are left out of the curves.
    """
    runs = [(number, entry) for number, row in enumerate(rows) for entry in row.entries]
    tables = [_read_columns(entry.folder / "metrics.csv") for _, entry in runs]
    most = max(FEWEST_POINTS, min(MOST_POINTS, POINTS // max(1, sum(map(len, tables)))))
    curves = [curve | {"run": run} for run, table in enumerate(tables) for curve in _curves(table, most)]
    panels = sorted({name for curve in curves for name in curve["values"]}, key=lambda name: (_place(name), name))
    first = [name for name in panels if _place(name) < inf and not (name == "loss" and "elbo" in panels)]
    planes: dict[tuple[str, str], list[list[Any]]] = {}
    kl = []
    for number, (_, entry) in enumerate(runs):
        quantities = entry.report.get(entry.split or "", {})
        if "rate" in quantities and "distortion" in quantities:  # those of different data do not compare
            point = [number, *_numbers(quantities[name]["value"] for name in ("rate", "distortion"))]
            planes.setdefault((entry.data, entry.split or ""), []).append(point)
        if "kl_per_dim" in quantities:
            values = quantities["kl_per_dim"]["value"]
            dims = sorted(range(len(values)), key=lambda dim: -values[dim])
            kl.append({"run": number, "dims": dims, "values": _numbers(values[dim] for dim in dims)})
    return {
        "groups": [row.name for row in rows],
        "runs": [{"name": entry.name, "group": number} for number, entry in runs],
        "curves": curves,
        "panels": panels,
        "first": first or panels,
        "planes": [{"data": data, "split": split, "points": points} for (data, split), points in planes.items()],
        "kl": kl,
        "thinned": any(len(table.get("step", [])) > most for table in tables),
    }


def _place(name: str) -> float:
    """The place of a curve among the headlines, infinity where it is none."""
    place = curve_of(name).kind.headline
    return inf if place is None else place


def _read_columns(path: Path) -> Table:
    columns, rows = read_table(path)
    return {name: [row[name] or "" for row in rows] for name in columns}


def _curves(table: Table, most: int) -> Iterator[dict[str, Any]]:
    """One record a split: its steps, thinned to ``most``, and its quantities at them."""
    for split in dict.fromkeys(name.partition("/")[0] for name in table if "/" in name):
        columns = {name.partition("/")[2]: table[name] for name in table if name.startswith(f"{split}/")}
        filled = [any(cells) for cells in zip(*columns.values(), strict=True)]
        steps = [int(float(step)) + 1 for step in _thin(list(compress(table["step"], filled)), most)]
        values = {name: _numbers(_thin(list(compress(cells, filled)), most)) for name, cells in columns.items()}
        finite = {name: numbers for name, numbers in values.items() if any(number is not None for number in numbers)}
        if finite:
            yield {"split": split, "steps": steps, "values": finite}


def _thin(cells: Sequence[str], most: int) -> Sequence[str]:
    """Every n-th, the last among them."""
    every = max(1, -(-len(cells) // most))
    return cells[(len(cells) - 1) % every :: every]


def _numbers(cells: Iterable[str | float]) -> list[float | None]:
    """Five digits; None of what is empty or not finite."""
    values = [float(cell) if cell != "" else inf for cell in cells]
    return [float(f"{value:.5g}") if isfinite(value) else None for value in values]
