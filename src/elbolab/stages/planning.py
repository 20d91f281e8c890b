"""Which stages a run builds on: what `pretrained` names is looked up or composed, and nothing is trained yet."""

import hashlib
import json
import shlex
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from elbolab.batch import Spec
from elbolab.common.did_you_mean import did_you_mean, nearest
from elbolab.config.arguments import find_run
from elbolab.config.build import build_data
from elbolab.config.compose import compose_config, config_folders, drop_hydra, use_choices
from elbolab.config.errors import explain
from elbolab.config.listing import read_choices
from elbolab.config.override import is_within
from elbolab.config.paths import config_dir
from elbolab.config.renamed import find_new_words
from elbolab.config.values import absolute_paths, check_values, resolve
from elbolab.runs.content import UNHASHED, drop_keys
from elbolab.runs.run_dir import RunDir
from elbolab.runs.same_data import check_unchanged
from elbolab.runs.stages import Stage, Stages, check_same_data, load_stage, read_requests

SHARED = tuple(f"trainer.{name}" for name in ("devices", "num_nodes", "strategy", "precision"))
"""What a run and its stages have in common: they are trained by the same processes, in the same numbers."""

INHERITED = (
    *SHARED,
    *(f"trainer.{name}" for name in ("accelerator", "engine", "deterministic")),
    *(f"data.{name}" for name in ("root", "resident", "num_workers")),
    *("seed", "compile", "group", "tags", "paths.output"),
)
"""What a stage takes from the run, unless its own overrides set it."""

INHERITED_CHOICES = ("scale", "logger")
"""Groups whose option it takes."""


def plan_stages(cfg: DictConfig, spec: Spec, above: tuple[str, ...] = ()) -> Stages:
    """The stages of a run, of which some may be yet to be trained.

    Args:
        cfg: the run's resolved configuration.
        spec: what it knows of its data.
        above: what its own key named, where it is a stage itself, and what those above it named.
    """
    stages = {name: _plan_stage(f"pretrained.{name}", value, cfg, above) for name, value in read_requests(cfg).items()}
    check_same_data(stages, cfg, spec)
    for stage in stages.values():
        if stage.run.weights.is_file():
            ways_out = f"Put them back, or name another {stage.key}"
            check_unchanged(stage.run, build_data(stage.cfg), ways_out)
    return stages


def resolve_paths(cfg: DictConfig) -> DictConfig:
    """``cfg`` with the run directories that it names made absolute: they mean the same from any folder."""
    for name, value in read_requests(cfg).items():
        if not _is_experiment(value) and Path(value).is_dir():
            cfg.pretrained[name] = str(Path(value).absolute())
    return cfg


def _plan_stage(key: str, value: str, cfg: DictConfig, above: tuple[str, ...]) -> Stage:
    if value in above:
        raise ValueError(f"{key}={value}: a cycle: {' -> '.join([*above, value])}")
    if _is_experiment(value):
        return _compose_stage(key, value, cfg, above)
    if not value or not Path(value).is_dir():
        name, _, others = value.partition(" ")
        if words := find_new_words("experiment", name):
            words = " ".join(filter(None, (words.removeprefix("experiment="), others)))
            raise ValueError(f"{key}={value}: that is now {key}='{words}'")
        choices = _experiments()
        raise ValueError(
            f"{key}={value}: neither a run directory nor an experiment{did_you_mean(nearest(value, choices))}"
        )
    try:
        run = RunDir(find_run(value))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{key}: {error}") from error
    if not run.weights.is_file():
        raise FileNotFoundError(f"{key}: {value} has no weights yet: finish it with elbolab train resume={value}")
    return load_stage(key, run)


def _is_experiment(value: str) -> bool:
    return value.partition(" ")[0] in _experiments()


def _experiments() -> dict[str, str]:
    return read_choices(config_folders()).get("experiment", {})


