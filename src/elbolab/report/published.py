"""`elbolab published`: published numbers, and what runs have reached of them."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from math import floor, log10
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from hydra.errors import HydraException

from elbolab.common.files import write_atomically, write_json
from elbolab.common.text import format_duration, text_table
from elbolab.report.published_rows import Row, published_number, read_rows, write_page
from elbolab.report.results import Reached, changes, lacking, measured, repetitions
from elbolab.runs.labels import MOST_DIFFERENCES, label_runs
from elbolab.stages.planning import experiment_config

NOT_RUN = "not run"


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
    runs = measured(folders)
    entries = [entry for row in read_rows() for entry in entries_of(row, runs)]
    files = folders[0] / "published.md", folders[0] / "published.json"
    write_atomically(files[0], markdown(entries))
    write_json(files[1], {"rows": entries})
    print(table(entries), "", *(f"  {path}" for path in files), sep="\n")


def entries_of(row: Row, runs: Sequence[Reached]) -> list[dict[str, Any]]:
    """What was reached of one row: an entry for every configuration that was run, or one that says that none was."""
    base = _base(row, runs)
    groups = _groups(row.experiment, _of(runs, row.experiment, row.where, row.unless))
    reached = [_entry(row, group, name, base) for name, group in groups]
    found = [_told(row) | entry for entry in reached if entry["reached"] is not None]
    return found or [_told(row) | {"experiment": _asked(row), "reached": None}]


def _asked(row: Row) -> str:
    """The experiment, and the values that it does not have by itself."""
    try:
        values = lacking(_own(row.experiment), row.where) if row.where else {}
    except HydraException:
        values = row.where
    return " ".join([row.experiment, *(f"{key}={value}" for key, value in values.items())])


def _groups(experiment: str, runs: Sequence[Reached]) -> list[tuple[str, list[Reached]]]:
    """Repetitions, and what they have other than their experiment; than each other, of one that is not to be found.

    What has the fewest changes comes first.
    """
    try:
        own = _own(experiment) if runs else {}
    except HydraException:
        groups = repetitions(runs, lambda run: run.content)
        names = label_runs([group[0].config for group in groups]) if len(groups) > 1 else [""] * len(groups)
        return list(zip(names, groups, strict=True))
    groups = repetitions(runs, lambda run: str(changes(run.config, own)))
    groups.sort(key=lambda group: len(changes(group[0].config, own)))
    return [(_listed(changes(group[0].config, own)), group) for group in groups]


def _listed(differences: Sequence[str]) -> str:
    told = differences[:MOST_DIFFERENCES]
    return ", ".join([*told, "..."] if len(told) < len(differences) else told)


@cache
def _own(experiment: str) -> dict[str, Any]:
    return experiment_config(experiment)


def _base(row: Row, runs: Sequence[Reached]) -> dict[Any, float | None]:
    """By seeds, what that which a row is measured against has reached; empty where it is measured against nothing."""
    if row.versus is None:
        return {}
    experiment, quantity = row.versus["experiment"], row.versus.get("quantity", row.quantity)
    groups = _groups(experiment, _of(runs, experiment, row.versus.get("where", {})))
    return {run.seeds: run.value(quantity) for run in groups[0][1]} if groups else {}


def _of(
    runs: Sequence[Reached], experiment: str, where: dict[str, Any], unless: dict[str, Any] | None = None
) -> list[Reached]:
    chosen = [run for run in runs if _is_of(run, experiment) and run.has(where)]
    return [run for run in chosen if not unless or not run.has(unless)]


def _is_of(run: Reached, experiment: str) -> bool:
    """Whether a run is of these words: of all with its experiment's name the shortest that it differs least from."""
    name = experiment.split()[0]
    if run.experiment != name:
        return False
    rivals = [words for words in _all_words() if words.split()[0] == name and words != experiment]
    return not rivals or _distance(run, experiment) <= min(_distance(run, words) for words in rivals)


def _distance(run: Reached, words: str) -> tuple[int, int]:
    return len(changes(run.config, _own(words))), len(words.split())


@cache
def _all_words() -> list[str]:
    rows = read_rows()
    return sorted({row.experiment for row in rows} | {row.versus["experiment"] for row in rows if row.versus})


def _told(row: Row) -> dict[str, Any]:
    """The row's own part of an entry."""
    told = {"what": row.what, "quantity": row.quantity, "gate": row.gate, "differs": row.differs}
    numbers = {"published": row.published, "published_spread": row.spread, "tag": row.tag}
    return told | numbers | {"published_number": published_number(row)}


