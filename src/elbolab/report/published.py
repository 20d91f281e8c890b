"""`elbolab published`: published numbers, and what runs have reached of them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from hydra.errors import HydraException

from elbolab.common.files import write_atomically, write_json
from elbolab.common.text import format_duration, text_table
from elbolab.evaluation.report import format_value
from elbolab.report.published_rows import Row, markdown_table, published_number, read_rows, type_command, write_page
from elbolab.report.results import Result, find_missing, group_repetitions, list_changes, read_results
from elbolab.runs.labels import MOST_DIFFERENCES, label_runs
from elbolab.stages.planning import experiment_config

COLUMNS = ("what", "experiment", "quantity", "published", "reached", "runs", "epochs", "time", "gate")
MORE = ("hardware", "commit")
"""Columns of the file alone, as ``differs`` is; the terminal names them below the table."""

Entry = dict[str, Any]
"""A row of ``published.json``."""


def print_published(args: Sequence[str]) -> None:
    """`elbolab published [DIR ...]`: the table of runs in or below the folders, ``outputs`` where none is named.

    With ``--markdown`` it writes conf/experiment/README.md instead, the page of all rows with what was measured here.

    Raises:
        ValueError: there is no such folder.
    """
    if "--markdown" in args:
        print(write_page())
        return
    folders = [Path(arg) for arg in args] or [Path("outputs")]
    results = read_results(folders)
    entries = [entry for row in read_rows() for entry in entries_of(row, results)]
    files = folders[0] / "published.md", folders[0] / "published.json"
    write_atomically(files[0], markdown(entries))
    write_json(files[1], {"rows": entries})
    print(table(entries), "", *(f"  {path}" for path in files), sep="\n")


def entries_of(row: Row, results: Sequence[Result]) -> list[Entry]:
    """What was reached of one row: an entry for every configuration that was run, or one that says that none was."""
    base = _base_values(row, results)
    groups = _group(row.experiment, _select(results, row.experiment, row.where, row.unless))
    reached = [_reached_entry(row, group, label, base) for label, group in groups]
    head: Entry = {"what": row.what, "quantity": row.quantity, "gate": row.gate, "differs": row.differs}
    head |= {"published": row.published, "published_spread": row.spread, "tag": row.tag}
    head |= {"published_number": published_number(row)}
    found = [head | entry for entry in reached if entry["reached"] is not None]
    if found:
        return found
    try:  # the values that the experiment does not have by itself
        values = find_missing(_own_config(row.experiment), row.where) if row.where else {}
    except HydraException:
        values = row.where
    return [head | {"experiment": type_command(row.experiment, values), "reached": None}]


def _group(experiment: str, results: Sequence[Result]) -> list[tuple[str, list[Result]]]:
    """Repetitions, and what they have other than their experiment; than each other, of one that is not to be found.

    What has the fewest changes comes first.
    """
    try:
        own = _own_config(experiment) if results else {}
    except HydraException:
        groups = group_repetitions(results, lambda result: result.content)
        labels = label_runs([group[0].config for group in groups]) if len(groups) > 1 else [""] * len(groups)
        return list(zip(labels, groups, strict=True))
    groups = group_repetitions(results, lambda result: str(list_changes(result.config, own)))
    found = [(list_changes(group[0].config, own), group) for group in groups]
    found.sort(key=lambda pair: len(pair[0]))
    more = ["..."]
    return [
        (", ".join(changes[:MOST_DIFFERENCES] + more * (len(changes) > MOST_DIFFERENCES)), group)
        for changes, group in found
    ]


@cache
def _own_config(experiment: str) -> dict[str, Any]:
    return experiment_config(experiment)


def _base_values(row: Row, results: Sequence[Result]) -> dict[Any, float | None]:
    """By seeds, what that which a row is measured against has reached; empty where it is measured against nothing."""
    if row.versus is None:
        return {}
    experiment, quantity = row.versus["experiment"], row.versus.get("quantity", row.quantity)
    groups = _group(experiment, _select(results, experiment, row.versus.get("where", {}), {}))
    return {result.seeds: result.value(quantity) for result in groups[0][1]} if groups else {}


def _select(
    results: Sequence[Result], experiment: str, where: Mapping[str, Any], unless: Mapping[str, Any]
) -> list[Result]:
    """The runs of an experiment that have the values ``where``, and not all of ``unless``."""
    own = [result for result in results if _belongs(result, experiment) and not find_missing(result.config, where)]
    return [result for result in own if not unless or find_missing(result.config, unless)]


def _belongs(result: Result, experiment: str) -> bool:
    """Whether a run is of these words: of all with its experiment's name the shortest that it differs least from."""
    name = experiment.split()[0]
    if result.experiment != name:
        return False
    rows = read_rows()
    known = {row.experiment for row in rows} | {row.versus["experiment"] for row in rows if row.versus}
    rivals = [words for words in known if words.split()[0] == name and words != experiment]
    return not rivals or _distance(result, experiment) <= min(_distance(result, words) for words in rivals)


