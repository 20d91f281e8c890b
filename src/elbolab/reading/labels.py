"""Class labels, ground-truth factors and conditions of a user's own data: whatever values occur, numbered from 0.

Shapes: n = data, C = classes, F = factors, ``*shape`` = one datum's condition. A dictionary holds the arrays of all
splits, by their names in the file.
"""

import re
from collections.abc import Sequence
from math import isfinite

import numpy as np

from elbolab.batch import shorten
from elbolab.reading.text_tables import read_number
from elbolab.reading.values import check_finite

MISSING = ("", "nan", "NaN", "None", "<NA>", "NaT")
"""What stands for a label that is not there, as text."""
TYPES = {"b": "booleans", "U": "text"}
FEW = 20
"""So many different values are no identifiers or measurements, however few the data."""


def number_labels(
    arrays: dict[str, np.ndarray], where: str, *, are_new: bool = False
) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Names of all classes, and for each array its labels as indices of these names.

    Numbers are in numeric order, also where they are written as text, and other text is in natural order ("b2" before
    "b10"). Labels may be a column (n, 1) or one-hot vectors (n, C), of which each is called by its position. Few data,
    as new ones for a trained model (``are_new``) may be, may all have different labels.
    """
    if not arrays:
        return (), {}
    columns = {name: _flatten_labels(name, array, where) for name, array in arrays.items()}
    classes, indices = number_values(columns, where, are_new=are_new)
    _check_unlabelled(classes, indices, where)
    return classes, indices


def number_factors(
    arrays: dict[str, np.ndarray], where: str, *, are_new: bool = False
) -> tuple[tuple[tuple[str, ...], ...], dict[str, np.ndarray]]:
    """Names of the values that each factor takes, and for each array its factors (n, F) as indices of these values."""
    if not arrays:
        return (), {}
    tables = {name: array[:, None] if array.ndim == 1 else array for name, array in arrays.items()}
    for name, table in tables.items():
        if table.ndim != 2 or not table.shape[1]:
            raise ValueError(f"{where}: {name} has shape {table.shape}, where (n, F) belongs, a column for each factor")
    first, *others = tables
    for name in others:
        if tables[name].shape[1] != tables[first].shape[1]:
            raise ValueError(f"{where}: {first} has {tables[first].shape[1]} columns, {name} {tables[name].shape[1]}")
    numbered = [
        number_values({name: table[:, factor] for name, table in tables.items()}, where, are_new=are_new)
        for factor in range(tables[first].shape[1])
    ]
    indices = {name: np.stack([columns[name] for _, columns in numbered], axis=1) for name in tables}
    return tuple(values for values, _ in numbered), indices


def name_values(names: Sequence[str], indices: np.ndarray) -> np.ndarray:
    """Values (n,) that indices of their names stand for: whole numbers where all are, or floats, else text."""
    if all(re.fullmatch(r"0|-?[1-9]\d*", name) for name in names):
        return np.array(list(map(int, names)))[indices]
    numbers = [_number(name) for name in names]
    if all(isinstance(number, float) or str(number) == name for number, name in zip(numbers, names, strict=True)):
        return np.array(numbers, dtype=np.float64)[indices]
    return np.array(names)[indices]


def name_factors(names: Sequence[Sequence[str]], indices: np.ndarray) -> np.ndarray:
    """Values (n, F) of factors that indices (n, F) of their names stand for: numbers where all are, else text."""
    columns = [name_values(column, indices[:, factor]) for factor, column in enumerate(names)]
    if any(column.dtype.kind == "U" for column in columns):
        columns = [np.array(column)[indices[:, factor]] for factor, column in enumerate(names)]
    return np.stack(columns, axis=1)


def number_known_values(name: str, values: np.ndarray, names: Sequence[str], what: str = "values") -> np.ndarray:
    """Values (n,), numbers or text, as indices (n,) of the ``names`` that number them in training.

    Raises:
        ValueError: a value that did not occur in training, or none; calls the values ``name``, and these ``what``.
    """
    found, inverse = np.unique(_clean(name, values, "these data"), return_inverse=True)
    known = {value: index for index, value in enumerate(names)}
    called = [_name(value) for value in found]
    for value in called:
        if value not in known:
            raise ValueError(f"{name}={value}: this run has the {what} {shorten(names)}")
    return np.array([known[value] for value in called], dtype=np.int64)[inverse.reshape(-1)]


def number_values(
    columns: dict[str, np.ndarray], where: str, *, are_new: bool = False
) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Names of all values that occur, in order, and for each column (n,) the indices of its values among them."""
    plain = {name: _clean(name, column, where) for name, column in columns.items()}
    found = {name: np.unique(column, return_inverse=True) for name, column in plain.items()}
    named = {name: [_name(value) for value in values] for name, (values, _) in found.items()}
    occurring = {value for values in named.values() for value in values}
    is_numeric = all(_number(value) is not None for value in occurring)
    types = {name: TYPES.get(column.dtype.kind, "numbers") for name, column in plain.items()}
    if len(set(types.values())) > 1 and not is_numeric:  # numbers may be text in another split, but True is not 1
        found_types = ", ".join(f"{name} has {type_}" for name, type_ in types.items())
        raise ValueError(f"{where}: {found_types}: give all splits values of one type")
    names = sorted(occurring, key=_natural)
    if is_numeric:
        names.sort(key=lambda name: _number(name) or 0)
    if not are_new:
        _check_repeated(names, columns, where)
    position = {name: index for index, name in enumerate(names)}
    indices = {
        name: np.array([position[value] for value in values], dtype=np.int64)[found[name][1].reshape(-1)]
        for name, values in named.items()
    }
    return tuple(names), indices


