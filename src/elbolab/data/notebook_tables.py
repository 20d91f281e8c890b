"""Tables of a notebook, by the names of their columns: of pandas, polars or pyarrow, or a dictionary of columns.

Shapes: B = rows.
"""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from elbolab.batch import Spec, shorten

CLASSES = (("pandas", "DataFrame"), ("polars", "DataFrame"), ("pyarrow", "Table"))
"""Modules and what they call a table; whoever has such a table has imported its module."""


def columns_of(table: Any) -> dict[str, np.ndarray] | None:
    """The columns of a table by their names; None where it is no table."""
    if isinstance(table, Mapping):
        return {str(name): np.asarray(column) for name, column in table.items()}
    for module, name in CLASSES:
        if module in sys.modules and isinstance(table, getattr(sys.modules[module], name)):
            names = table.column_names if name == "Table" else table.columns
            return {str(column): np.asarray(table[column]) for column in names}
    return None


def rows_of(columns: dict[str, np.ndarray], spec: Spec) -> np.ndarray:
    """The rows (B, D) of a table, its columns in the order of training.

    Args:
        columns: by name.
        spec: the data that a model was trained on.

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
