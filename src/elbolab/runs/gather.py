"""Runs in folders, finished or not, as a list; read without importing torch, so that a listing answers at once."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, final

import yaml

from elbolab.common.did_you_mean import last_part, last_parts
from elbolab.common.dotted import flatten
from elbolab.evaluation.report import SPLITS, Report, read_report
from elbolab.runs.content import content_of
from elbolab.runs.labels import MOST_DIFFERENCES, label_runs, shorten
from elbolab.runs.status import State, state_of
from elbolab.runs.sweep_dir import read_sweep

MARKS = ("config.yaml", "status.json", "evaluation.json")
"""A directory that contains one of these files is a run directory."""

STORES = ("mlflow-artifacts", "mlruns")
"""Folders of MLflow, which contain copies of the files of runs and are not searched for further runs."""


@final
@dataclass(frozen=True)
class Entry:
    """A run, as read from its directory.

    Attributes:
        folder: the directory; of a job that waits, the one it will have.
        name: what sets it apart from the other runs of the list.
        state: how far it is.
        config: its configuration in plain Python, empty where it never began.
        report: what was measured, empty where nothing was.
        fault: why what was measured cannot be read, None where it can.
        when: when it was last written to, seconds since the epoch; None before it began.
    """

    folder: Path
    name: str
    state: State
    config: dict[str, Any]
    report: Report
    fault: str | None
    when: float | None

    @cached_property
    def leaves(self) -> dict[str, Any]:
        """The values of its configuration by their dotted keys."""
        return flatten(self.config)

    @cached_property
    def content(self) -> str:
        """Text that is equal for repetitions under other seeds; a run that never began equals no other run."""
        return json.dumps(content_of(self.config), sort_keys=True) if self.config else str(self.folder)

    @property
    def variant(self) -> str:
        """The class of the model, empty if it is not known."""
        return last_part(str(self.leaves.get("model._target_", "")))

    @property
    def data(self) -> str:
        """The class of the data, and the file if the user gave one; empty if neither is known."""
        path = self.leaves.get("data.path")
        return " ".join([last_part(str(self.leaves.get("data._target_", ""))), *([str(path)] if path else [])])

    @property
    def split(self) -> str | None:
        """The split whose results are shown: test, else validation, else training; None before the run is measured."""
        return next((split for split in reversed(SPLITS) if split in self.report), None)

    @property
    def overrides(self) -> dict[str, str]:
        """The values of the job's command-line overrides, by key."""
        pairs = (text.lstrip("+").partition("=") for text in self.state.overrides)
        return {key: value for key, _, value in pairs}


def read_entries(paths: Sequence[Path]) -> list[Entry]:
    """The runs in or below the folders, each once, in their folders' order, named beside each other."""
    return name_entries([_read(folder) for folder in run_folders(paths)])


def run_folders(paths: Sequence[Path]) -> list[Path]:
    """The run directories in or below the folders, and those that jobs of a sweep which wait will have."""
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            what = "is a file" if path.exists() else "does not exist"
            raise ValueError(f"{path} {what}: name run directories, or folders that hold some")
        below = sorted(_find_runs(path.absolute()), key=natural)
        if not below:
            raise ValueError(f"{path} holds no run: name a directory that elbolab train has left, or one above it")
        found += below
    return list(dict.fromkeys(found))


def natural(value: object) -> list[tuple[int, float, str]]:
    """Sort key for natural order: ``beta=4`` before ``beta=16``, job 2 before job 10."""
    parts = re.split(r"(\d+(?:\.\d+)?(?:e[-+]?\d+)?)", str(value))
    return [(0, float(part), "") if i % 2 else (1, 0.0, part) for i, part in enumerate(parts)]


def _find_runs(folder: Path) -> Iterator[Path]:
    """Run directories in ``folder``, and those of waiting jobs, without the stages inside a run directory."""
    for here, folders, files in os.walk(folder):
        is_run = not set(MARKS).isdisjoint(files)
        if is_run:
            yield Path(here)
        if is_run or Path(here).name in STORES:
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (job for job in _read_jobs(Path(here)) if not any((job / mark).is_file() for mark in MARKS))


def _read_jobs(sweep: Path) -> dict[Path, list[str]]:
    """The directories of a sweep's jobs and the overrides of each; empty if the folder is not that of a sweep."""
    found = read_sweep(sweep)
    return {} if found is None else {sweep / str(job.num): job.overrides for job in found.jobs()}


def _read(folder: Path) -> Entry:
    files = [folder / name for name in (*MARKS, "metrics.csv")]
    written = [file.stat().st_mtime for file in files if file.is_file()]
    path, report, fault = folder / "evaluation.json", {}, None
    try:
        report = read_report(path) if path.is_file() else {}
    except ValueError as error:
        fault = str(error)
    return Entry(folder, "", _read_state(folder), _read_config(folder), report, fault, max(written, default=None))


def _read_state(folder: Path) -> State:
    """The state of a run; a job that has recorded no overrides gets those that its sweep recorded."""
    try:
        state = state_of(folder)
    except ValueError as error:
        return State("unreadable", error=str(error))
    return state if state.overrides else state._replace(overrides=tuple(_read_jobs(folder.parent).get(folder, ())))


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.yaml"
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader) or {} if path.is_file() else {}
    except yaml.YAMLError:
        return {}


def name_entries(entries: Sequence[Entry]) -> list[Entry]:
    """Names the entries by their differences.

    Jobs of one sweep are named by their overrides, in the user's words; other runs by their configurations.
    """
    words = _name_by_overrides(entries) if len({entry.folder.parent for entry in entries}) == 1 else None
    names = words or _name_by_configuration(entries)
    return [replace(entry, name=name) for entry, name in zip(entries, names, strict=True)]


def _name_by_overrides(entries: Sequence[Entry]) -> list[str] | None:
    """``model=vae, seed=1``; None where that does not set them apart, or not in a few words."""
    keys = find_swept_keys(entries)
    words = dict(zip(keys, last_parts(keys), strict=True))
    for write in (shorten, str):
        pairs = [{words[key]: entry.overrides[key] for key in keys if key in entry.overrides} for entry in entries]
        names = [", ".join(f"{word}={write(value)}" for word, value in own.items()) for own in pairs]
        if all(names) and len(set(names)) == len(names) and len(keys) <= MOST_DIFFERENCES:
            return names
    return None


def find_swept_keys(entries: Sequence[Entry]) -> list[str]:
    """The keys whose values differ among the overrides of the jobs."""
    keys = dict.fromkeys(key for entry in entries for key in entry.overrides)
    return [key for key in keys if len({entry.overrides.get(key) for entry in entries}) > 1]


def _name_by_configuration(entries: Sequence[Entry]) -> list[str]:
    begun = [entry for entry in entries if entry.config]
    apart = ("data",) if len({entry.data for entry in begun}) > 1 else ()
    labels = label_runs([entry.config for entry in begun], apart) if len(begun) > 1 else list(map(own_name, begun))
    names = iter(labels)
    return [next(names) if entry.config else entry.folder.name for entry in entries]


def own_name(entry: Entry) -> str:
    """The name of a run that is shown alone."""
    return str(entry.config.get("name") or entry.folder.name)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads what OmegaConf wrote, ten times as fast; a text like a date stays one, as OmegaConf has it."""

    yaml_implicit_resolvers = {
        first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
