"""A user's own tables: which columns are data, labels, factors and conditions.

Shapes: n = rows of a split, D = columns that are data. A dictionary holds the tables of all splits, by split.
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from elbolab.reading.advice import advise_on_text
from elbolab.reading.labels import number_values
from elbolab.reading.names import Part, Role, check_names_of_data, check_there, guess_meaning
from elbolab.reading.options import write_option
from elbolab.reading.text_tables import Table, read_text_table, text_suffix

ARROW = (".parquet", ".feather")
GAPS = (-99, -999, -9999, -99999, 999, 9999, 99999)
"""Numbers that stand for no value in many tables."""
FEW = 10
"""A column with at most so many whole numbers is said to be one of categories."""
COUNTED = "(counted from 0, without the line of names)"
"""What the number of a row means."""
warn = rank_zero_only(logging.getLogger(__name__).warning)


@final
@dataclass(frozen=True)
class Columns:
    """What the columns of a table are, by their names; those that are not named here are the data.

    Attributes:
        labels: the column of class labels, ``none`` for no such column, None where nothing was said.
        factors: columns of ground-truth factors.
        conditions: columns of conditions, numbers as they are and text as one-hot vectors.
        ignore: columns that are left out.
        keep: columns that are data whatever their names say.
        wanted: of a table of new data, the columns that are data; None where all others are.
    """

    labels: str | None = None
    factors: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    ignore: list[str] = field(default_factory=list)
    keep: list[str] = field(default_factory=list)
    wanted: tuple[str, ...] | None = None

    def options(self) -> dict[str, list[str]]:
        """Each option that names columns, and the names."""
        labels = [] if self.labels in (None, "none") else [str(self.labels)]
        others = {"factors": self.factors, "conditions": self.conditions, "ignore": self.ignore, "keep": self.keep}
        return {"labels": labels, **others}


def is_table(path: Path) -> bool:
    """Whether a file is a table by its name."""
    return bool(text_suffix(path)) or path.suffix.lower() in ARROW


def find_stem(path: Path) -> str:
    """The name of a table without its suffixes, ``train`` of ``train.csv.gz``."""
    stem = path.name.removesuffix(path.suffix)
    return stem if path.suffix.lower() != ".gz" else Path(stem).stem


def read_table(path: Path) -> Table:
    """The columns of a table by their names; raises ValueError where it cannot be read."""
    return read_text_table(path) if text_suffix(path) else _read_arrow(path)


def sort_columns(tables: dict[str, Table], columns: Columns, where: str) -> tuple[dict[Role, Part], tuple[str, ...]]:
    """Data, labels, factors and conditions of all splits, and the names of the columns that are data."""
    names = _find_names(tables, columns, where)
    for name, column in ((name, table[name]) for table in tables.values() for name in table):
        if column.ndim != 1:
            raise ValueError(f"{where}: the column {name} has shape {column.shape}: give each of its numbers a column")
    uses: dict[str, str] = {}
    for option, named in columns.options().items():
        for name in named:
            if name in uses:
                raise ValueError(f"{where}: data.{uses[name]} and data.{option} both name the column {name}")
            uses[name] = option
        check_there(option, named, names, where)
    free = [name for name in names if uses.get(name, "keep") == "keep"]
    data = tuple(name for name in free if not _is_index(name, tables, columns, where))
    if columns.wanted is None:
        check_names_of_data([name for name in data if name not in columns.keep], columns.labels == "none", where)
    else:
        _check_wanted(data, columns.wanted, where)
    for split, table in tables.items():
        _check_numbers(table, data, split, columns, where)
    if not data:
        raise ValueError(f"{where}: no column is left as data of {', '.join(names)}: name fewer in the options")
    found = {Role("x", split): Part(split or "the table", x) for split, x in _stack_data(tables, data).items()}
    for split, table in tables.items():
        of = f" of {split}" if split else ""
        for name in columns.options()["labels"]:
            found[Role("y", split)] = Part(f"{name}{of}", table[name])
        if columns.factors:
            values = np.stack([table[name].astype(object) for name in columns.factors], axis=1)
            found[Role("factors", split)] = Part(f"factors{of}", values)
    conditions = [_encode_condition(tables, name, where) for name in columns.conditions]
    for split in tables if conditions else ():
        values = np.concatenate([condition[split] for condition in conditions], axis=1)
        found[Role("given", split)] = Part(f"conditions of {split}" if split else "conditions", values)
    return found, data


def _find_names(tables: dict[str, Table], columns: Columns, where: str) -> list[str]:
    """The columns of all splits; of those that are left out, also where they are in some splits only."""
    first = "train" if "train" in tables else ""
    for split, other in tables.items():
        odd = sorted((set(other) ^ set(tables[first])) - set(columns.ignore))
        if odd:
            fix = f"give all splits the same columns, or leave it out by {write_option('ignore', odd)}"
            raise ValueError(f"{where}: {', '.join(odd)} is in one of {first} and {split} alone: {fix}")
    return [*tables[first], *{name for table in tables.values() for name in table if name not in tables[first]}]


def _is_index(name: str, tables: dict[str, Table], columns: Columns, where: str) -> bool:
    """Whether a column without a name counts or names the rows, as the first one that pandas or R writes."""
    if name in (columns.wanted or ()) or name in columns.keep:
        return False
    parts = [table[name] for table in tables.values()]
    counts = all(
        column[0] in (0, 1) and column.dtype.kind in "iu" and len(column) > 2 and (np.diff(column) == 1).all()
        for column in parts
    )
    names = all(column.dtype.kind == "U" and len(set(column)) == len(column) for column in parts)
    if name and not name.startswith(("Unnamed:", "__index_level_")):
        if counts and guess_meaning(name) is None:
            warn("%s: the column %s counts the rows; %s leaves it out", where, name, write_option("ignore", [name]))
        return False
    place = list(next(iter(tables.values()))).index(name) + 1
    if counts or names:
        warn("%s: column %d from the left, which has no name and counts or names the rows, is left out", where, place)
    elif not name:
        what = f"column {place} from the left has no name, and does not count the rows"
        raise ValueError(f"{where}: {what}: name every column in the first line")
    return counts or names


def _check_wanted(data: tuple[str, ...], wanted: tuple[str, ...], where: str) -> None:
    """Refuses a table of new data that has other columns than a model was trained on."""
    missing, others = ([name for name in one if name not in other] for one, other in ((wanted, data), (data, wanted)))
    known = f"this run's data have the columns {', '.join(wanted)}"
    if missing:
        extra = f" and has {', '.join(others)}" if others else ""
        raise ValueError(f"{where} has no {', '.join(missing)}{extra}: {known}")
    if others:
        leave_out = write_option("ignore", others)
        raise ValueError(f"{where} has {', '.join(others)}: {known}; leave out others by {leave_out}")


def _check_numbers(table: Table, data: tuple[str, ...], split: str, columns: Columns, where: str) -> None:
    of = f" of {split}" * bool(split)
    texts = {name: table[name] for name in data if table[name].dtype.kind not in "biuf"}
    if texts:
        name, column = next(iter(texts.items()))
        advice = advise_on_text(name, column, is_wanted=columns.wanted is not None)
        others = ", ".join(other for other in texts if other != name)
        likewise = f"; text are {others}, too" if others and columns.wanted is None else ""
        raise ValueError(f"{where}: the column {name}{of} {advice}{likewise}")
    for name in data:
        place = f"{where}: the column {name}{of}"
        infinite, missing = np.isinf(table[name]), np.isnan(table[name])
        if infinite.any():
            row = f"row {infinite.argmax()} {COUNTED}"
            raise ValueError(f"{place} has an infinite value in {row}: fix or leave out this row")
        if missing.any():
            or_column = "" if columns.wanted else f", or the column by {write_option('ignore', [name])}"
            raise ValueError(
                f"{place} has no value in {missing.sum()} of {len(missing)} rows, the first in row {missing.argmax()} "
                f"{COUNTED}: fill in the values, or leave out these rows{or_column}"
            )


def _stack_data(tables: dict[str, Table], names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The data (n, D) of each split: bits, or bytes where they look like pixels, else floats."""
    parts = {split: [table[name] for name in names] for split, table in tables.items()}
    columns = {name: np.concatenate([table[name] for table in tables.values()]) for name in names}
    for name, column in columns.items():
        _warn_of_gaps(name, column)
    low, high = min(column.min() for column in columns.values()), max(column.max() for column in columns.values())
    whole = [name for name, column in columns.items() if column.dtype.kind != "f"]
    if len(whole) == len(names) and low >= 0 and high in (1, 255):
        return {split: np.stack(part, axis=1).astype(np.uint8) for split, part in parts.items()}
    few = [name for name in whole if 1 < len(np.unique(columns[name])) <= FEW < len(columns[name])]
    if few:
        text = (
            "%s: whole numbers, at most %d different ones a column, are data like the others; where they are categories"
        )
        ways = write_option("factors", few), write_option("conditions", few)
        warn(f"{text}, name them by %s, or by %s and data.given=own", ", ".join(few), FEW, *ways)
    return {split: np.stack(part, axis=1).astype(np.float64) for split, part in parts.items()}


