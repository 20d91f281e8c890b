"""Data that a model was not trained on, taken as its training took its own: layout, scale, binarisation, conditions.

A file is read as ``data=arrays`` reads one. Shapes: n, B = data, C = classes, ``*event`` = one datum's shape.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from elbolab.batch import Batch, Shape, Spec, Support, shorten
from elbolab.data.binarize import binarize_as_test
from elbolab.data.contents import read_contents
from elbolab.data.fetch import Finish, Rows
from elbolab.data.given import Own, Quadrants, unconditional
from elbolab.reading.labels import is_one_hot, name_factors, name_values, number_known_values
from elbolab.reading.names import guess_meaning
from elbolab.reading.splits import Arrays
from elbolab.reading.tables import Columns, is_table, read_table
from elbolab.reading.values import WHITE, Values, measure_values, scale_deep_pixels

CLASSES = (("pandas", "DataFrame"), ("polars", "DataFrame"), ("pyarrow", "Table"))
"""Modules and what they call a table; whoever has such a table has imported its module."""


@final
@dataclass(frozen=True)
class Intake:
    """What a trained model accepts: the spec of its data, and the options under ``data`` that it was trained with."""

    spec: Spec
    given: str = "none"
    binarize: str = "none"
    binarize_seed: int = 777
    channels: str = "auto"

    def take(self, x: np.ndarray, given: Sequence[np.ndarray] = (), where: str = "x") -> Arrays:
        """Data with their conditions, checked, as a split is stored.

        Args:
            x: the data, (B, *event), or as a file of them might hold images.
            given: the conditions, (B, *shape) each; class labels also as the names of their classes, (B,).
            where: what ``x`` is called in messages.
        """
        event, canvas = self.spec.x, self.spec.canvas
        image = None if canvas is None or given else arrange_axes(x, canvas.image, self.channels)
        if image is not None:
            return self._store(image, where)
        if x.shape == event:
            raise ValueError(f"x has the shape {x.shape} of one datum: give a batch of it, x[None]")
        found = arrange_axes(x, event, self.channels)
        if found is None:
            raise ValueError(f"x has shape {x.shape}; this run's data have (B, {list_sizes(event)})")
        arrays = self._store(found, where)
        conditions = self.conditions(given)
        for count in {len(condition) for condition in conditions} - {len(x)}:
            raise ValueError(f"{len(x)} data and {count} conditions: give one for each datum")
        return replace(arrays, given=conditions[0] if conditions else None)

    def finish(self, arrays: Arrays, device: torch.device) -> Finish:
        """What makes batches of rows of such data."""
        canvas = self.spec.canvas
        if canvas is not None and arrays.given is None:
            condition = Quadrants(canvas.quadrants).on(self.spec._replace(x=canvas.image), device)
        else:
            condition = unconditional if arrays.given is None else Own().on(self.spec, device)
        return Finish(arrays, condition, device)

    def batch(self, arrays: Arrays, device: torch.device) -> Batch:
        """All of such data as one batch."""
        return self.finish(arrays, device)(Rows.of(arrays))

    def batches(self, arrays: Arrays, size: int, device: torch.device) -> Iterator[Batch]:
        """Batches of at most ``size`` of such data, in order."""
        finish = self.finish(arrays, device)
        for start in range(0, len(arrays), size):
            yield finish(Rows.of(arrays.rows(slice(start, start + size))))

    def conditions(self, given: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Conditions in the scale that the model sees, (B, *shape) each."""
        if len(given) != len(self.spec.given):
            wanted = ", ".join(f"(B, {list_sizes(shape)})" for shape in self.spec.given)
            what_to_do = f"give them after the first argument, {wanted}" if wanted else "leave them out"
            labels = "; or class labels as the names of the classes" if self.spec.given_is_label else ""
            both = f"this run has data.given={self.given}, and {len(given)} conditions were given"
            raise ValueError(f"{both}: {what_to_do}{labels}")
        return [self._condition(number, values) for number, values in enumerate(given)]

    def _store(self, x: np.ndarray, where: str) -> Arrays:
        spec = self.spec
        if len(x) == 0:
            return Arrays(x.astype(np.float64))
        if spec.white is not None and x.dtype.kind == "u" and x.dtype.itemsize == 2:
            x = np.asarray(scale_deep_pixels(x))
        values = measure_values(where, Arrays(x), "these data")
        if spec.support is Support.REAL:  # in the type that models see, standardised where the training data were
            numbers = spec.standardise(torch.from_numpy(x.astype(np.float64))).to(torch.get_default_dtype()).numpy()
            wrong = ~np.isfinite(numbers).reshape(len(x), -1).all(1)
            if wrong.any():
                raise ValueError(f"{where} has numbers beyond {numbers.dtype} in row {wrong.argmax()} (counted from 0)")
            return Arrays(numbers)
        if self.binarize != "none" and values.kind == "integers" and not values.binary and values.within(WHITE):
            return binarize_as_test(self.binarize, Arrays(x.astype(np.uint8), levels=WHITE + 1), self.binarize_seed)
        _check_values(values, spec)
        if values.kind != "integers":
            return Arrays(x)
        assert spec.levels is not None
        return Arrays(x.astype(np.uint8), levels=spec.levels)

    def _condition(self, number: int, values: np.ndarray) -> np.ndarray:
        spec, shape = self.spec, self.spec.given[number]
        if spec.given_is_label and (values.ndim == 1 or values.shape[1:] == (1,) != shape):
            if values.dtype.kind == "f" and values.shape == shape != (2,) and is_one_hot(values[None]):
                one = f"condition {number + 1} has the shape {shape} of one datum"
                raise ValueError(f"{one}: give a batch of them, (B, {list_sizes(shape)})")
            return np.eye(len(spec.classes))[number_known_values("label", values.reshape(-1), spec.classes, "classes")]
        if self.given == "factors" and values.ndim == 2 and values.shape[1] == len(spec.factors) != sum(spec.factors):
            return self._one_hot_factors(values)
        arranged = arrange_axes(values, shape, self.channels)
        if arranged is None:
            wanted = f"with data.given={self.given} this run's have (B, {list_sizes(shape)})"
            raise ValueError(f"condition {number + 1} has shape {values.shape}; {wanted}")
        values = arranged
        if len(values) == 0:
            return values.astype(np.float64)
        found = measure_values(f"condition {number + 1}", Arrays(values), "these data")
        if found.kind == "floats" or found.binary and spec.given_levels is None:
            return values.astype(np.float64)
        if found.kind == "integers" and spec.given_levels is not None and found.within(spec.given_levels - 1):
            return values.astype(np.float64) / (spec.given_levels - 1)
        wanted = "levels from 0 to 255" if spec.given_levels else "zeros and ones, or floats: give these"
        raise ValueError(f"{found}, and this run was trained with {wanted}")

    def _one_hot_factors(self, values: np.ndarray) -> np.ndarray:
        """Values of factors (B, F), as `elbolab encode` writes them -> one-hot vectors (B, sum of their sizes)."""
        spec = self.spec
        if not spec.factor_values:
            raise ValueError(
                "this run was trained by an elbolab that did not keep the values of factors: give one-hot vectors of "
                f"{sum(spec.factors)} in a notebook, run.encode(x, given), or encode a split of its own data by split="
            )
        called = spec.factor_names or [f"factor {number}" for number in range(1, len(spec.factors) + 1)]
        columns = zip(called, values.T, spec.factor_values, strict=True)
        vectors = [np.eye(len(names))[number_known_values(name, column, names)] for name, column, names in columns]
        return np.concatenate(vectors, axis=1)


