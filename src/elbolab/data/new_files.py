"""A file or folder of new data, read as ``data=arrays`` reads one, for a model that was trained on others.

Shapes: n = data.
"""

from pathlib import Path
from typing import NamedTuple, final

import numpy as np

from elbolab.batch import Spec
from elbolab.data.new_data import Intake
from elbolab.data.own_contents import Contents, read_contents
from elbolab.data.own_tables import Columns, is_table, read_table
from elbolab.data.splits import Arrays


@final
class NewFile(NamedTuple):
    """What a file of new data holds, in the order of the file.

    Attributes:
        arrays: the data with their conditions, as a split is stored.
        y: class labels (n,) as the file has them, numbers where all are whole numbers, else text; None without labels.
    """

    arrays: Arrays
    y: np.ndarray | None


def read_new(path: Path, split: str | None, intake: Intake, columns: Columns) -> NewFile:
    """The data of a file, taken as the training of a model took its own.

    Args:
        path: the file or folder.
        split: which of its splits; None where it has none.
        intake: what the model accepts.
        columns: what the columns of tables were in training; labels and factors may be absent.

    Raises:
        ValueError: it cannot be read, has other splits, or holds data that the model does not take.
    """
    where = f"data.path={path}"
    contents = read_contents(path, _present(columns, path), intake.channels)
    arrays = contents.arrays[_key(contents, split, where)]
    name = f"{contents.names[_key(contents, split, where)]} of {where}"
    y = None if arrays.y is None else class_values(contents.classes, arrays.y)
    assert isinstance(arrays.x, np.ndarray), "a file is read whole, or memory-mapped"
    ordered = _in_order(arrays.x, contents.columns, intake.spec, where)
    return NewFile(intake.take(ordered, _conditions(arrays, y, intake, where), name), y)


def class_values(classes: tuple[str, ...], y: np.ndarray) -> np.ndarray:
    """Labels (n,) as their classes are called: numbers where all names are whole numbers, else text."""
    names = np.array(classes)
    is_whole = all(name.lstrip("-").isdigit() and str(int(name)) == name for name in classes)
    return (names.astype(np.int64) if is_whole else names)[np.asarray(y)]


def _present(columns: Columns, path: Path) -> Columns:
    """The columns that a table of new data has of those that were no data in training."""
    if not is_table(path) or not path.is_file():
        return columns
    names = read_table(path)
    factors, ignore = ([name for name in part if name in names] for part in (columns.factors, columns.ignore))
    labels = columns.labels if columns.labels in (None, "none") or columns.labels in names else "none"
    return Columns(labels, factors, columns.conditions, ignore)


def _key(contents: Contents, split: str | None, where: str) -> str:
    """The key of the data that are wanted."""
    there = list(contents.arrays)
    if there == [""]:
        if split is not None:
            raise ValueError(f"split={split}: {where} has no splits; leave split out")
        return ""
    if split not in there:
        raise ValueError(f"split={split}: {where} has {', '.join(there)}; choose one of these by split=")
    return split


def _in_order(x: np.ndarray, columns: tuple[str, ...], spec: Spec, where: str) -> np.ndarray:
    """Columns of a table in the order of training.

    Raises:
        ValueError: other columns.
    """
    if not columns or not spec.columns or columns == spec.columns:
        return x
    missing = [name for name in spec.columns if name not in columns]
    others = [name for name in columns if name not in spec.columns]
    if missing or others:
        differences = [f"has no {', '.join(missing)}"] if missing else []
        differences += [f"has {', '.join(others)}"] if others else []
        raise ValueError(
            f"{where} {' and '.join(differences)}: this run's data have the columns {', '.join(spec.columns)}"
        )
    return np.asarray(x)[:, [columns.index(name) for name in spec.columns]]


def _conditions(arrays: Arrays, y: np.ndarray | None, intake: Intake, where: str) -> list[np.ndarray]:
    """The conditions that the model wants of a file, of those that the file has.

    Raises:
        ValueError: it has not got them.
    """
    spec = intake.spec
    if not spec.given or spec.canvas is not None:  # parts of an image are taken of it
        return []
    if intake.given == "factors":
        raise ValueError(
            f"{where}: this run has data.given=factors, whose values it does not know by name; encode a split of its "
            "own data by split=, or one-hot vectors in a notebook, run.encode(x, given)"
        )
    found = y if spec.given_is_label else arrays.given
    if found is None:
        kind = "class labels, y" if spec.given_is_label else "conditions, given"
        raise ValueError(
            f"{where} has no {kind}: this run has data.given={intake.given}, and needs them of new data too"
        )
    return [found]