def _entry(row: Row, runs: Sequence[Reached], label: str, base: dict[Any, float | None]) -> dict[str, Any]:
    """What repetitions of one configuration have reached together."""
    values = {run.seeds: value for run in runs if (value := _value(row, run, base)) is not None}
    used = [run for run in runs if run.seeds in values]
    average = mean(values.values()) if values else None
    stderr = stdev(values.values()) / len(values) ** 0.5 if len(values) > 1 else None
    splits = len({split for _, split in values if split is not None})
    return {
        "experiment": f"{row.experiment} ({label})" if label else row.experiment,
        "reached": average,
        "stderr": stderr,
        "verdict": _verdict(row, average, stderr, splits or len(values)),
        "runs": len(values),
        "splits": splits,
        "epochs": _distinct(run.epochs for run in used),
        "seconds": _average(run.seconds for run in used),
        "hardware": _distinct(run.hardware for run in used),
        "commit": _distinct(run.commit or "unknown" for run in used),
    }


def _value(row: Row, run: Reached, base: dict[Any, float | None]) -> float | None:
    """A run's own value, or what the row makes of it; None where a part is missing."""
    value = run.value(row.quantity)
    if row.per is not None:
        per = run.value(row.per)
        value = value / per if value is not None and per else None
    if row.versus is not None:
        less = base.get(run.seeds)
        value = value - less if value is not None and less is not None else None
    return value


def _verdict(row: Row, value: float | None, stderr: float | None, count: int) -> str:
    """Whether ``count`` splits or seeds meet the gate, so far if it asks for more; empty where it is no number."""
    if value is None or (row.at_most is row.at_least is row.below is None):
        return ""
    told = f"({count} of {row.runs})"
    if row.below is not None and stderr is None:
        return f"cannot be told {told}"
    verdict = "met" if _meets(row, value, stderr or 0.0) else "missed"
    return verdict if count >= row.runs else f"{verdict} so far {told}"


def _meets(row: Row, value: float, stderr: float) -> bool:
    surely = row.below is None or value + 2 * stderr < row.below
    return surely and (row.at_most is None or value <= row.at_most) and (row.at_least is None or value >= row.at_least)


def _distinct(values: Iterable[Any]) -> list[Any]:
    return sorted(dict.fromkeys(values), key=str)


def _average(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known else None


# -- words ------------------------------------------------------------------------------------------------------------

COLUMNS = ("what", "experiment", "quantity", "published", "reached", "runs", "epochs", "time", "gate")
MORE = ("hardware", "commit")
"""Columns of the file alone, as ``differs`` is; the terminal names them below the table."""


def table(entries: Sequence[dict[str, Any]]) -> str:
    """For the terminal: a line a row, then where experiments leave what was published, then hardware and commits."""
    rows = [COLUMNS, *([words(entry)[column] for column in COLUMNS] for entry in entries)]
    drawn = text_table(rows, left=range(len(COLUMNS)))
    differences = dict.fromkeys(f"{e['experiment']} differs: {e['differs']}" for e in entries if e["differs"])
    return "\n".join([drawn, "", *differences, *(f"{name}: {_all(entries, name)}" for name in MORE)])


def _all(entries: Sequence[dict[str, Any]], name: str) -> str:
    found = _distinct(value for entry in entries for value in entry.get(name, []))
    return ", ".join(map(_short, found)) if found else "none, nothing was run"


def markdown(entries: Sequence[dict[str, Any]]) -> str:
    """The same as a table in Markdown, with everything."""
    columns = [*COLUMNS, "differs", *MORE]
    rows = [columns, ["---"] * len(columns), *([words(entry)[column] for column in columns] for entry in entries)]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |\n" for row in rows)


def words(entry: dict[str, Any]) -> dict[str, str]:
    """The cells of an entry; of a row that was not run, what was published alone."""
    told = {name: str(entry[name]) for name in ("what", "experiment", "quantity", "gate", "differs")}
    told["published"] = entry["published_number"]
    if entry["reached"] is None:
        return told | {"reached": NOT_RUN} | dict.fromkeys(("runs", "epochs", "time", *MORE), "")
    told["gate"] = ": ".join(part for part in (told["gate"], entry["verdict"]) if part)
    lists = {name: ", ".join(map(_short, entry[name])) for name in ("epochs", *MORE)}
    if len(entry["commit"]) > 1:
        lists["commit"] = f"mixed: {lists['commit']}"
    time = "unknown" if entry["seconds"] is None else format_duration(entry["seconds"])
    return told | lists | {"reached": _reached(entry), "runs": _runs(entry), "time": time}


def _reached(entry: dict[str, Any]) -> str:
    """The mean, and its standard error to two digits."""
    if not entry["stderr"]:
        return f"{entry['reached']:.4g}"
    decimals = max(0, 1 - floor(log10(entry["stderr"])))
    return f"{entry['reached']:.{decimals}f} ± {entry['stderr']:.{decimals}f}"


def _runs(entry: dict[str, Any]) -> str:
    """``3 seeds``, or ``5 splits`` of labelled data."""
    count, kind = (entry["splits"], "split") if entry["splits"] else (entry["runs"], "seed")
    return f"{count} {kind}{'' if count == 1 else 's'}"


def _short(value: Any) -> str:
    """Revisions by their first digits."""
    found = re.fullmatch(r"([0-9a-f]{10})[0-9a-f]{30}(-dirty)?", str(value))
    return f"{found[1]}{found[2] or ''}" if found else str(value)
