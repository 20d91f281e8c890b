"""Conditions that a user's arrays bring along: what they may be, and how they are stored.

Shapes: n = data, ``*shape`` = one datum's condition.
"""

import numpy as np

from elbolab.data.splits import check_finite

MEND = "give one-hot vectors, floats, or grey levels 0 to 255 as uint8"


def store_conditions(arrays: dict[str, np.ndarray], where: str) -> dict[str, np.ndarray]:
    """The conditions of all splits in one type: floats; booleans where all are 0 or 1; or bytes that stand for k / 255.

    Args:
        arrays: each split's conditions, (n, *shape), by their names.
        where: the file, for messages.

    Raises:
        ValueError: they differ in shape or type, or are no finite numbers.
    """
    if not arrays:
        return {}
    _check_alike(arrays, where)
    for name, array in arrays.items():
        _check_numbers(name, array, where)
    return dict(zip(arrays, _in_one_type(list(arrays.values()), where), strict=True))


def _check_alike(arrays: dict[str, np.ndarray], where: str) -> None:
    kinds = {name: "floats" if array.dtype.kind == "f" else "integers" for name, array in arrays.items()}
    first = next(iter(arrays))
    for name, array in arrays.items():
        if array.shape[1:] != arrays[first].shape[1:]:
            raise ValueError(
                f"{where}: a row of {first} has shape {arrays[first].shape[1:]}, one of {name} {array.shape[1:]}: "
                "give all splits conditions of one shape"
            )
        if kinds[name] != kinds[first]:
            raise ValueError(f"{where}: {first} has {kinds[first]}, but {name} {kinds[name]}: give all in one type")


def _check_numbers(name: str, array: np.ndarray, where: str) -> None:
    if array.dtype.kind not in "biuf" or not array.size:
        raise ValueError(f"{where}: the array {name} is empty or not of numbers: {MEND}")
    check_finite([array], f"{name} in {where}")


def _in_one_type(arrays: list[np.ndarray], where: str) -> list[np.ndarray]:
    if arrays[0].dtype.kind == "f":
        return arrays
    if all(array.min() >= 0 and array.max() <= 1 for array in arrays):
        return [array.astype(bool) for array in arrays]
    for array in arrays:
        if array.dtype != np.uint8:
            raise ValueError(
                f"{where}: given has {array.dtype} from {array.min()} to {array.max()}, which may be classes or "
                f"numbers: {MEND}"
            )
    return arrays
