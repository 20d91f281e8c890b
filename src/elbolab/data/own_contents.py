"""What a user's own file or folder holds: data in splits, with what is known of each datum.

A dictionary holds the arrays of all splits, under ``train``, ``val`` and ``test``, or under an empty name where there
are no splits.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from elbolab.data.deep_pixels import WHITE, has_deep_pixels, say_what_is_scaled, scale_deep_pixels
from elbolab.data.own_files import read_parts
from elbolab.data.own_given import store_conditions
from elbolab.data.own_labels import is_one_hot, number_factors, number_labels
from elbolab.data.own_names import Part, Role
from elbolab.data.own_shapes import advise_last, channels_first, check_numbers, is_unusual
from elbolab.data.own_tables import Columns
from elbolab.data.splits import Arrays
from elbolab.data.values import FAR

warn = rank_zero_only(logging.getLogger(__name__).warning)


@final
@dataclass(frozen=True)
class Contents:
    """What a user's file holds.

    Attributes:
        arrays: the data, under ``train``, ``val`` and ``test``, or under an empty name where there are no splits.
        names: what they are called in the file.
        classes: names of the classes, none without labels.
        factors: names of the values of each ground-truth factor, none without factors.
        factor_names: names of the factors, none where they have no names.
        columns: names of the elements of a datum, none where they have no names.
        white: the whole number that stands for 1 where pixels were of 16 bits, else None.
    """

    arrays: dict[str, Arrays]
    names: dict[str, str]
    classes: tuple[str, ...]
    factors: tuple[tuple[str, ...], ...]
    factor_names: tuple[str, ...]
    columns: tuple[str, ...]
    white: int | None


def read_contents(path: Path, columns: Columns, channels: str, *, are_new: bool = False) -> Contents:
    """Data with the labels, factors and conditions that belong to them.

    Args:
        path: a file or folder.
        columns: what the columns of tables are.
        channels: where images have their channels, ``first``, ``last`` or ``auto``.
        are_new: whether they are new data for a trained model, few of which may have as many labels and factors.

    Raises:
        ValueError: a file, name, shape or value that is no data.
    """
    (parts, elements, known), where = read_parts(path, columns), f"data.path={path}"
    if channels != "auto" and (known != "auto" or all(part.array.ndim < 4 for part in parts.values())):
        raise ValueError(f"data.channels={channels} without effect: these data have no channels, or are pictures")
    channels = channels if known == "auto" else known
    data = {role.split: part for role, part in parts.items() if role.kind == "x"}
    whole = _arranged(data, channels, where)
    is_deep = has_deep_pixels(whole, are_pictures=known != "auto")
    if is_deep and known == "auto":
        say_what_is_scaled(whole, where)
    x = {split: scale_deep_pixels(part) if is_deep else part for split, part in whole.items()}
    beside = {kind: _beside(kind, parts, where) for kind in ("y", "factors", "given")}
    for name in [part.name for part in beside["y"].values() if is_one_hot(part.array)]:
        warn("%s: %s are one-hot vectors, read as class labels", where, name)
    named_y, named_factors = _by_name(beside["y"]), _by_name(beside["factors"])
    classes, y = number_labels(named_y, where, are_new=are_new) if named_y else ((), {})
    values, factors = number_factors(named_factors, where, are_new=are_new) if named_factors else ((), {})
    _warn_of_large(beside["given"], where)
    given = store_conditions(_by_name(_conditions(beside["given"], channels, where)), where)
    named = {kind: {split: part.name for split, part in found.items()} for kind, found in beside.items()}
    arrays = {
        split: Arrays(
            x[split],
            y.get(named["y"].get(split, "")),
            factors.get(named["factors"].get(split, "")),
            given=given.get(named["given"].get(split, "")),
        )
        for split in data
    }
    names = {split: part.name for split, part in data.items()}
    factor_names = tuple(columns.factors) if values else ()
    return Contents(arrays, names, classes, values, factor_names, elements, WHITE if is_deep else None)


def _arranged(data: dict[str, Part], channels: str, where: str) -> dict[str, np.ndarray]:
    """The data of each split as numbers, channels first.

    Raises:
        ValueError: splits differ in the shape of a datum, or it is no shape of data.
    """
    arrays = {split: check_numbers(part.name, part.array, where) for split, part in data.items()}
    first, *others = data
    for split in others:
        if arrays[split].shape[1:] != arrays[first].shape[1:]:
            raise ValueError(
                f"{where}: a row of {data[first].name} has shape {arrays[first].shape[1:]}, one of {data[split].name} "
                f"{arrays[split].shape[1:]}: give all splits data of one shape"
            )
    found = {split: channels_first(data[split].name, x, channels, where) for split, x in arrays.items()}
    if is_unusual(arrays[first].shape, found[first].shape[1:]):
        shape = found[first].shape[1:]
        warn(
            "%s: data of shape %s are read with %d channels of %s", where, arrays[first].shape[1:], shape[0], shape[1:]
        )
    return found


def _beside(kind: str, parts: dict[Role, Part], where: str) -> dict[str, Part]:
    """The arrays of one kind, labels say, by split, each as long as the data that it belongs to.

    Raises:
        ValueError: one is of another length.
    """
    found = {role.split: part for role, part in parts.items() if role.kind == kind}
    for split, (name, array) in found.items():
        x = parts[Role("x", split)]
        if array.ndim == 0 or len(array) != len(x.array):
            num = f"{len(array):,}" if array.ndim else "one"
            is_last = array.ndim > 0 and len(array) == x.array.shape[-1]
            hint = f": the last axis of {x.name} counts the data, give {advise_last(x.name)}" if is_last else ""
            raise ValueError(f"{where}: {len(x.array):,} data, but {num} {name}{hint}")
    return found


def _conditions(given: dict[str, Part], channels: str, where: str) -> dict[str, Part]:
    """Conditions as numbers, images among them channels first."""
    numbers = {split: (name, check_numbers(name, array, where)) for split, (name, array) in given.items()}
    return {split: Part(name, channels_first(name, array, channels, where)) for split, (name, array) in numbers.items()}


def _warn_of_large(given: dict[str, Part], where: str) -> None:
    """Says where conditions are far from 1: nothing scales them."""
    for name, array in given.values():
        largest = np.abs(array).max(initial=0) if array.dtype.kind == "f" else 0
        if largest > FAR:
            warn("%s: %s reach %.3g, and networks see them as they are: divide them to be near 1", where, name, largest)


def _by_name(parts: dict[str, Part]) -> dict[str, np.ndarray]:
    return {part.name: part.array for part in parts.values()}
