"""What a user's own file or folder holds: data in splits, channels first, with what is known of each datum.

A dictionary holds the arrays of all splits, under ``train``, ``val`` and ``test``, or under an empty name where there
are no splits.

Shapes: n = data, C = channels, D = depth or elements of a vector, H, W = height and width.
"""

import logging
from pathlib import Path
from typing import NamedTuple, final

import numpy as np
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from elbolab.batch import Spec, Support
from elbolab.common.refusal import Refusal, change
from elbolab.data.own_files import read_parts
from elbolab.reading.labels import is_one_hot, number_factors, number_labels, store_conditions
from elbolab.reading.names import Part, Role
from elbolab.reading.splits import Arrays
from elbolab.reading.tables import Columns
from elbolab.reading.values import DEEP_WHITE, FAR, WHITE, has_deep_pixels, say_what_is_scaled, scale_deep_pixels

CHANNELS = (1, 3, 4)
"""Numbers of channels that pictures have; others are told by the axes beside them."""
CHOICES = ("auto", "first", "last")
FIRST = "numpy.moveaxis({}, -1, 0)"
"""Code that makes the first axis of the last one, along which Matlab counts data."""
VECTORS = "give vectors by x.reshape(len(x), -1)"
warn = rank_zero_only(logging.getLogger(__name__).warning)


@final
class Contents(NamedTuple):
    """What a user's file holds.

    Attributes:
        arrays: the data, under ``train``, ``val`` and ``test``, or under an empty name where there are no splits.
        names: what they are called in the file.
        spec: what is known of them before their values are looked at: the support is yet that of any numbers.
    """

    arrays: dict[str, Arrays]
    names: dict[str, str]
    spec: Spec


def read_contents(path: Path, columns: Columns, channels: str, *, are_new: bool = False) -> Contents:
    """Data of a file or folder with the labels, factors and conditions that belong to them.

    Few new data for a trained model, ``are_new``, may have as many labels and factors.

    Raises:
        ValueError: a file, name, shape or value that is no data.
    """
    (parts, elements, known), where = read_parts(path, columns), f"data.path={path}"
    if channels != "auto" and (known != "auto" or all(part.array.ndim < 4 for part in parts.values())):
        raise ValueError(f"data.channels={channels} without effect: these data have no channels, or are pictures")
    channels = channels if known == "auto" else known
    data = {role.split: part for role, part in parts.items() if role.kind == "x"}
    x = _arrange_data(data, channels, where)
    is_deep = has_deep_pixels(x, are_pictures=known != "auto")
    if is_deep and known == "auto":
        say_what_is_scaled(x, where)
    beside = {kind: _find_beside(kind, parts, where) for kind in ("y", "factors", "given")}
    for name in [part.name for part in beside["y"].values() if is_one_hot(part.array)]:
        warn("%s: %s are one-hot vectors, read as class labels", where, name)
    named = {kind: {part.name: part.array for part in found.values()} for kind, found in beside.items()}
    classes, y = number_labels(named["y"], where, are_new=are_new)
    values, factors = number_factors(named["factors"], where, are_new=are_new)
    given = store_conditions(_arrange_conditions(named["given"], channels, where), where)
    arrays = {}
    for split, part in x.items():
        whole = scale_deep_pixels(part) if is_deep else part
        y_of, factors_of, given_of = (
            numbers[found[split].name] if split in found else None
            for found, numbers in zip(beside.values(), (y, factors, given), strict=True)
        )
        arrays[split] = Arrays(whole, y_of, factors_of, given=given_of)
    first = next(iter(arrays.values()))
    spec = Spec(first.event, Support.REAL, classes=classes, factors=tuple(map(len, values)), factor_values=values)
    spec = spec._replace(factor_names=tuple(columns.factors) if values else (), columns=elements)
    if first.given is not None:
        levels = WHITE + 1 if first.given.dtype == np.uint8 else None
        spec = spec._replace(given=(first.given.shape[1:],), given_levels=levels)
    names = {split: part.name for split, part in data.items()}
    return Contents(arrays, names, spec._replace(white=DEEP_WHITE if is_deep else None))


def _arrange_data(data: dict[str, Part], channels: str, where: str) -> dict[str, np.ndarray]:
    """The data of each split as numbers, channels first."""
    arrays = {split: check_numbers(part.name, part.array, where) for split, part in data.items()}
    first, *others = data
    for split in others:
        if arrays[split].shape[1:] != arrays[first].shape[1:]:
            one = f"a row of {data[first].name} has shape {arrays[first].shape[1:]}"
            other = f"one of {data[split].name} {arrays[split].shape[1:]}"
            raise ValueError(f"{where}: {one}, {other}: give all splits data of one shape")
    found = {split: channels_first(data[split].name, x, channels, where) for split, x in arrays.items()}
    before, (num_channels, *sizes) = arrays[first].shape[1:], found[first].shape[1:]
    if len(before) > 2 and num_channels not in CHANNELS:
        warn("%s: data of shape %s are read with %d channels of %s", where, before, num_channels, tuple(sizes))
    return found


