"""Stages: models that were trained before, and that another model takes up, frozen.

``pretrained: {m1: kingma2014/m1}`` names them. `planning` reads that, `pretraining` trains what is not there yet.
"""

from typing import Any, NamedTuple, final

import torch
from omegaconf import DictConfig, OmegaConf

from elbolab.batch import Spec, name_by_number
from elbolab.common.did_you_mean import last_part
from elbolab.common.files import write_atomically, write_json
from elbolab.common.refusal import Refusal
from elbolab.common.rng import isolated_rng
from elbolab.config.arguments import find_run
from elbolab.config.build import build_densities
from elbolab.config.errors import sentence_of
from elbolab.config.values import resolve
from elbolab.densities.base import Densities
from elbolab.runs.run_dir import RunDir, read_config, read_spec


@final
class Stage(NamedTuple):
    """A run that another one builds on.

    Attributes:
        key: the key that names it, ``pretrained.m1``.
        run: its directory, which is yet to come where it is yet to be trained.
        cfg: its resolved configuration.
        spec: what it knows of its data.
        below: the stages that it builds on itself, by name.
    """

    key: str
    run: RunDir
    cfg: DictConfig
    spec: Spec
    below: "Stages"

    def build(self) -> Densities:
        """Its frozen densities, with weights that are yet to be loaded; an error of theirs names the stage."""
        try:
            return build_densities(self.cfg, self.spec, **build_stages(self.below)).freeze()
        except ValueError as error:
            message = sentence_of(error) if isinstance(error, Refusal) else str(error)
            raise ValueError(message if self.key in message else f"{self.key}: {message}") from error


Stages = dict[str, Stage]
"""By the names that the densities' recipe has for them."""


def build_stages(stages: Stages) -> dict[str, Densities]:
    """The densities of all stages without their weights; the random state is left as it was."""
    with isolated_rng(torch.device("cpu")):
        return {name: stage.build() for name, stage in stages.items()}


def load_stages(run: RunDir, cfg: DictConfig) -> Stages:
    """The stages of a run that has begun, as its own directory keeps them."""
    names = read_requests(cfg)
    return {name: load_stage(f"pretrained.{name}", RunDir(find_run(run.pretrained / name))) for name in names}


def load_stage(key: str, run: RunDir) -> Stage:
    """The stage that a run directory is."""
    cfg = read_config(run)
    return Stage(key, run, cfg, read_spec(run), load_stages(run, cfg))


def save_stages(run: RunDir, stages: Stages) -> None:
    """Writes what rebuilds the stages, so that the run needs their directories no more; their weights are its own."""
    for name, stage in stages.items():
        copy = RunDir(run.pretrained / name)
        if copy.path == stage.run.path:  # a resumed run has them
            continue
        write_json(copy.spec, stage.spec.to_json())
        if stage.run.timing.is_file():
            write_atomically(copy.timing, stage.run.timing.read_text(encoding="utf-8"))
        save_stages(copy, stage.below)
        write_atomically(copy.config, OmegaConf.to_yaml(resolve(stage.cfg)))


def read_requests(cfg: DictConfig) -> dict[str, str]:
    """The stages that a config asks for, by name: each a run directory, or an experiment with overrides."""
    node: Any = cfg.get("pretrained") or OmegaConf.create({})  # runs of before there were stages have none
    for name in node:
        if OmegaConf.is_missing(node, name):
            raise ValueError(f"pretrained.{name} must be given: a run directory, or the name of an experiment")
        if not isinstance(node[name], str | None):
            raise ValueError(f"pretrained.{name}={node[name]}: give a run directory, or the name of an experiment")
    return {str(name): value for name, value in node.items() if value is not None}


def check_same_data(stages: Stages, cfg: DictConfig, spec: Spec) -> None:
    """Refuses stages of other data. Conditions may differ where a stage has none, and binarisation may.

    Classes may be as many, of which one side says no names: runs of before they were kept. Labels of own data that
    have got other names are found by the fingerprint of the stage, `check_unchanged`.
    """
    for stage in stages.values():
        there, here = _facts(stage.cfg, stage.spec), _facts(cfg, spec)
        if not stage.spec.given:
            del there["conditions"]
        classes, others = stage.spec.classes, spec.classes
        if len(classes) == len(others) and name_by_number(len(classes)) in (classes, others):
            del there["classes"]
        for fact, value in there.items():
            if value != here[fact]:
                raise ValueError(
                    f"{stage.key} was trained on other data: {fact} {value} there, {here[fact]} here. Name a run, or "
                    "an experiment with overrides, of this run's data"
                )


def _facts(cfg: DictConfig, spec: Spec) -> dict[str, Any]:
    return {
        "data set": " ".join(map(str, filter(None, (last_part(cfg.data._target_), cfg.data.get("path"))))),
        "shape": spec.x,
        "support": str(spec.support),
        "levels": spec.levels,
        "scaling": spec.scaling and tuple(spec.scaling),
        "canvas": spec.canvas and tuple(spec.canvas),
        "classes": spec.classes,
        "factors": spec.factors,
        "conditions": spec.given,
    }