def _flatten_labels(name: str, array: np.ndarray, where: str) -> np.ndarray:
    """Labels (n,) of labels (n,), a column (n, 1) or one-hot vectors (n, C)."""
    if array.ndim == 2 and array.shape[1] == 1:
        return array[:, 0]
    if is_one_hot(array):
        return np.asarray(array).argmax(1)
    if array.ndim != 1:
        fix = "where labels are (n,), or one-hot vectors (n, C): call several attributes of a datum factors"
        raise ValueError(f"{where}: {name} has shape {array.shape}, {fix}")
    return array


def is_one_hot(array: np.ndarray) -> bool:
    """Whether each row of (n, C) has one 1, and zeros beside it."""
    if array.ndim != 2 or array.shape[1] < 2 or array.dtype.kind not in "biuf":
        return False
    return bool(((array == 0) | (array == 1)).all() and (array.sum(1) == 1).all())


def _clean(name: str, column: np.ndarray, where: str) -> np.ndarray:
    """A column (n,) as numbers, booleans or text without blanks around it, of which none is missing."""
    if column.dtype.kind == "O":
        _check_missing(name, np.array([value is None or value != value for value in column], dtype=bool), where)
        column = np.array(column.tolist())
        if column.dtype.kind not in "biufU" or column.ndim != 1:
            what = "holds objects that are no labels"
            raise ValueError(f"{where}: {name} {what}: give numbers or text, {name}.astype(str)")
    if column.dtype.kind == "S":
        try:
            column = np.char.decode(column, "utf-8")
        except UnicodeDecodeError as error:
            fix = f"give text, numpy.char.decode({name}, 'latin-1')"
            raise ValueError(f"{where}: {name} holds bytes that are no text in UTF-8 ({error}): {fix}") from error
    if column.dtype.kind not in "biufU":
        raise ValueError(f"{where}: {name} has values of type {column.dtype}: give numbers or text, {name}.astype(str)")
    if column.dtype.kind == "U":
        column = np.char.strip(column)
    missing = ~np.isfinite(column) if column.dtype.kind == "f" else np.isin(column, MISSING)
    _check_missing(name, missing, where)
    return column


def _check_missing(name: str, missing: np.ndarray, where: str) -> None:
    if missing.any():
        raise ValueError(
            f"{where}: {name} has no value in {missing.sum()} of {len(missing)} rows, the first in row "
            f"{missing.argmax()} (counted from 0): label all data, or leave those rows out; data.num_labelled=100 "
            "trains on few labels of many"
        )


def _name(value: np.generic) -> str:
    """A value as text; whole floats as integers."""
    is_whole = isinstance(value, np.floating) and value == np.floor(value)
    return str(int(value)) if is_whole else str(value)


def _number(name: str) -> int | float | None:
    """The number that a name writes, None where it is none."""
    if re.fullmatch(r"[+-]?\d+", name):
        return int(name)
    number = read_number(name)
    return number if number is not None and isfinite(number) else None


def _natural(name: str) -> list:
    """Key of natural order, in which digits count as numbers."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"(\d+)", name))] + [name]


def _check_repeated(names: list[str], columns: dict[str, np.ndarray], where: str) -> None:
    """Identifiers and measurements occur once each, classes do not."""
    num, what = sum(map(len, columns.values())), next(iter(columns))
    whole = all(isinstance(_number(name), int | None) for name in names)
    if 2 * len(names) > num and (len(names) > FEW or not whole):
        why = "which are identifiers or measurements and no classes or factors"
        fix = "leave it out by data.ignore, or give fewer values"
        raise ValueError(f"{where}: {what} has {len(names)} different values in {num} data, {why}: {fix}")


def _check_unlabelled(classes: tuple[str, ...], indices: dict[str, np.ndarray], where: str) -> None:
    """Beside one other value -1 is a class; beside 0, 1, ... it may be one, or mark data without a label."""
    others = [number for name in classes if name != "-1" and (number := _number(name)) is not None]
    if "-1" not in classes or len(others) != len(classes) - 1 or len(others) < 2 or min(others) < 0:
        return
    name, num = next(iter(indices)), sum(int((part == classes.index("-1")).sum()) for part in indices.values())
    raise ValueError(
        f"{where}: {num} labels {name} are -1, beside {classes[1]} to {classes[-1]}. If these data have no label, "
        "label them or leave them out (data.num_labelled=100 trains on few labels of many); if -1 is a class, give "
        f"{name} + 1"
    )


def store_conditions(arrays: dict[str, np.ndarray], where: str) -> dict[str, np.ndarray]:
    """The conditions (n, *shape) of all splits in one type: floats, booleans for 0 and 1, or bytes that are k / 255."""
    kinds = {name: "floats" if array.dtype.kind == "f" else "integers" for name, array in arrays.items()}
    first = next(iter(arrays), "")
    for name, array in arrays.items():
        if array.shape[1:] != arrays[first].shape[1:]:
            both = f"a row of {first} has shape {arrays[first].shape[1:]}, one of {name} {array.shape[1:]}"
            raise ValueError(f"{where}: {both}: give all splits conditions of one shape")
        if kinds[name] != kinds[first]:
            raise ValueError(f"{where}: {first} has {kinds[first]}, but {name} {kinds[name]}: give all in one type")
        check_finite([array], f"{name} in {where}")
    if "floats" in kinds.values():
        return arrays
    if all(array.min() >= 0 and array.max() <= 1 for array in arrays.values()):
        return {name: array.astype(bool) for name, array in arrays.items()}
    for array in arrays.values():
        if array.dtype != np.uint8:
            what = f"given has {array.dtype} from {array.min()} to {array.max()}, which may be classes or numbers"
            raise ValueError(f"{where}: {what}: give one-hot vectors, floats, or grey levels 0 to 255 as uint8")
    return arrays
