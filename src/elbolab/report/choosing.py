"""Which runs of a folder, and in which order: ``outputs model=vae seed=1,2 sort=test.nll``."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isnan
from pathlib import Path
from time import time
from typing import Any, NamedTuple, final

from elbolab.common.did_you_mean import did_you_mean, last_part, nearest, nearest_keys
from elbolab.report.rows import sign_of
from elbolab.runs.gather import Entry, name_entries, natural, read_entries

Value = float | str | None


@final
class Words(NamedTuple):
    """The arguments of a command.

    Attributes:
        paths: where to look.
        options: what the command itself takes.
        filters: what runs must have, alternatives by their key.
    """

    paths: list[Path]
    options: dict[str, str]
    filters: dict[str, list[str]]


OF_ITSELF: Mapping[str, Callable[[Entry], Value]] = {
    "name": lambda entry: entry.name,
    "folder": lambda entry: str(entry.folder),
    "state": lambda entry: entry.state.state,
    "epoch": lambda entry: entry.state.epoch,
    "best": lambda entry: entry.state.best,
    "seconds": lambda entry: entry.state.seconds,
    "age": lambda entry: None if entry.when is None else time() - entry.when,
}
"""What every run has, by the key to sort by."""


def words_of(args: Sequence[str], options: Sequence[str]) -> Words:
    """The arguments, sorted out; a path may have ``=`` in its name if it is there."""
    pairs = [arg.partition("=") for arg in args if "=" in arg and not Path(arg).exists()]
    paths = [Path(arg) for arg in args if "=" not in arg or Path(arg).exists()]
    told = {key: value for key, _, value in pairs if key in options}
    filters = {key: value.split(",") for key, _, value in pairs if key not in options}
    return Words(paths or [Path(os.environ.get("ELBOLAB_OUT", "outputs"))], told, filters)


def chosen(words: Words) -> list[Entry]:
    """The runs in the folders that pass all filters, in the order asked for, named beside each other.

    Raises:
        ValueError: no such folder, a folder without runs, a key that no run has, or filters that no run passes.
    """
    entries = read_entries(words.paths)
    for key in [*words.filters, *([words.options["sort"].lstrip("-")] if "sort" in words.options else [])]:
        _check(key, entries)
    kept = [entry for entry in entries if all(_passes(entry, *pair) for pair in words.filters.items())]
    if not kept:
        told = " ".join(f"{key}={','.join(values)}" for key, values in words.filters.items())
        raise ValueError(f"none of {len(entries)} runs has {told}: leave some of it out")
    return in_order(name_entries(kept), words.options.get("sort"))


def in_order(entries: Sequence[Entry], sort: str | None) -> list[Entry]:
    """Sorted by a key, the best quantity and the least of anything else first; ``-KEY`` turns the order.

    Runs without a value, or with NaN, come last in either order.
    """
    if sort is None:
        return list(entries)
    key = sort.removeprefix("-")
    higher = any(sign_of(entry.report, last_part(key)) > 0 for entry in entries)
    higher = higher or (key == "best" and any(entry.leaves.get("mode") == "max" for entry in entries))
    down = sort.startswith("-") != higher
    values = [(value_of(entry, key), entry) for entry in entries]
    known = [(value, entry) for value, entry in values if not _unknown(value)]
    known.sort(key=lambda pair: natural(pair[0]) if isinstance(pair[0], str) else [(0, pair[0], "")], reverse=down)
    return [entry for _, entry in known] + [entry for value, entry in values if _unknown(value)]


def _unknown(value: Value) -> bool:
    return value is None or isinstance(value, float) and isnan(value)


def value_of(entry: Entry, key: str) -> Value:
    """What a run has under a key: of itself, a quantity, an override, or of its configuration; None where nothing.

    Args:
        entry: the run.
        key: ``state``, ``test.nll`` or ``nll``, ``model``, ``model.beta``, or the last part of one key: ``beta``.
    """
    if key in OF_ITSELF:
        return OF_ITSELF[key](entry)
    measured = _measured(entry, key)
    if measured is not None:
        return measured
    if key in entry.overrides:
        return _number(entry.overrides[key])
    found = _configured(entry, key)
    return _number(found) if found is not None else None


def _measured(entry: Entry, key: str) -> float | None:
    split, dot, name = key.partition(".")
    quantity = entry.report.get(split if dot else entry.split or "", {}).get(name if dot else key)
    return None if quantity is None or isinstance(quantity["value"], list) else quantity["value"]


def _configured(entry: Entry, key: str) -> Any:
    """The value at a dotted key, the class of a part, or what the only key with that last part has."""
    if f"{key}._target_" in entry.leaves:
        return last_part(str(entry.leaves[f"{key}._target_"]))
    if key in entry.leaves:
        return entry.leaves[key]
    ends = {str(value) for leaf, value in entry.leaves.items() if last_part(leaf) == key}
    return next(iter(ends)) if len(ends) == 1 else None


def _number(value: Any) -> Value:
    if isinstance(value, bool):
        return str(value).lower()
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)


def _passes(entry: Entry, key: str, wanted: Iterable[str]) -> bool:
    """Whether a run has one of the values: as it was told, as a number, or as a class however it is written."""
    target = entry.leaves.get(f"{key}._target_")
    module = None if target is None else str(target).split(".")[-2:][0]  # vae of elbolab.models.vae.VAE
    values = [value_of(entry, key), _configured(entry, key), entry.overrides.get(key), module]
    have = {_plain(value) for value in values if value is not None}
    return any(_plain(text) in have for text in wanted)


def _plain(value: object) -> Value:
    """4 and ``4.0`` are one value; so are ``beta_vae`` and ``BetaVAE``."""
    number = _number(value)
    return number.replace("_", "").lower() if isinstance(number, str) else number


def _check(key: str, entries: Sequence[Entry]) -> None:
    if key in OF_ITSELF or any(value_of(entry, key) is not None or key in entry.leaves for entry in entries):
        return
    keys = [*OF_ITSELF, *_quantities(entries), *dict.fromkeys(leaf for entry in entries for leaf in entry.leaves)]
    near = nearest_keys(key, keys) or nearest(key, keys)
    told = did_you_mean(near) or f": take one of {', '.join(OF_ITSELF)}, a quantity (test.nll) or a key of the config"
    raise ValueError(f"no run has '{key}'{told}")


def _quantities(entries: Iterable[Entry]) -> list[str]:
    pairs = (pair for entry in entries for pair in entry.report.items())
    return list(dict.fromkeys(f"{split}.{name}" for split, quantities in pairs for name in quantities))
