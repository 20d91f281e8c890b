"""What finished runs have reached: their numbers with what is needed to set them beside published ones."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, final

from omegaconf import OmegaConf

from elbolab.common.did_you_mean import last_part
from elbolab.common.dotted import flatten
from elbolab.config.renamed import find_new_words
from elbolab.evaluation.report import Report, read_report
from elbolab.report.settings import read_json
from elbolab.runs.content import content_of
from elbolab.runs.run_dir import RunDir


@final
class Result(NamedTuple):
    """A measured run.

    Attributes:
        seeds: its seed, and that of its labelled subset where there is one.
        seconds: of training, its stages' included.
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


def find_missing(config: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that a configuration does not have at their dotted keys."""
    cfg = OmegaConf.create(config)
    return {key: value for key, value in values.items() if OmegaConf.select(cfg, key) != value}


def list_changes(config: dict[str, Any], own: dict[str, Any]) -> list[str]:
    """``max_epochs=3`` for what a run has other than its experiment; keys that one of them lacks came with time."""
    there, here = flatten(content_of(own)), flatten(content_of(config))
    return [f"{last_part(key)}={here[key]}" for key in here if key in there and here[key] != there[key]]


def read_results(folders: Sequence[Path]) -> list[Result]:
    """Every measured run of an experiment in or below ``folders``, each once.

    Raises:
        ValueError: there is no such folder.
    """
    for folder in folders:
        if not folder.is_dir():
            raise ValueError(f"there is no folder {folder}: name run directories, or folders that hold some")
    results = []
    for path in sorted({path.parent.resolve() for folder in folders for path in folder.rglob("evaluation.json")}):
        run = RunDir(path)
        config: Any = OmegaConf.to_container(OmegaConf.load(run.config)) if run.config.is_file() else {}
        if config.get("experiment") is not None:
            results.append(_read_result(run, _rename_experiment(config)))
    return results


def _rename_experiment(config: dict[str, Any]) -> dict[str, Any]:
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


def _read_result(run: RunDir, config: dict[str, Any]) -> Result:
    timing, environment = read_json(run.timing), read_json(run.environment)
    paths = run.timing, *run.pretrained.rglob("timing.json")
    seconds: list[float] = [read["seconds"] for path in paths if "seconds" in (read := read_json(path))]
    labelled = config["data"].get("num_labelled") is not None
    return Result(
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


def group_repetitions(results: Iterable[Result], content: Callable[[Result], str]) -> list[list[Result]]:
    """Runs of equal content, which differ in seeds alone, together; of runs with the same seeds the newest."""
    groups: dict[str, dict[Any, Result]] = {}
    for result in sorted(results, key=lambda result: result.when):
        groups.setdefault(content(result), {})[result.seeds] = result
    return [sorted(group.values(), key=lambda result: str(result.seeds)) for group in groups.values()]
