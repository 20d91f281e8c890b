"""From a composed config to data, densities, model and trainer: each is built once, from the outside in."""

from typing import Any

import lightning as L
from hydra.utils import instantiate
from omegaconf import DictConfig

from elbolab.batch import Spec
from elbolab.data.module import DataModule
from elbolab.densities.base import Densities
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


def build_trainer(cfg: DictConfig) -> L.Trainer:
    """The Trainer with the callbacks of the config; its loggers come when the run begins."""
    callbacks = [make(node) for node in cfg.callbacks.values() if node is not None]
    return make(cfg.trainer, callbacks=callbacks, default_root_dir=cfg.paths.run)