def arrange_axes(x: np.ndarray, event: Shape, channels: str) -> np.ndarray | None:
    """Data with rows of shape ``event``, whose channels may have come last or, where there is one, not at all.

    With ``channels=auto`` they come where they fit, first where both do.
    """
    last = np.moveaxis(x, -1, 1) if x.ndim > 3 else x
    ways = {"first": [x], "last": [last, x], "auto": [x, last]}[channels]
    if x.ndim == len(event) and event[0] == 1 and len(event) > 2:
        ways.append(x[:, None])
    return next((way for way in ways if way.shape[1:] == event and way.ndim > len(event)), None)


def _check_values(values: Values, spec: Spec) -> None:
    """Raises ValueError unless values are of the kind, and on the scale, of the data of ``spec``."""
    if spec.support is Support.BINARY:
        is_right, wanted = values.binary, "zeros and ones"
    elif spec.levels is None:
        is_right = values.within(1) and values.kind != "integers"
        deep = "uint16 pixels of 16 bits or " * (spec.white is not None)
        wanted = f"{deep}floats from 0 to 1: give x / 255 of pixels of 8 bits, x / 65535 of 16"
    else:
        top = spec.levels - 1
        is_right = values.within(top if values.kind == "integers" else 1)
        wanted = f"{spec.levels} levels: give integers from 0 to {top}, or floats from 0 to 1, which x / {top} are"
    if not is_right:
        raise ValueError(f"{values}, and this run's data are {wanted}")


def as_array(values: Tensor | np.ndarray | Sequence) -> np.ndarray:
    """Numbers of a notebook as an array, on the CPU."""
    if not isinstance(values, Tensor):
        return np.asarray(values)
    values = values.detach().cpu()
    return (values.float() if values.dtype is torch.bfloat16 else values).numpy()


def list_sizes(shape: Shape) -> str:
    """``1, 28, 28``."""
    return ", ".join(map(str, shape))


@final
class NewFile(NamedTuple):
    """New data with their conditions as a split is stored, and what else is known of them; see `describe_known`."""

    arrays: Arrays
    known: dict[str, np.ndarray]


