"""Rows of a comparison: a run each, or a configuration each with the mean over its seeds."""

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from math import sqrt
from statistics import fmean, stdev
from typing import Any, NamedTuple, final

from elbolab.common.did_you_mean import last_part
from elbolab.common.kind import label_of
from elbolab.evaluation.report import SPLITS, order_of
from elbolab.runs.content import SEEDS, drop_keys
from elbolab.runs.gather import Entry, own_name
from elbolab.runs.labels import label_runs

SIGNS = {"higher": 1, "lower": -1, None: 0}
"""By which way a quantity is better."""


@final
class Cell(NamedTuple):
    """One number of a row: of one run with its standard error over data, or the mean over the seeds of ``num`` runs."""

    value: float
    stderr: float | None
    num: int


@final
class Column(NamedTuple):
    """A quantity of the table.

    Attributes:
        samples: how many it took, ``500`` or ``5/500``, empty where none.
        sign: 1 where more is better, -1 where less is, 0 where neither.
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
    """A run, or a configuration with all its runs; ``cells`` has what was measured by the columns' keys."""

    name: str
    entries: list[Entry]
    cells: dict[str, Cell]

    @property
    def counted(self) -> str:
        """How many runs its numbers rest on: ``3``, or ``2 of 3`` where one was not measured."""
        measured = len([entry for entry in self.entries if entry.report])
        return str(measured) if measured == len(self.entries) else f"{measured} of {len(self.entries)}"


def find_scalars(entries: Iterable[Entry]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The measured quantities that are one number, of all entries, by split and name."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for entry in entries:
        for split, quantities in entry.report.items():
            for name, quantity in quantities.items():
                if not isinstance(quantity["value"], list):
                    found.setdefault((split, name), []).append(quantity)
    return found


def columns_of(entries: Iterable[Entry]) -> list[Column]:
    """The quantities with one value that some run has: test before validation, headlines first."""
    columns, found = [], find_scalars(entries)
    for split, name in sorted(found, key=lambda key: (-SPLITS.index(key[0]), order_of(key[1], found[key][-1]))):
        last = found[split, name][-1]
        columns.append(
            Column(
                split,
                name,
                unit=last["unit"],
                samples="/".join(map(str, sorted({quantity["k"] for quantity in found[split, name]} - {None, 1}))),
                sign=SIGNS[last["better"]],
                label=label_of(name, last["label"]),
                is_headline=last["headline"] is not None,
            )
        )
    return columns


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
    seeds, names = {*SEEDS, *map(last_part, SEEDS)}, []
    for group in groups:
        words = group[0].name.split(", ")
        names.append(", ".join(word for word in words if len(group) == 1 or word.partition("=")[0] not in seeds))
    if all(names) and len(set(names)) == len(names):
        return names
    if len(groups) == 1:
        return [own_name(groups[0][0])]
    begun = [group[0].config for group in groups if group[0].config]
    labels = iter(label_runs([drop_keys(deepcopy(config), SEEDS) for config in begun]))
    return [next(labels) if group[0].config else group[0].name for group in groups]


def _cells(entries: Sequence[Entry]) -> dict[str, Cell]:
    cells = {}
    for (split, name), quantities in find_scalars(entries).items():
        values = [quantity["value"] for quantity in quantities]
        several = len(values) > 1
        stderr = stdev(values) / sqrt(len(values)) if several else quantities[0]["stderr"]
        cells[f"{split}.{name}"] = Cell(fmean(values) if several else values[0], stderr, len(values))
    return cells


def best(rows: Sequence[Row], column: Column) -> set[int]:
    """The rows with the best value of a column, by number, among rows of the same data; none among fewer than two."""
    choose: Callable[[Iterable[float]], float] = max if column.sign > 0 else min
    by_data: dict[str, dict[int, float]] = {}
    for number, row in enumerate(rows):
        if column.sign and column.key in row.cells:
            by_data.setdefault(row.entries[0].data, {})[number] = row.cells[column.key].value
    rivals = [values for values in by_data.values() if len(values) > 1]
    return {number for values in rivals for number, value in values.items() if value == choose(values.values())}