def _warn_of_gaps(name: str, column: np.ndarray) -> None:
    """Says where a column is constant, or has a number such as -999 several times, far from the others."""
    if len(np.unique(column)) == 1:
        text = "the column %s is %g in all rows, where a fitted scale has no bound: %s leaves it out"
        warn(text, name, column[0], write_option("ignore", [name]))
    for gap in GAPS:
        is_gap = column == gap
        others = column[~is_gap]
        if is_gap.sum() > 1 and len(others) and np.abs(others - gap).min() > np.ptp(others):
            text = "the column %s is %g in %d rows, far from its other numbers"
            warn(f"{text}: where that stands for no value, fill it in or leave out these rows", name, gap, is_gap.sum())
            return


def _encode_condition(tables: dict[str, Table], name: str, where: str) -> dict[str, np.ndarray]:
    """A column as a condition of each split: numbers as a column (n, 1), text as one-hot vectors."""
    parts = {split: table[name] for split, table in tables.items()}
    if all(column.dtype.kind in "biuf" for column in parts.values()):
        return {split: column[:, None].astype(np.float64) for split, column in parts.items()}
    called = {f"{name} of {split}" if split else name: part for split, part in parts.items()}
    values, indices = number_values(called, where)
    warn("%s: the condition %s is a one-hot vector of %s", where, name, ", ".join(values))
    return {split: np.eye(len(values))[column] for split, column in zip(parts, indices.values(), strict=True)}


