"""What the page's charts are drawn from: curves, rates and distortions, KL by dimension."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from itertools import compress
from math import inf, isfinite
from pathlib import Path
from typing import Any

from elbolab.common.kind import curve_of
from elbolab.report.rows import Row

POINTS = 40_000
"""Of all curves together: about 0.4 MB of the page."""

MOST_POINTS, FEWEST_POINTS = 400, 20
"""Of one curve."""

Numbers = list[float | None]


def charts_of(rows: Sequence[Row]) -> dict[str, Any]:
    """The page's data, in JSON's types: NaN and infinities are null.

    Returns:
        groups, the configurations' names; runs, a name and the number of its configuration each; curves, of each run
        and split the steps and the quantities at them; panels, the quantities in their order, first those that are
        shown at once; planes, of each data set
        the points (run, rate, distortion); kl, of each run its numbers by dimension; thinned, whether points are left
        out of the curves.
    """
    runs = [(number, entry) for number, row in enumerate(rows) for entry in row.entries]
    tables = [_table(entry.folder / "metrics.csv") for _, entry in runs]
    most = _most(tables)
    curves = [curve | {"run": run} for run, table in enumerate(tables) for curve in _curves(table, most)]
    panels = panels_of(curves)
    return {
        "groups": [row.name for row in rows],
        "runs": [{"name": entry.name, "group": number} for number, entry in runs],
        "curves": curves,
        "panels": panels,
        "first": first_of(panels),
        "planes": _planes(runs),
        "kl": [{"run": run} | kl for run, (_, entry) in enumerate(runs) if (kl := _kl(entry.report, entry.split))],
        "thinned": any(len(table.get("step", [])) > most for table in tables),
    }


def panels_of(curves: Iterable[Mapping[str, Any]]) -> list[str]:
    """The quantities that have a curve, headlines first."""
    names = {name for curve in curves for name in curve["values"]}
    return sorted(names, key=lambda name: (_place(name), name))


def first_of(panels: Sequence[str]) -> list[str]:
    """The panels that are shown at once, all where none is known; no loss beside a bound, of which it is the minus."""
    known = [name for name in panels if _place(name) < inf]
    return [name for name in known if name != "loss" or "elbo" not in known] or list(panels)


def _place(name: str) -> float:
    """The place of a curve among the headlines, infinity where it is none."""
    place = curve_of(name).kind.headline
    return inf if place is None else place


def _table(path: Path) -> dict[str, list[str]]:
    """The columns of a ``metrics.csv``, complete lines alone."""
    if not path.is_file():
        return {}
    text = path.read_text(encoding="utf-8")
    rows = list(csv.reader(text[: text.rfind("\n") + 1].splitlines()))
    return (
        {name: list(column) for name, column in zip(rows[0], zip(*rows[1:], strict=False), strict=False)}
        if rows
        else {}
    )


def _most(tables: Sequence[Mapping[str, Sequence[str]]]) -> int:
    """Points that one curve may have, so that all together stay within `POINTS`."""
    lines = sum(len(table) for table in tables)
    return max(FEWEST_POINTS, min(MOST_POINTS, POINTS // max(1, lines)))


def _curves(table: Mapping[str, Sequence[str]], most: int) -> Iterable[dict[str, Any]]:
    """One record a split: its steps, thinned to ``most``, and its quantities at them."""
    for split in dict.fromkeys(name.partition("/")[0] for name in table if "/" in name):
        columns = {name.partition("/")[2]: table[name] for name in table if name.startswith(f"{split}/")}
        filled = [any(cells) for cells in zip(*columns.values(), strict=True)]
        steps = [int(float(step)) + 1 for step in _thinned(list(compress(table["step"], filled)), most)]
        values = {name: _numbers(_thinned(list(compress(cells, filled)), most)) for name, cells in columns.items()}
        kept = {name: column for name, column in values.items() if any(value is not None for value in column)}
        if kept:
            yield {"split": split, "steps": steps, "values": kept}


def _thinned(cells: Sequence[str], most: int) -> Sequence[str]:
    """Every n-th, the last among them."""
    every = -(-len(cells) // most) if cells else 1
    return cells[(len(cells) - 1) % every :: every] if cells else cells


def _numbers(cells: Iterable[Any]) -> Numbers:
    return [_number(cell) for cell in cells]


def _number(cell: Any) -> float | None:
    """Five digits; None of what is no finite number."""
    try:
        value = float(cell)
    except (TypeError, ValueError):
        return None
    return float(f"{value:.5g}") if isfinite(value) else None


def _planes(runs: Sequence[tuple[int, Any]]) -> list[dict[str, Any]]:
    """The rate-distortion points, data set by data set: those of different data do not compare."""
    planes: dict[tuple[str, str], list[list[Any]]] = {}
    for number, (_, entry) in enumerate(runs):
        found = entry.report.get(entry.split, {})
        if "rate" in found and "distortion" in found:
            point = [number, *_numbers(found[name]["value"] for name in ("rate", "distortion"))]
            planes.setdefault((entry.data, entry.split), []).append(point)
    return [{"data": data, "split": split, "points": points} for (data, split), points in planes.items()]


def _kl(report: Mapping[str, Any], split: str | None) -> dict[str, Any]:
    """KL by dimension, largest first, with the dimensions' numbers; empty where it was not measured."""
    quantity = report.get(split or "", {}).get("kl_per_dim")
    if quantity is None:
        return {}
    ordered = sorted(enumerate(quantity["value"]), key=lambda pair: -pair[1])
    return {"split": split, "dims": [dim for dim, _ in ordered], "values": _numbers(value for _, value in ordered)}