def _compose_stage(key: str, value: str, cfg: DictConfig, above: tuple[str, ...]) -> Stage:
    """The stage that an experiment is, with its overrides and what it inherits."""
    try:
        name, *own = shlex.split(value)
    except ValueError as error:
        raise ValueError(f"{key}={value}: {error}") from error
    words = [f"experiment={name}", *own]
    try:
        given = [override.key_or_group for override in OverridesParser.create().parse_overrides(own)]
        words = [words[0], *_inherit_choices(given), *own]
        composed = compose_config("train", words, config_folders())
    except HydraException as error:
        raise ValueError(f"{key}={value}: {explain(error, config_folders(), ['train', *words])}") from error
    if composed.hydra.mode is RunMode.MULTIRUN:
        raise ValueError(f"{key}={value}: that experiment is a sweep; name one of its runs by its directory")
    with use_choices(composed):
        try:
            return _resolve_stage(key, name, _inherit(composed, cfg, given), (*above, value))
        except (ValueError, HydraException, OmegaConfBaseException) as error:
            message = explain(error, config_folders(), ["train", *words])
            raise ValueError(message if key in message else f"{key}={value}: {message}") from error


def _inherit_choices(given: Sequence[str]) -> list[str]:
    """The options of this command that a stage, of those keys, does not choose itself, and what loggers are set to."""
    hydra = HydraConfig.get()
    chosen = {group: hydra.runtime.choices.get(group) for group in INHERITED_CHOICES if group not in given}
    listed = [word for word in hydra.overrides.task if chosen.get(word.partition("=")[0], "") is None]  # logger=[a,b]
    values = [word for word in hydra.overrides.task if word.lstrip("+~").startswith("logger.")]
    options = [f"{group}={option}" for group, option in chosen.items() if option is not None]
    return [*options, *listed, *values]


def _inherit(composed: DictConfig, cfg: DictConfig, given: Sequence[str]) -> DictConfig:
    """The composed configuration, unresolved, with what belongs to the run that asks for it."""
    child = drop_hydra(composed)
    for key in SHARED:
        if is_within(key, given):
            raise ValueError(f"{key} is the run's own, and its stages have the same: leave it out")
    for key in INHERITED:
        if not is_within(key, given):
            OmegaConf.update(child, key, OmegaConf.select(cfg, key))
    return child


def _resolve_stage(key: str, name: str, child: DictConfig, above: tuple[str, ...]) -> Stage:
    """The stage of an unresolved configuration, in the directory that its content names."""
    anywhere = _resolve_in(child, Path("/"))  # its content names its directory, so none is in it yet
    check_values(anywhere, OmegaConf.load(config_dir() / "train.yaml"))  # type: ignore[arg-type]
    spec = build_data(anywhere).spec
    below = plan_stages(anywhere, spec, above)
    folder = (Path(child.paths.output) / "pretrained" / f"{name.replace('/', '_')}-{_hash(anywhere, below)}").absolute()
    return Stage(key, RunDir(folder), _resolve_in(child, folder), spec, below)


def _resolve_in(child: DictConfig, folder: Path) -> DictConfig:
    """The resolved configuration of a run in a directory."""
    cfg = deepcopy(child)
    cfg.paths.run = str(folder)
    resolve_paths(absolute_paths(cfg))
    return resolve(cfg)


def _hash(cfg: DictConfig, below: Stages) -> str:
    """Of what makes the stage what it is: its configuration, and the stages that it builds on."""
    content = drop_keys(OmegaConf.to_container(cfg), UNHASHED)
    content["pretrained"] = {name: stage.run.path.name for name, stage in below.items()}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def experiment_config(words: str) -> dict[str, Any]:
    """What an experiment, its name with overrides, is: resolved, in plain Python; no command of Hydra's need run."""
    composed = compose_config("train", f"experiment={words}".split(), [config_dir()])
    with use_choices(composed):
        return OmegaConf.to_container(_resolve_in(drop_hydra(composed), Path("/")))  # type: ignore[return-value]
