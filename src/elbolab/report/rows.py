"""Rows of a comparison: a run each, or a configuration each with the mean over its seeds."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from math import sqrt
from statistics import fmean, stdev
from typing import NamedTuple, final

from elbolab.common.kind import label_of
from elbolab.evaluation.report import SPLITS, Report, order_of
from elbolab.runs.content import SEEDS
from elbolab.runs.gather import Entry, own_name
from elbolab.runs.labels import label_runs


@final
class Cell(NamedTuple):
    """One number of a row.

    Attributes:
        value: the value, or the mean over seeds.
        stderr: its standard error, over data for one run and over seeds for several; None where it is not known.
        num: how many runs it is of.
    """

    value: float
    stderr: float | None
    num: int


@final
class Column(NamedTuple):
    """A quantity of the table.

    Attributes:
        split: of the data.
        name: of the quantity.
        unit: of its values.
        samples: how many it took, ``500`` or ``5/500``, empty where none.
        sign: 1 where more is better, -1 where less is, 0 where neither.
        label: what people call it.
        is_headline: whether it has a column unless others are asked for.
    """

    split: str
    name: str
    unit: str
    samples: str
    sign: int
    label: str
    is_headline: bool

    @property
    def key(self) -> str:
        """``test.nll``."""
        return f"{self.split}.{self.name}"

    @property
    def title(self) -> str:
        """``nll, K=500``."""
        return self.label + (f", K={self.samples}" if self.samples else "")


@final
class Row(NamedTuple):
    """A run, or a configuration with all its runs.

    Attributes:
        name: what sets it apart from the other rows.
        entries: its runs.
        cells: its numbers by the columns' keys; what was not measured is absent.
    """

    name: str
    entries: list[Entry]
    cells: dict[str, Cell]

    @property
    def counted(self) -> str:
        """How many runs its numbers rest on: ``3``, or ``2 of 3`` where one was not measured."""
        measured = len([entry for entry in self.entries if entry.report])
        return str(measured) if measured == len(self.entries) else f"{measured} of {len(self.entries)}"


def columns_of(entries: Iterable[Entry]) -> list[Column]:
    """The quantities with one value that some run has: test before validation, headlines first."""
    entries = list(entries)
    found = {
        (split, name): quantity
        for entry in entries
        for split, quantities in entry.report.items()
        for name, quantity in quantities.items()
        if not isinstance(quantity["value"], list)
    }
    ordered = sorted(found, key=lambda key: (-SPLITS.index(key[0]), order_of(key[1], found[key])))
    return [_column(entries, *key) for key in ordered]


def sign_of(report: Report, name: str) -> int:
    """1 where more of a quantity is better, -1 where less is, 0 where neither or where it was not measured."""
    better = {quantities[name]["better"] for quantities in report.values() if name in quantities}
    return ("higher" in better) - ("lower" in better)


def _column(entries: Sequence[Entry], split: str, name: str) -> Column:
    found = [entry.report[split][name] for entry in entries if name in entry.report.get(split, {})]
    samples = sorted({quantity["k"] for quantity in found} - {None, 1})
    last = found[-1]
    return Column(
        split,
        name,
        unit=last["unit"],
        samples="/".join(map(str, samples)),
        sign=sign_of({split: {name: last}}, name),
        label=label_of(name, last["label"]),
        is_headline=last["headline"] is not None,
    )


def rows_of(entries: Iterable[Entry]) -> list[Row]:
    """A row a run."""
    return [Row(entry.name, [entry], _cells([entry])) for entry in entries]


def configurations(entries: Iterable[Entry]) -> list[Row]:
    """A row for all runs that differ by seeds alone, with means over them, in the order of their first runs."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.content, []).append(entry)
    names = _names(list(groups.values()))
    return [Row(name, group, _cells(group)) for name, group in zip(names, groups.values(), strict=True)]


def _names(groups: Sequence[Sequence[Entry]]) -> list[str]:
    """The runs' names without their seeds, where they still differ; else what sets the configurations apart."""
    names = [_without_seeds(group[0].name) if len(group) > 1 else group[0].name for group in groups]
    if all(names) and len(set(names)) == len(names):
        return names
    if len(groups) == 1:
        return [own_name(groups[0][0])]
    begun = [group[0].config for group in groups if group[0].config]
    told = iter(label_runs([_unseeded(config) for config in begun]))
    return [next(told) if group[0].config else group[0].name for group in groups]


def _without_seeds(name: str) -> str:
    seeds = {key.rpartition(".")[2] for key in SEEDS} | set(SEEDS)
    return ", ".join(word for word in name.split(", ") if word.partition("=")[0] not in seeds)


def _unseeded(config: dict) -> dict:
    inner = {key: value for key, value in config["data"].items() if f"data.{key}" not in SEEDS}
    return {key: value for key, value in config.items() if key not in SEEDS} | {"data": inner}


def _cells(entries: Sequence[Entry]) -> dict[str, Cell]:
    keys = dict.fromkeys((split, name) for entry in entries for split in entry.report for name in entry.report[split])
    cells = {f"{split}.{name}": _cell(entries, split, name) for split, name in keys}
    return {key: cell for key, cell in cells.items() if cell is not None}


def _cell(entries: Sequence[Entry], split: str, name: str) -> Cell | None:
    found = [entry.report[split][name] for entry in entries if name in entry.report.get(split, {})]
    values = [quantity["value"] for quantity in found]
    if any(isinstance(value, list) for value in values):
        return None
    if len(values) == 1:
        return Cell(values[0], found[0]["stderr"], 1)
    return Cell(fmean(values), stdev(values) / sqrt(len(values)), len(values))


def best(rows: Sequence[Row], column: Column) -> set[int]:
    """The rows with the best value of a column, by number, among rows of the same data; none among fewer than two."""
    data = [row.entries[0].data for row in rows]
    held = {number: row.cells[column.key].value for number, row in enumerate(rows) if column.key in row.cells}
    counts = Counter(data[number] for number in held)
    tops = {kind: _top(column, [held[i] for i in held if data[i] == kind]) for kind in counts if counts[kind] > 1}
    return {i for i, value in held.items() if column.sign and value == tops.get(data[i])}


def _top(column: Column, values: Sequence[float]) -> float:
    choose: Callable[[Sequence[float]], float] = max if column.sign > 0 else min
    return choose(values)
