"""The axes of a user's own arrays: vectors, images and volumes, channels first.

Shapes: n = data, C = channels, D = depth or elements of a vector, H, W = height and width.
"""

import logging

import numpy as np
from lightning.pytorch.utilities.rank_zero import rank_zero_only

warn = rank_zero_only(logging.getLogger(__name__).warning)
CHANNELS = (1, 3, 4)
"""Numbers of channels that pictures have; others are told by the axes beside them."""
CHOICES = ("auto", "first", "last")
VECTORS = "give vectors by x.reshape(len(x), -1)"


def advise_last(name: str) -> str:
    """Code that makes the first axis of the last one, along which Matlab counts data."""
    return f"numpy.moveaxis({name}, -1, 0)"


def check_channels(channels: str) -> None:
    """Raises ValueError where there is no such place of the channels."""
    if channels not in CHOICES:
        raise ValueError(f"data.channels={channels}: choose {', '.join(CHOICES)}")


def check_numbers(name: str, x: np.ndarray, where: str) -> np.ndarray:
    """Numbers in the byte order of this machine, of a type that torch has.

    Raises:
        ValueError: an array of something else, or an empty one.
    """
    if x.dtype.kind == "c":
        raise ValueError(f"{where}: {name} has complex numbers: give real ones, numpy.stack([x.real, x.imag], 1)")
    if x.dtype.names:
        raise ValueError(
            f"{where}: {name} has records of {', '.join(x.dtype.names)}: give "
            f"numpy.lib.recfunctions.structured_to_unstructured({name}), or numpy.save('x.npy', {name}) as a table"
        )
    if x.dtype.kind not in "biuf":
        raise ValueError(f"{where}: {name} is of type {x.dtype}, no numbers: give {name}.astype('float32')")
    if not x.size:
        raise ValueError(f"{where}: {name} is empty, its shape is {x.shape}")
    if x.dtype.isnative and x.dtype.itemsize <= 8:
        return x
    return x.astype(np.float64 if x.dtype.itemsize > 8 else x.dtype.newbyteorder("="))


def channels_first(name: str, x: np.ndarray, channels: str, where: str) -> np.ndarray:
    """Vectors (n, D) as they are, images as (n, C, H, W), volumes as (n, C, D, H, W).

    Args:
        name: of the array.
        x: (n, D), (n, H, W), or images or volumes with channels first or last.
        channels: ``first``, ``last``, or ``auto`` to tell by the sizes of the axes.
        where: the file, for messages.

    Raises:
        ValueError: another shape, or one with two readings.
    """
    if x.ndim < 2:
        raise ValueError(
            f"{where}: {name} has shape {x.shape}, where (n, D) belongs: give one number a datum as {name}[:, None]"
        )
    if x.ndim > 5:
        raise ValueError(
            f"{where}: {name} has shape {x.shape}, where images are (n, C, H, W) and volumes (n, C, D, H, W): {VECTORS}"
        )
    if x.ndim == 3 and x.shape[0] == x.shape[1] < x.shape[2]:
        warn(
            "%s: %s has shape %s, read as %d images of %d x %d; where the last axis counts the data, give %s",
            *(where, name, x.shape, *x.shape, advise_last(name)),
        )
    if x.ndim < 4:
        return x if x.ndim == 2 else x[:, None]
    place = _place(name, x.shape, where) if channels == "auto" else channels
    return x if place == "first" else np.moveaxis(x, -1, 1)


def is_unusual(shape: tuple[int, ...], event: tuple[int, ...]) -> bool:
    """Whether it is worth saying that data of this shape have events of that one."""
    return len(shape) > 3 and event[0] not in CHANNELS


def _place(name: str, shape: tuple[int, ...], where: str) -> str:
    """Where the channels are: in a place that fits 1, 3 or 4, beside equal axes, or in the least axis.

    Raises:
        ValueError: both places fit, or they are 1, 3 or 4 in one place and beside equal axes in the other.
    """
    event = shape[1:]
    usual = {"first": event[0] in CHANNELS, "last": event[-1] in CHANNELS}
    alike = {"first": len(set(event[1:])) == 1, "last": len(set(event[:-1])) == 1}
    least = {"first": event[0] < min(event[1:]), "last": event[-1] < min(event[:-1])}
    places = [[place for place, fits in clue.items() if fits] for clue in (usual, alike, least)]
    clear = [found[0] for found in places if len(found) == 1]
    if clear and len(places[0]) < 2 and not (places[0] and places[1] and places[0] != places[1]):
        return clear[0]
    may_be_last = len(shape) == 4 and shape[2] in CHANNELS and shape[3] > max(shape[:2])
    last = f"; where the last axis counts the data, give {advise_last(name)}" * may_be_last
    raise ValueError(
        f"{where}: {name} has shape {shape}, whose channels may come first or last: set data.channels=first or "
        f"data.channels=last; volumes (n, D, H, W) are given as x[:, None]; or {VECTORS}{last}"
    )