def _distance(result: Result, words: str) -> tuple[int, int]:
    return len(list_changes(result.config, _own_config(words))), len(words.split())


def _reached_entry(row: Row, results: Sequence[Result], label: str, base: Mapping[Any, float | None]) -> Entry:
    """What repetitions of one configuration have reached together."""
    values = {result.seeds: value for result in results if (value := _value(row, result, base)) is not None}
    used = [result for result in results if result.seeds in values]
    average = mean(values.values()) if values else None
    stderr = stdev(values.values()) / len(values) ** 0.5 if len(values) > 1 else None
    splits = len({split for _, split in values if split is not None})
    seconds = [result.seconds for result in used if result.seconds is not None]
    return {
        "experiment": f"{row.experiment} ({label})" if label else row.experiment,
        "reached": average,
        "stderr": stderr,
        "verdict": _verdict(row, average, stderr, splits or len(values)),
        "runs": len(values),
        "splits": splits,
        "epochs": _distinct(result.epochs for result in used),
        "seconds": mean(seconds) if seconds else None,
        "hardware": _distinct(result.hardware for result in used),
        "commit": _distinct(result.commit or "unknown" for result in used),
    }


def _value(row: Row, result: Result, base: Mapping[Any, float | None]) -> float | None:
    """A run's own value, or what the row makes of it; None where a part is missing."""
    value = result.value(row.quantity)
    if row.per is not None:
        per = result.value(row.per)
        value = value / per if value is not None and per else None
    if row.versus is not None:
        less = base.get(result.seeds)
        value = value - less if value is not None and less is not None else None
    return value


def _verdict(row: Row, value: float | None, stderr: float | None, count: int) -> str:
    """Whether ``count`` splits or seeds meet the gate, so far if it asks for more; empty where it is no number."""
    if value is None or (row.at_most is row.at_least is row.below is None):
        return ""
    counted = f"({count} of {row.runs})"
    if row.below is not None and stderr is None:
        return f"cannot be told {counted}"
    meets = row.below is None or value + 2 * (stderr or 0.0) < row.below
    meets = meets and (row.at_most is None or value <= row.at_most) and (row.at_least is None or value >= row.at_least)
    verdict = "met" if meets else "missed"
    return verdict if count >= row.runs else f"{verdict} so far {counted}"


def _distinct(values: Iterable[Any]) -> list[Any]:
    return sorted(set(values), key=str)


def table(entries: Sequence[Entry]) -> str:
    """For the terminal: a line a row, then where experiments leave what was published, then hardware and commits."""
    rows = [COLUMNS, *([words(entry)[column] for column in COLUMNS] for entry in entries)]
    lines = list(dict.fromkeys(f"{e['experiment']} differs: {e['differs']}" for e in entries if e["differs"]))
    for name in MORE:
        found = _distinct(value for entry in entries for value in entry.get(name, []))
        lines.append(f"{name}: {_join(found) or 'none, nothing was run'}")
    return "\n".join([text_table(rows, left=range(len(COLUMNS))), "", *lines])


def markdown(entries: Sequence[Entry]) -> str:
    """The same as a table in Markdown, with everything."""
    columns = (*COLUMNS, "differs", *MORE)
    return markdown_table(columns, [[words(entry)[column] for column in columns] for entry in entries])


def words(entry: Entry) -> dict[str, str]:
    """The cells of an entry; of a row that was not run, what was published alone."""
    cells = {name: str(entry[name]) for name in ("what", "experiment", "quantity", "gate", "differs")}
    cells["published"] = entry["published_number"]
    if entry["reached"] is None:
        return cells | {"reached": "not run"} | dict.fromkeys(("runs", "epochs", "time", *MORE), "")
    value, stderr = entry["reached"], entry["stderr"]
    count, kind = (entry["splits"], "split") if entry["splits"] else (entry["runs"], "seed")
    mixed = "mixed: " if len(entry["commit"]) > 1 else ""
    return cells | {
        "gate": ": ".join(part for part in (entry["gate"], entry["verdict"]) if part),
        "reached": format_value(value, stderr) if stderr else f"{value:.4g}",
        "runs": f"{count} {kind}{'' if count == 1 else 's'}",
        "epochs": _join(entry["epochs"]),
        "time": "unknown" if entry["seconds"] is None else format_duration(entry["seconds"]),
        "hardware": _join(entry["hardware"]),
        "commit": mixed + _join(entry["commit"]),
    }


def _join(values: Iterable[Any]) -> str:
    """Revisions by their first digits."""
    return ", ".join(re.sub(r"^([0-9a-f]{10})[0-9a-f]{30}(-dirty)?$", r"\1\2", str(value)) for value in values)
