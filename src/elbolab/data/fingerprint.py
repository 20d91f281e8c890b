"""Fingerprints, which tell whether data are those a run was trained on: rows, shapes and hashes of every split.

A fingerprint describes the splits as a model sees them, after limits, seeded choices and draws made once; arrays are
hashed in rows as they are stored. Of an array above `WHOLE` bytes, evenly spaced pieces that make up so many bytes are
hashed, the first and the last rows among them: a change elsewhere is not seen.

Shapes: n = data.
"""

import hashlib
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from elbolab.reading.splits import Selection, Splits

WHOLE = 4 * 2**30
"""Largest number of bytes of an array that are hashed; of a larger array only pieces are hashed."""
PIECE = 4 * 2**20
"""Bytes that are read at once; a larger row is read whole."""
WEIGHT = np.uint64(0x9E3779B97F4A7C15)
"""An odd number whose multiples modulo 2^64 are spread evenly: 2^64 divided by the golden ratio."""
PARTS = {"x": "data", "y": "labels", "factors": "factors", "given": "conditions"}
"""Names of the arrays of a split in messages."""

Fingerprint = dict[str, dict[str, Any]]
"""For each split, the number of "rows", and for each array its {"shape", "kind", "hash", "sum"}, as JSON types.

Standardised data are hashed twice: as models see them (``x``) and as they are in their file (``unscaled``). If the rows
of the file change order, rounding changes the means, and with them ``x``, but not the values in the file.
"""


def compute_fingerprint(splits: Splits, floats: np.dtype, unscaled: Splits | None = None) -> Fingerprint:
    """The fingerprint of all splits, and of those before standardisation where there was one.

    Files that round to the same numbers of the type ``floats``, which models see, are the same data.
    """
    found: Fingerprint = {}
    for split, arrays in splits._asdict().items():
        parts = {name: part for name in PARTS if (part := getattr(arrays, name)) is not None}
        found[split] = {"rows": len(arrays), **{name: _hash(part, name, floats) for name, part in parts.items()}}
    for name, arrays in (unscaled._asdict() if unscaled is not None else {}).items():
        found[name]["unscaled"] = _hash(arrays.x, "x", np.dtype(np.float64))
    return found


def _hash(array: np.ndarray | Selection, name: str, floats: np.dtype) -> dict[str, Any]:
    ordered, total = hashlib.blake2b(digest_size=16), 0
    kind = floats if array.dtype.kind == "f" else array.dtype
    if name in ("y", "factors"):  # the same integers in another width are the same data
        kind = np.dtype(np.int64)
    for piece in _pieces(array):
        with np.errstate(over="ignore"):
            rows = np.ascontiguousarray(piece, dtype=kind.newbyteorder("<"))
        ordered.update(rows)  # type: ignore[arg-type]
        # a sum does not depend on the order of rows; each byte position of a row has a different weight
        columns = rows.view(np.uint8).reshape(len(rows), -1).sum(0, dtype=np.uint64)
        weights = np.arange(1, 2 * len(columns), 2, dtype=np.uint64) * WEIGHT
        total += int((columns * weights).sum(dtype=np.uint64))
    shape = list(array.shape[1:])
    return {"shape": shape, "kind": kind.name, "hash": ordered.hexdigest(), "sum": f"{total % 2**64:016x}"}


def _pieces(array: np.ndarray | Selection) -> Iterator[np.ndarray]:
    """Consecutive rows of the array, all of them or evenly spaced ones."""
    num, row = len(array), max(1, prod(array.shape[1:]) * array.dtype.itemsize)
    rows, at_most = max(1, PIECE // row), max(1, WHOLE // max(PIECE, row))
    starts = range(0, num, rows)
    are_all = num * row <= WHOLE or len(starts) <= at_most
    for start in starts if are_all else np.linspace(0, num - rows, max(2, at_most)).astype(int).tolist():
        yield np.asarray(array[start : start + rows])


def describe_differences(there: Fingerprint, here: Fingerprint) -> list[str]:
    """How the data ``here`` differ from those of the stored fingerprint ``there``, in words; empty if they do not."""
    if _drop_unscaled(there) == _drop_unscaled(here):
        return []
    if any("unscaled" not in parts for found in (there, here) for parts in found.values()):  # in runs of before
        there, here = _drop_unscaled(there), _drop_unscaled(here)
    one, other = (
        [(parts.get("unscaled") or parts["x"])["hash"] for parts in found.values()] for found in (there, here)
    )
    if one != other and _in_any_order(there) == _in_any_order(here):
        return ["the same rows are in another order"]
    found: dict[str, list[str]] = {}
    for split in there:
        for text in _differences(there[split], here[split]):
            found.setdefault(text, []).append(split)
    return [f"{', '.join(splits)}: {text}" for text, splits in found.items()]


def _differences(there: dict[str, Any], here: dict[str, Any]) -> Iterator[str]:
    """In words, how one split differs."""
    if there["rows"] != here["rows"]:
        yield f"{here['rows']:,} rows instead of {there['rows']:,}"
        return
    for name, what in PARTS.items():
        one, other = there.get(name), here.get(name)
        if one == other:
            continue
        if one is None or other is None:
            yield f"{what} that were not there" if one is None else f"{what} are gone"
        elif one["shape"] != other["shape"]:
            yield f"{what} of shape {tuple(other['shape'])} instead of {tuple(one['shape'])}"
        elif one["kind"] != other["kind"]:
            yield f"{what} of type {other['kind']} instead of {one['kind']}"
        else:
            yield f"{what} have other values"


def _drop_unscaled(found: Fingerprint) -> Fingerprint:
    """The fingerprint of the data as models see them, without the hashes of unscaled data."""
    return {split: {name: part for name, part in parts.items() if name != "unscaled"} for split, parts in found.items()}


def _in_any_order(found: Fingerprint) -> dict[str, Any]:
    """The parts of a fingerprint that ignore the order of rows: sizes, and every array's sum over all splits."""
    unchanged: dict[str, Any] = {split: parts["rows"] for split, parts in found.items()}
    for name in PARTS:
        in_file = [parts | {"x": (parts.get("unscaled") or parts["x"])} for parts in found.values()]
        arrays = [parts[name] for parts in in_file if name in parts]
        total = sum(int(array["sum"], 16) for array in arrays) % 2**64
        unchanged[name] = ([(array["shape"], array["kind"]) for array in arrays], total)
    return unchanged
