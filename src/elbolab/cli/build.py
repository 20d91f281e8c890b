"""From a composed config to data, densities, model and trainer: each is built once, from the outside in."""

from collections.abc import Callable
from typing import Any

import lightning as L
from hydra.utils import instantiate
from omegaconf import DictConfig

from elbolab.batch import Spec
from elbolab.data.module import DataModule
from elbolab.densities.base import Densities
from elbolab.evaluation.evaluate import check_options, evaluate
from elbolab.evaluation.report import Report
from elbolab.models.base import ElboModule


def make(node: DictConfig, **extra: Any) -> Any:
    """`instantiate` with plain Python containers: a ListConfig in a module would break its checkpoints."""
    return instantiate(node, _convert_="all", **extra)


def build_data(cfg: DictConfig) -> DataModule:
    """The data module; nothing is read yet."""
    return make(cfg.data)


def build_densities(cfg: DictConfig, spec: Spec) -> Densities:
    """The densities, sized by the spec. The recipe is called in Python: its arguments are no config."""
    return make(cfg.densities)(spec)


def build_model(cfg: DictConfig, densities: Densities) -> ElboModule:
    """The LightningModule around the densities."""
    return make(cfg.model)(densities=densities)


def build_trainer(cfg: DictConfig, first: L.Callback) -> L.Trainer:
    """The Trainer with a callback and those of the config; its loggers come when the run begins."""
    return make(cfg.trainer, callbacks=[first, *build_parts(cfg, "callbacks")], default_root_dir=cfg.paths.run)


def build_parts(cfg: DictConfig, group: str) -> list[Any]:
    """The callbacks or the loggers; null is none.

    Raises:
        ValueError: a part that is no recipe.
    """
    for name, node in cfg[group].items():
        if node is not None and not isinstance(node, DictConfig):
            raise ValueError(f"{group}.{name}={node}: give a node with _target_, or null")
    return [make(node) for node in cfg[group].values() if node is not None]


def build_evaluation(cfg: DictConfig) -> Callable[[Densities, DataModule], Report]:
    """What measures a model, on every rank of a distributed run; rank 0 has the whole report.

    Raises:
        ValueError: options of elbolab's own evaluation that are out of range.
    """
    recipe = make(cfg.evaluation)
    if recipe.func is evaluate:
        check_options(**recipe.keywords)
    return recipe