def _read_arrow(path: Path) -> Table:
    where = f"data.path={path}"
    try:
        from pyarrow import feather, parquet
    except ImportError as error:
        fix = "pip install 'elbolab[tables]', or write CSV"
        raise ValueError(f"{where}: tables of type {path.suffix} need pyarrow: {fix}") from error
    try:
        table = (feather.read_table if path.suffix.lower() == ".feather" else parquet.read_table)(path)
    except (OSError, ValueError) as error:
        fix = "write it anew, or numpy.savez('x.npz', x=x)"
        raise ValueError(f"{where} cannot be read as {path.suffix} ({error}): {fix}") from error
    return {name: _convert_arrow(name, table.column(name), where) for name in table.column_names}


def _convert_arrow(name: str, column: Any, where: str) -> np.ndarray:
    """A column of pyarrow as booleans, numbers or text."""
    from pyarrow import types

    if types.is_nested(column.type):
        raise ValueError(f"{where}: the column {name} holds {column.type}: give each of its numbers a column")
    if types.is_decimal(column.type):
        column = column.cast("float64")
    if types.is_integer(column.type) or types.is_floating(column.type) or types.is_boolean(column.type):
        values = column.to_numpy()
        if values.dtype.kind != "O":
            return values
    return np.array(["" if value is None else str(value) for value in column.to_pylist()])
