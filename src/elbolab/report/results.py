"""What finished runs have reached: their numbers with what is needed to set them beside published ones."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, final

from omegaconf import OmegaConf

from elbolab.common.did_you_mean import last_part
from elbolab.common.dotted import flatten
from elbolab.config.renamed import find_new_words
from elbolab.evaluation.report import Report, read_report
from elbolab.runs.content import content_of
from elbolab.runs.run_dir import RunDir


@final
class Reached(NamedTuple):
    """A measured run.

    Attributes:
        experiment: the name of its experiment.
        config: its configuration, in plain Python.
        seeds: its seed, and that of its labelled subset where there is one.
        report: what was measured.
        epochs: epochs trained.
        seconds: of training, its stages' included.
        hardware: what it was trained on.
        commit: the revision it was trained at; None outside a repository.
        when: when it was measured, seconds since the epoch.
    """

    experiment: str
    config: dict[str, Any]
    seeds: tuple[int, int | None]
    report: Report
    epochs: int | None
    seconds: float | None
    hardware: str
    commit: str | None
    when: float

    @property
    def content(self) -> str:
        """The configuration as text, the same for repetitions."""
        return json.dumps(content_of(self.config), sort_keys=True)

    def value(self, quantity: str) -> float | None:
        """``test.error``; the largest of a quantity that has several values, None where it was not measured."""
        split, _, name = quantity.partition(".")
        value = self.report.get(split, {}).get(name, {}).get("value")
        return max(value) if isinstance(value, list) else value

    def has(self, values: Mapping[str, Any]) -> bool:
        """Whether its configuration has these values at these dotted keys."""
        return not lacking(self.config, values)


def lacking(config: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that a configuration does not have at their dotted keys."""
    cfg = OmegaConf.create(config)
    return {key: value for key, value in values.items() if OmegaConf.select(cfg, key) != value}


def changes(config: dict[str, Any], own: dict[str, Any]) -> list[str]:
    """``max_epochs=3`` for what a run has other than its experiment; keys that one of them lacks came with time."""
    there, here = flatten(content_of(own)), flatten(content_of(config))
    return [f"{last_part(key)}={here[key]}" for key in here if key in there and here[key] != there[key]]


def measured(folders: Sequence[Path]) -> list[Reached]:
    """Every measured run of an experiment in or below ``folders``, each once.

    Raises:
        ValueError: there is no such folder.
    """
    for folder in folders:
        if not folder.is_dir():
            raise ValueError(f"there is no folder {folder}: name run directories, or folders that hold some")
    paths = {path.parent.resolve() for folder in folders for path in folder.rglob("evaluation.json")}
    return list(_of_experiments(sorted(paths)))


def _of_experiments(paths: Iterable[Path]) -> Iterator[Reached]:
    for path in paths:
        run = RunDir(path)
        if run.config.is_file():
            config: Any = OmegaConf.to_container(OmegaConf.load(run.config))
            if config.get("experiment") is not None:
                yield _read(run, _with_new_name(config))


def _with_new_name(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a run whose experiment has another name now, under that.

    What else the new words say is in the configuration, but for what they say of stages, which is left out.
    """
    words = find_new_words("experiment", config["experiment"])
    if words is None:
        return config
    name = next(word for word in words.split() if word.startswith("experiment=")).removeprefix("experiment=")
    stages = {
        key: stage
        for key, stage in config.get("pretrained", {}).items()
        if find_new_words("experiment", str(stage).partition(" ")[0]) is None
    }
    return config | {"experiment": name, "pretrained": stages}


def _read(run: RunDir, config: dict[str, Any]) -> Reached:
    timing, environment = _json(run.timing), _json(run.environment)
    paths = run.timing, *run.pretrained.rglob("timing.json")
    seconds: list[float] = [read["seconds"] for path in paths if "seconds" in (read := _json(path))]
    labelled = config["data"].get("num_labelled") is not None
    return Reached(
        experiment=config["experiment"],
        config=config,
        seeds=(config["seed"], config["data"].get("label_seed") if labelled else None),
        report=read_report(run.evaluation),
        epochs=timing.get("epochs"),
        seconds=sum(seconds) if len(seconds) == len(paths) else None,
        hardware=f"{environment.get('device', 'unknown')}, {environment.get('threads', '?')} thread(s)",
        commit=environment.get("git"),
        when=run.evaluation.stat().st_mtime,
    )


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def repetitions(runs: Iterable[Reached], content: Callable[[Reached], str]) -> list[list[Reached]]:
    """Runs that differ in seeds alone, together; of runs with the same seeds the newest.

    Args:
        runs: the runs.
        content: what tells a run from those that it is no repetition of.
    """
    groups: dict[str, dict[Any, Reached]] = {}
    for run in sorted(runs, key=lambda run: run.when):
        groups.setdefault(content(run), {})[run.seeds] = run
    return [sorted(group.values(), key=lambda run: str(run.seeds)) for group in groups.values()]