def _find_beside(kind: str, parts: dict[Role, Part], where: str) -> dict[str, Part]:
    """The arrays of one kind, labels say, by split, each as long as the data that it belongs to."""
    found = {role.split: part for role, part in parts.items() if role.kind == kind}
    for split, (name, array) in found.items():
        x = parts[Role("x", split)]
        if array.ndim == 0 or len(array) != len(x.array):
            num = f"{len(array):,}" if array.ndim else "one"
            is_last = array.ndim > 0 and len(array) == x.array.shape[-1]
            hint = f": the last axis of {x.name} counts the data, give {FIRST.format(x.name)}" if is_last else ""
            raise ValueError(f"{where}: {len(x.array):,} data, but {num} {name}{hint}")
    return found


def _arrange_conditions(given: dict[str, np.ndarray], channels: str, where: str) -> dict[str, np.ndarray]:
    """Conditions as numbers, by their names, images among them channels first; says where they are far from 1."""
    found = {}
    for name, array in given.items():
        largest = np.abs(array).max(initial=0) if array.dtype.kind == "f" else 0
        if largest > FAR:
            warn("%s: %s reach %.3g, and networks see them as they are: divide them to be near 1", where, name, largest)
        found[name] = channels_first(name, check_numbers(name, array, where), channels, where)
    return found


def check_numbers(name: str, x: np.ndarray, where: str) -> np.ndarray:
    """Numbers in the byte order of this machine, of a type that torch has; refuses anything else."""
    if x.dtype.kind == "c":
        raise ValueError(f"{where}: {name} has complex numbers: give real ones, numpy.stack([x.real, x.imag], 1)")
    if x.dtype.names:
        fix = f"numpy.lib.recfunctions.structured_to_unstructured({name}), or numpy.save('x.npy', {name}) as a table"
        raise ValueError(f"{where}: {name} has records of {', '.join(x.dtype.names)}: give {fix}")
    if x.dtype.kind not in "biuf":
        raise ValueError(f"{where}: {name} is of type {x.dtype}, no numbers: give {name}.astype('float32')")
    if not x.size:
        raise ValueError(f"{where}: {name} is empty, its shape is {x.shape}")
    if x.dtype.isnative and x.dtype.itemsize <= 8:
        return x
    return x.astype(np.float64 if x.dtype.itemsize > 8 else x.dtype.newbyteorder("="))


def channels_first(name: str, x: np.ndarray, channels: str, where: str) -> np.ndarray:
    """Vectors (n, D) as they are, images as (n, C, H, W), volumes as (n, C, D, H, W).

    ``channels`` are ``first`` or ``last``, or ``auto``, to tell by the sizes of the axes; a shape with two readings is
    refused then.
    """
    if x.ndim < 2:
        fix = f"give one number a datum as {name}[:, None]"
        raise ValueError(f"{where}: {name} has shape {x.shape}, where (n, D) belongs: {fix}")
    if x.ndim > 5:
        wanted = "images are (n, C, H, W) and volumes (n, C, D, H, W)"
        raise ValueError(f"{where}: {name} has shape {x.shape}, where {wanted}: {VECTORS}")
    if x.ndim == 3 and x.shape[0] == x.shape[1] < x.shape[2]:
        text = "%s: %s has shape %s, read as %d images of %d x %d; where the last axis counts the data, give %s"
        warn(text, where, name, x.shape, *x.shape, FIRST.format(name))
    if x.ndim < 4:
        return x if x.ndim == 2 else x[:, None]
    place = _find_place(name, x.shape, where) if channels == "auto" else channels
    return x if place == "first" else np.moveaxis(x, -1, 1)


def _find_place(name: str, shape: tuple[int, ...], where: str) -> str:
    """Where the channels are: in a place that fits 1, 3 or 4, beside equal axes, or in the least axis."""
    event = shape[1:]
    usual = {"first": event[0] in CHANNELS, "last": event[-1] in CHANNELS}
    alike = {"first": len(set(event[1:])) == 1, "last": len(set(event[:-1])) == 1}
    least = {"first": event[0] < min(event[1:]), "last": event[-1] < min(event[:-1])}
    places = [[place for place, fits in clue.items() if fits] for clue in (usual, alike, least)]
    clear = [found[0] for found in places if len(found) == 1]
    if clear and len(places[0]) < 2 and not (places[0] and places[1] and places[0] != places[1]):
        return clear[0]
    may_be_last = len(shape) == 4 and shape[2] in CHANNELS and shape[3] > max(shape[:2])
    last = f"; where the last axis counts the data, give {FIRST.format(name)}" * may_be_last
    others = f"give volumes (n, D, H, W) as x[:, None], or {VECTORS}{last}"
    reason = f"{where}: {name} has shape {shape}, whose channels may come first or last ({others})"
    raise Refusal(reason, change("data.channels", "first", "last"))
