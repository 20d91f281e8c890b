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

HIDDEN = tuple(f"{key}." for key in (*SEEDS, *UNHASHED, "callbacks", "monitor", "mode"))
"""Keys of a configuration that say where a run lies and how it is observed, and its seeds."""


@final
class Settings(NamedTuple):
    """Keys that have one value in all runs, and rows of a key and its values, one for each column.

    Without columns the values are counted: ``value (3 runs)``.
    """

    shared: list[tuple[str, str]]
    columns: list[str]
    rows: list[tuple[str, list[str]]]


def configuration(rows: Sequence[Row]) -> Settings:
    """The configurations without seeds and paths, a column for each, or the counts of values where there are many."""
    leaves = {row.name: row.entries[0].leaves for row in rows if row.entries[0].config}
    shown = [{key: value for key, value in own.items() if not f"{key}.".startswith(HIDDEN)} for own in leaves.values()]
    return _settings(shown, "configurations", list(leaves) if len(leaves) <= MOST_COLUMNS else [])


def environments(entries: Sequence[Entry]) -> Settings:
    """Versions, hardware, git revision and command of the runs; values that differ are counted."""
    found = [read_json(entry.folder / "environment.json") for entry in entries]
    return _settings([flatten(environment) for environment in found if environment], "runs", [])


def read_json(path: Path) -> dict[str, Any]:
    """The content of a JSON file; empty where there is none, or none that can be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _settings(leaves: Sequence[Mapping[str, Any]], what: str, columns: list[str]) -> Settings:
    """Args: the values by key of each; what is counted; the names of each where they have columns."""
    texts = [{key: _format(value) for key, value in own.items()} for own in leaves]
    values = {key: [own.get(key) for own in texts] for key in dict.fromkeys(key for own in texts for key in own)}
    shared = [(key, found[0] or "") for key, found in values.items() if len(set(found)) == 1]
    differing = {key: found for key, found in values.items() if len(set(found)) > 1}
    if columns or not leaves:
        return Settings(shared, columns, [(key, [text or "" for text in found]) for key, found in differing.items()])
    rows = []
    for key, found in differing.items():
        counts = Counter("-" if text is None else text for text in found)
        lines = [f"{text} ({num} {what})" if num > 1 else text for text, num in counts.most_common(MOST_VALUES)]
        rest = len(counts) - MOST_VALUES
        rows.append((key, [*lines, *([f"and {rest} more"] if rest > 0 else [])]))
    return Settings(shared, [], rows)


def _format(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return " ".join(value)
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
