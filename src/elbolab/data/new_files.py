"""A file or folder of new data, read as ``data=arrays`` reads one, for a model that was trained on others.

Shapes: n = data.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, final

import numpy as np

from elbolab.batch import Spec
from elbolab.data.column_names import meaning_of
from elbolab.data.new_data import Intake
from elbolab.data.own_contents import Contents, read_contents
from elbolab.data.own_labels import as_table, as_values
from elbolab.data.own_tables import Columns, is_table, read_table
from elbolab.data.splits import Arrays


@final
class NewFile(NamedTuple):
    """What a file of new data holds, in the order of the file.

    Attributes:
        arrays: the data with their conditions, as a split is stored.
        known: what else the file has of each datum, as `known_of` names it.
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
    arrays = contents.arrays[_key(contents, split, where)]
    name = f"{contents.names[_key(contents, split, where)]} of {where}"
    known = known_of(arrays.y, arrays.factors, contents.classes, contents.factors, contents.factor_names)
    ordered = _in_order(np.asanyarray(arrays.x), contents.columns, intake.spec)
    return NewFile(intake.take(ordered, _conditions(arrays, known, intake, where), name), known)


def known_of(
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
        known["y"] = as_values(classes, np.asarray(y))
    if factors is not None:
        indices = np.asarray(factors)
        known |= {"factors": as_table(factor_values, indices)} if factor_values else {"factor_indices": indices}
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


def _in_order(x: np.ndarray, columns: tuple[str, ...], spec: Spec) -> np.ndarray:
    """Columns of a table in the order of training."""
    if not columns or not spec.columns or columns == spec.columns:
        return x
    return np.asarray(x)[:, [columns.index(name) for name in spec.columns]]


def _conditions(arrays: Arrays, known: dict[str, np.ndarray], intake: Intake, where: str) -> list[np.ndarray]:
    """The conditions that the model wants of a file, of those that the file has.

    Raises:
        ValueError: it has not got them.
    """
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
