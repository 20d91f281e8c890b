"""Files, folders and notebook tables of new data, for a model that was trained on others.

A file is read as ``data=arrays`` reads one.

Shapes: n, B = data.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np

from elbolab.batch import Spec, shorten
from elbolab.data.contents import read_contents
from elbolab.data.new_data import Intake
from elbolab.reading.labels import name_factors, name_values
from elbolab.reading.names import meaning_of
from elbolab.reading.splits import Arrays
from elbolab.reading.tables import Columns, is_table, read_table

CLASSES = (("pandas", "DataFrame"), ("polars", "DataFrame"), ("pyarrow", "Table"))
"""Modules and what they call a table; whoever has such a table has imported its module."""


@final
class NewFile(NamedTuple):
    """What a file of new data holds, in the order of the file.

    Attributes:
        arrays: the data with their conditions, as a split is stored.
        known: what else the file has of each datum, as `describe_known` names it.
    """

    arrays: Arrays
    known: dict[str, np.ndarray]


def read_new(path: Path, split: str | None, intake: Intake, columns: Columns, ignore: Sequence[str] = ()) -> NewFile:
    """The data of a file, taken as the training of a model took its own.

    Args:
        path: the file or folder.
        split: which of its splits; None where it has none.
        intake: what the model accepts.
        columns: what the columns of tables were in training; labels and factors may be absent.
        ignore: arrays of this file, or columns of this table, that are left out.

    Raises:
        ValueError: it cannot be read, has other splits, or holds data that the model does not take.
    """
    where = f"data.path={path}"
    contents = read_contents(path, _present(columns, ignore, path, intake.spec), intake.channels, are_new=True)
    key = _choose_split(list(contents.arrays), split, where)
    arrays = contents.arrays[key]
    known = describe_known(arrays.y, arrays.factors, contents.classes, contents.factors, contents.factor_names)
    x, wanted = np.asanyarray(arrays.x), intake.spec.columns
    if contents.columns and wanted and contents.columns != wanted:
        x = np.asarray(x)[:, [contents.columns.index(name) for name in wanted]]
    taken = intake.take(x, _conditions(arrays, known, intake, where), f"{contents.names[key]} of {where}")
    return NewFile(taken, known)


def describe_known(
    y: np.ndarray | None,
    factors: np.ndarray | None,
    classes: Sequence[str],
    factor_values: Sequence[Sequence[str]],
    factor_names: Sequence[str],
) -> dict[str, np.ndarray]:
    """What is known of data, in the values of their file.

    Args:
        y: class labels (n,) as indices of ``classes``, or None.
        factors: ground-truth factors (n, F) as indices of ``factor_values``, or None.
        classes: names of the classes.
        factor_values: names of the values of each factor; none where they are not known.
        factor_names: names of the factors, none where they have no names.

    Returns:
        ``y`` (n,) and ``factors`` (n, F), numbers where all are numbers, else text, and ``factor_names`` (F,); what the
        data have not, and what is not known, is absent. Factors whose values are not known are ``factor_indices``.
    """
    known = {}
    if y is not None:
        known["y"] = name_values(classes, np.asarray(y))
    if factors is not None:
        indices = np.asarray(factors)
        known |= {"factors": name_factors(factor_values, indices)} if factor_values else {"factor_indices": indices}
        if factor_names:
            known["factor_names"] = np.array(factor_names)
    return known


def _present(columns: Columns, ignore: Sequence[str], path: Path, spec: Spec) -> Columns:
    """The columns that new data have of those that were no data in training."""
    if not is_table(path) or not path.is_file():
        return replace(columns, ignore=list(ignore) or columns.ignore, wanted=spec.columns or None)
    names = [name for name in read_table(path) if name not in ignore]
    factors, ignored = ([name for name in part if name in names] for part in (columns.factors, columns.ignore))
    labels = columns.labels if columns.labels in (None, "none") or columns.labels in names else "none"
    if spec.columns:
        return Columns(labels, factors, columns.conditions, [*ignored, *ignore], wanted=spec.columns)
    others = [name for name in names if name not in (labels, *factors, *columns.conditions, *ignored)]
    keep = [name for name in others if meaning_of(name)]  # the shape of a datum tells whether they are wanted
    return Columns(labels, factors, columns.conditions, [*ignored, *ignore], keep)


def _choose_split(there: list[str], split: str | None, where: str) -> str:
    """The key of the data that are wanted."""
    if there == [""]:
        if split is not None:
            raise ValueError(f"split={split}: {where} has no splits; leave split out")
        return ""
    if split not in there:
        raise ValueError(f"split={split}: {where} has {', '.join(there)}; choose one of these by split=")
    return split


def _conditions(arrays: Arrays, known: dict[str, np.ndarray], intake: Intake, where: str) -> list[np.ndarray]:
    """The conditions that the model wants of a file, of those that the file has."""
    spec = intake.spec
    if not spec.given or spec.canvas is not None:  # parts of an image are taken of it
        return []
    name = "factors" if intake.given == "factors" else "y" if spec.given_is_label else "given"
    found = arrays.given if name == "given" else known.get(name)
    if found is None:
        kind = {"factors": "factors", "y": "class labels, y", "given": "conditions, given"}[name]
        raise ValueError(
            f"{where} has no {kind}: this run has data.given={intake.given}, and needs them of new data too"
        )
    return [found]


def read_columns(table: Any) -> dict[str, np.ndarray] | None:
    """The columns of a table by their names; None where it is no table."""
    if isinstance(table, Mapping):
        return {str(name): np.asarray(column) for name, column in table.items()}
    for module, name in CLASSES:
        if module in sys.modules and isinstance(table, getattr(sys.modules[module], name)):
            names = table.column_names if name == "Table" else table.columns
            return {str(column): np.asarray(table[column]) for column in names}
    return None


def order_columns(columns: dict[str, np.ndarray], spec: Spec) -> np.ndarray:
    """The rows (B, D) of a table, its columns in the order of the training data of ``spec``.

    Raises:
        ValueError: other columns, or such that are no numbers.
    """
    if not columns or len({column.shape for column in columns.values()}) > 1:
        raise ValueError("x has no columns, or columns of different lengths: give a table with one row for each datum")
    wanted = spec.columns or tuple(columns)
    missing = [name for name in wanted if name not in columns]
    others = [name for name in columns if name not in wanted]
    if missing or others:
        found = [f"has no {shorten(missing)}"] if missing else []
        found += [f"has {shorten(others)} beside its data"] if others else []
        raise ValueError(
            f"x {' and '.join(found)}: give a table of the columns {', '.join(wanted)} alone; elbolab encode "
            "data.path=x.csv finds labels and factors beside them"
        )
    for name in wanted:
        if columns[name].ndim != 1 or columns[name].dtype.kind not in "biuf":
            raise ValueError(f"the column {name} of x holds {columns[name].dtype}, no numbers: give .astype(float)")
    return np.stack([columns[name] for name in wanted], axis=1)