def read_new(path: Path, split: str | None, intake: Intake, columns: Columns, ignore: Sequence[str] = ()) -> NewFile:
    """The data of a file or folder, or of one of its splits, taken as the training of a model took its own.

    Args:
        path: the file or folder.
        split: which of its splits; None where it has none.
        intake: what the model accepts.
        columns: what the columns of tables were in training; labels and factors may be absent.
        ignore: arrays of this file, or columns of this table, that are left out.
    """
    where = f"data.path={path}"
    columns = _find_columns(columns, ignore, path, intake.spec)
    there, names, spec = read_contents(path, columns, intake.channels, are_new=True)
    if split is not None and "" in there:
        raise ValueError(f"split={split}: {where} has no splits; leave split out")
    if (split or "") not in there:
        raise ValueError(f"split={split}: {where} has {', '.join(there)}; choose one of these by split=")
    arrays, name = there[split or ""], names[split or ""]
    known = describe_known(arrays.y, arrays.factors, spec)
    x, wanted = np.asanyarray(arrays.x), intake.spec.columns
    if spec.columns and wanted and spec.columns != wanted:
        x = np.asarray(x)[:, [spec.columns.index(column) for column in wanted]]
    return NewFile(intake.take(x, _find_conditions(arrays, known, intake, where), f"{name} of {where}"), known)


def describe_known(y: np.ndarray | None, factors: np.ndarray | None, spec: Spec) -> dict[str, np.ndarray]:
    """Labels (n,) and factors (n, F), given as indices, in the values of the file of data with this spec.

    Returns:
        ``y`` and ``factors``, numbers where all are numbers, else text, and ``factor_names`` (F,), those that there
        are. Factors whose values are not known are ``factor_indices``.
    """
    known = {} if y is None else {"y": name_values(spec.classes, np.asarray(y))}
    if factors is not None:
        indices, values = np.asarray(factors), spec.factor_values
        known |= {"factors": name_factors(values, indices)} if values else {"factor_indices": indices}
        known |= {"factor_names": np.array(spec.factor_names)} if spec.factor_names else {}
    return known


def _find_columns(columns: Columns, ignore: Sequence[str], path: Path, spec: Spec) -> Columns:
    """The columns that new data have of those that were no data in training."""
    if not is_table(path) or not path.is_file():
        return replace(columns, ignore=list(ignore) or columns.ignore, wanted=spec.columns or None)
    names = [name for name in read_table(path) if name not in ignore]
    factors, ignored = ([name for name in part if name in names] for part in (columns.factors, columns.ignore))
    labels = columns.labels if columns.labels in (None, "none") or columns.labels in names else "none"
    if spec.columns:
        return Columns(labels, factors, columns.conditions, [*ignored, *ignore], wanted=spec.columns)
    others = [name for name in names if name not in (labels, *factors, *columns.conditions, *ignored)]
    keep = [name for name in others if guess_meaning(name)]  # the shape of a datum tells whether they are wanted
    return Columns(labels, factors, columns.conditions, [*ignored, *ignore], keep)


def _find_conditions(arrays: Arrays, known: dict[str, np.ndarray], intake: Intake, where: str) -> list[np.ndarray]:
    """The conditions that the model wants of a file, of those that the file has."""
    spec = intake.spec
    if not spec.given or spec.canvas is not None:  # parts of an image are taken of it
        return []
    name = "factors" if intake.given == "factors" else "y" if spec.given_is_label else "given"
    found = arrays.given if name == "given" else known.get(name)
    if found is None:
        kind = {"factors": "factors", "y": "class labels, y", "given": "conditions, given"}[name]
        why = f"this run has data.given={intake.given}, and needs them of new data too"
        raise ValueError(f"{where} has no {kind}: {why}")
    return [found]


def order_columns(table: Any, spec: Spec) -> np.ndarray | None:
    """The rows (B, D) of a table of a notebook, with columns as the training data of ``spec`` have them.

    What is no table gives None; other columns, or such that are no numbers, are refused.
    """
    kinds = [(name, getattr(sys.modules[module], name)) for module, name in CLASSES if module in sys.modules]
    kind = next((name for name, table_class in kinds if isinstance(table, table_class)), None)
    if kind is None and not isinstance(table, Mapping):
        return None
    names = table if kind is None else table.column_names if kind == "Table" else table.columns
    columns = {str(name): np.asarray(table[name]) for name in names}
    if not columns or len({column.shape for column in columns.values()}) > 1:
        raise ValueError("x has no columns, or columns of different lengths: give a table with one row for each datum")
    wanted = spec.columns or tuple(columns)
    missing = [name for name in wanted if name not in columns]
    others = [name for name in columns if name not in wanted]
    if missing or others:
        found = [f"has no {shorten(missing)}"] if missing else []
        found += [f"has {shorten(others)} beside its data"] if others else []
        beside = "elbolab encode data.path=x.csv finds labels and factors beside them"
        raise ValueError(f"x {' and '.join(found)}: give a table of the columns {', '.join(wanted)} alone; {beside}")
    for name in wanted:
        if columns[name].ndim != 1 or columns[name].dtype.kind not in "biuf":
            raise ValueError(f"the column {name} of x holds {columns[name].dtype}, no numbers: give .astype(float)")
    return np.stack([columns[name] for name in wanted], axis=1)
