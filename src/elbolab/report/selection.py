"""Which runs of a folder, and in which order: ``outputs model=vae seed=1,2 sort=test.nll``."""

import os
from collections.abc import Callable, Mapping, Sequence
from math import isnan
from pathlib import Path
from time import time
from typing import Any, NamedTuple, final

from elbolab.common.did_you_mean import did_you_mean, last_part, nearest, nearest_keys
from elbolab.runs.gather import Entry, name_entries, natural, read_entries

Value = float | str | None

RUN_KEYS: Mapping[str, Callable[[Entry], Value]] = {
    "name": lambda entry: entry.name,
    "folder": lambda entry: str(entry.folder),
    "state": lambda entry: entry.state.state,
    "epoch": lambda entry: entry.state.epoch,
    "best": lambda entry: entry.state.best,
    "seconds": lambda entry: entry.state.seconds,
    "age": lambda entry: None if entry.when is None else time() - entry.when,
}
"""What every run has, whatever its configuration and its quantities."""


@final
class Arguments(NamedTuple):
    """Folders with runs, the command's own options, and by key the values of which runs must have one."""

    paths: list[Path]
    options: dict[str, str]
    filters: dict[str, list[str]]


def parse_arguments(args: Sequence[str], options: Sequence[str]) -> Arguments:
    """Sorts arguments into paths, options and filters; a path that exists may have ``=`` in its name."""
    paths = [Path(arg) for arg in args if "=" not in arg or Path(arg).exists()]
    pairs = [arg.partition("=")[::2] for arg in args if "=" in arg and not Path(arg).exists()]
    return Arguments(
        paths or [Path(os.environ.get("ELBOLAB_OUT", "outputs"))],
        {key: value for key, value in pairs if key in options},
        {key: value.split(",") for key, value in pairs if key not in options},
    )


def select_entries(arguments: Arguments) -> list[Entry]:
    """The runs that pass all filters, in the order that ``sort`` asks for, named beside each other.

    Raises:
        ValueError: no such folder, a folder without runs, a key that no run has, or filters that no run passes.
    """
    entries, sort = read_entries(arguments.paths), arguments.options.get("sort")
    for key in [*arguments.filters, *([] if sort is None else [sort.removeprefix("-")])]:
        _check_key(key, entries)
    kept = [entry for entry in entries if all(_passes(entry, *pair) for pair in arguments.filters.items())]
    if not kept:
        filters = " ".join(f"{key}={','.join(values)}" for key, values in arguments.filters.items())
        raise ValueError(f"none of {len(entries)} runs has {filters}: leave some of it out")
    return sort_entries(name_entries(kept), sort)


def sort_entries(entries: Sequence[Entry], sort: str | None) -> list[Entry]:
    """Sorted by a key, the best quantity and the least of anything else first; ``-KEY`` turns the order.

    Runs without a value, or with NaN, come last in either order.
    """
    if sort is None:
        return list(entries)
    key = sort.removeprefix("-")
    found = [quantities.get(last_part(key)) for entry in entries for quantities in entry.report.values()]
    higher = any(quantity is not None and quantity["better"] == "higher" for quantity in found)
    higher = higher or (key == "best" and any(entry.leaves.get("mode") == "max" for entry in entries))
    down = sort.startswith("-") != higher
    known, unknown = list[tuple[Any, Entry]](), list[Entry]()
    for entry in entries:
        value = find_value(entry, key)
        if value is None or isinstance(value, float) and isnan(value):
            unknown.append(entry)
        else:
            known.append((natural(value) if isinstance(value, str) else [(0, value, "")], entry))
    known.sort(key=lambda pair: pair[0], reverse=down)
    return [entry for _, entry in known] + unknown


def find_value(entry: Entry, key: str) -> Value:
    """The value of a run under a key: of `RUN_KEYS`, a quantity, an override, or of its configuration; None without.

    A key is ``state``, ``test.nll`` or ``nll``, ``model``, ``model.beta``, or the last part of one key: ``beta``.
    """
    if key in RUN_KEYS:
        return RUN_KEYS[key](entry)
    split, dot, name = key.partition(".")
    quantity = entry.report.get(split if dot else entry.split or "", {}).get(name if dot else key)
    if quantity is not None and not isinstance(quantity["value"], list):
        return quantity["value"]
    value = entry.overrides.get(key, _find_configured(entry, key))
    return None if value is None else _as_number(value)


def _find_configured(entry: Entry, key: str) -> Any:
    """The value at a dotted key, the class of a part, or what the only key with that last part has."""
    if f"{key}._target_" in entry.leaves:
        return last_part(str(entry.leaves[f"{key}._target_"]))
    if key in entry.leaves:
        return entry.leaves[key]
    ends = {str(value) for leaf, value in entry.leaves.items() if last_part(leaf) == key}
    return ends.pop() if len(ends) == 1 else None


def _passes(entry: Entry, key: str, accepted: Sequence[str]) -> bool:
    """Whether a run has one of the values: as an override, as a number, or as a class however it is written."""
    target = entry.leaves.get(f"{key}._target_")
    module = None if target is None else str(target).split(".")[-2:][0]  # vae of elbolab.models.vae.VAE
    values = [find_value(entry, key), _find_configured(entry, key), entry.overrides.get(key), module]
    return not {_normalise(value) for value in values if value is not None}.isdisjoint(map(_normalise, accepted))


def _normalise(value: object) -> Value:
    """4 and ``4.0`` are one value; so are ``beta_vae`` and ``BetaVAE``."""
    number = _as_number(value)
    return number.replace("_", "").lower() if isinstance(number, str) else number


def _as_number(value: Any) -> Value:
    """A number where it is one, else text, truth values as they are typed."""
    if isinstance(value, bool):
        return str(value).lower()
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)


def _check_key(key: str, entries: Sequence[Entry]) -> None:
    if key in RUN_KEYS or any(find_value(entry, key) is not None or key in entry.leaves for entry in entries):
        return
    quantities = dict.fromkeys(
        f"{split}.{name}" for e in entries for split, named in e.report.items() for name in named
    )
    keys = [*RUN_KEYS, *quantities, *dict.fromkeys(leaf for entry in entries for leaf in entry.leaves)]
    near = did_you_mean(nearest_keys(key, keys) or nearest(key, keys))
    choices = f": take one of {', '.join(RUN_KEYS)}, a quantity (test.nll) or a key of the config"
    raise ValueError(f"no run has '{key}'{near or choices}")
