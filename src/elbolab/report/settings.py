"""What runs have in common, and what sets them apart: configurations, environments."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, final

from elbolab.common.dotted import flatten
from elbolab.report.rows import Row
from elbolab.runs.content import SEEDS, UNHASHED
from elbolab.runs.gather import Entry

MOST_COLUMNS = 12
"""Configurations that have a column each; of more, the values are counted."""

MOST_VALUES = 6
"""Values of a key that are counted by name."""

UNSAID = (*UNHASHED, "callbacks", "monitor", "mode")
"""Parts that say where a run lies and how it is watched."""


@final
class Settings(NamedTuple):
    """Keys with their values.

    Attributes:
        shared: key and value, of keys that have one value in all runs.
        columns: names of what differs, empty where values are counted instead.
        rows: key and values, one for each column; or key and ``value (3 runs)`` texts.
    """

    shared: list[tuple[str, str]]
    columns: list[str]
    rows: list[tuple[str, list[str]]]


def configuration(rows: Sequence[Row]) -> Settings:
    """The configurations without seeds and paths, a column for each."""
    begun = [row for row in rows if row.entries[0].config]
    unsaid = {*SEEDS, *UNSAID}
    texts = [
        {
            key: _text(value)
            for key, value in row.entries[0].leaves.items()
            if key not in unsaid and not key.startswith(tuple(f"{part}." for part in UNSAID))
        }
        for row in begun
    ]
    return settings([row.name for row in begun], texts, "configurations")


def environments(entries: Sequence[Entry]) -> Settings:
    """Versions, hardware, git revision and command, of each run."""
    read = [(entry.name, flatten(environment)) for entry in entries if (environment := _environment(entry.folder))]
    texts = [{key: _text(value) for key, value in leaves.items()} for _, leaves in read]
    return settings([name for name, _ in read], texts, "runs", columns=False)


def _environment(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def settings(names: Sequence[str], each: Sequence[Mapping[str, str]], what: str, columns: bool = True) -> Settings:
    """Values that all have, and those that differ.

    Args:
        names: what the values are of.
        each: the values by key.
        what: what is counted where there are too many for a column each.
        columns: whether to give a column to each, where there are few.
    """
    keys = dict.fromkeys(key for values in each for key in values)
    differ = [key for key in keys if len({values.get(key) for values in each}) > 1]
    shared = [(key, each[0][key]) for key in keys if key not in differ]
    if columns and len(names) <= MOST_COLUMNS:
        return Settings(shared, list(names), [(key, [values.get(key, "") for values in each]) for key in differ])
    return Settings(shared, [], [(key, _counted([values.get(key, "-") for values in each], what)) for key in differ])


def _counted(values: Sequence[str], what: str) -> list[str]:
    counts = Counter(values)
    told = [f"{value} ({num} {what})" if num > 1 else value for value, num in counts.most_common(MOST_VALUES)]
    return [*told, f"and {len(counts) - MOST_VALUES} more"] if len(counts) > MOST_VALUES else told


def _text(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return " ".join(value)
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
