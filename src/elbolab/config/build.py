"""From a composed config to data, densities, model and trainer: each is built once, from the outside in."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from inspect import Parameter, signature
from typing import Any

import lightning as L
from hydra.utils import instantiate
from omegaconf import DictConfig

from elbolab.batch import Spec
from elbolab.common.refusal import Refusal, choose
from elbolab.config.values import annotations, hints_of, options_of
from elbolab.data.module import DataModule
from elbolab.densities.base import Densities
from elbolab.distributions.corruption import check_corruptions
from elbolab.evaluation.evaluate import Evaluation
from elbolab.evaluation.report import Report
from elbolab.models.base import ElboModule


def make(node: DictConfig, **extra: Any) -> Any:
    """`instantiate` with plain Python containers: a ListConfig in a module would break its checkpoints."""
    return instantiate(node, _convert_="all", **extra)


def build_data(cfg: DictConfig) -> DataModule:
    """The data module; nothing is read yet."""
    return make(cfg.data)


def build_densities(cfg: DictConfig, spec: Spec, **frozen: Densities) -> Densities:
    """The densities, sized by the spec. The recipe is called in Python: its arguments are no config.

    Args:
        cfg: the composed config.
        spec: what is known of the data.
        **frozen: the densities of stages, by the names that the recipe has for them.

    Raises:
        ValueError: the recipe has no such name, or one that is not given.
    """
    recipe = make(cfg.densities)
    check_stages(recipe, frozen)
    return recipe(spec, **frozen)


def check_stages(recipe: Callable[..., Densities], names: Iterable[str]) -> None:
    """Refuses stages that a recipe does not take, and asks for those it cannot do without.

    A recipe's stages are the arguments that its config leaves open; it cannot do without those annotated as
    `Densities`, or as a capability of densities, that have no default.

    Raises:
        ValueError: names the key.
    """
    wanted = stages_of(recipe)
    for name in names:
        if name not in wanted:
            others = " or ".join(f"pretrained.{other}" for other in wanted)
            fix = f"it takes {others}" if others else "leave it out"
            raise ValueError(f"this model takes no pretrained.{name}: {fix}")
    for name in [name for name, is_required in wanted.items() if is_required and name not in names]:
        raise ValueError(f"this model needs pretrained.{name}=...: a run directory, or the name of an experiment")


def stages_of(recipe: Callable[..., Densities]) -> dict[str, bool]:
    """The names of stages that a recipe of densities takes, and whether it needs them."""
    function = recipe.func if isinstance(recipe, partial) else recipe
    hints, parameters = annotations(function), signature(recipe).parameters
    classes = {
        name: [option for option in options_of(hint) if isinstance(option, type)] for name, hint in hints.items()
    }
    wanted = [name for name, options in classes.items() if any(issubclass(option, Densities) for option in options)]
    return {name: parameters[name].default is Parameter.empty for name in wanted if name in parameters}


def build_model(cfg: DictConfig, densities: Densities) -> ElboModule:
    """The LightningModule around the densities.

    Raises:
        Refusal: costs of a model that takes none.
    """
    if "costs" in cfg.model and "costs" not in hints_of(cfg.model._target_):
        raise Refusal("this model takes no costs", choose("cost", "none"), choose("model", "vae", "beta_vae"))
    return make(cfg.model)(densities=densities)


def build_trainer(cfg: DictConfig, first: Sequence[L.Callback]) -> L.Trainer:
    """The Trainer with callbacks and, after them, those of the config; its loggers come when the run begins."""
    return make(cfg.trainer, callbacks=[*first, *build_parts(cfg, "callbacks")], default_root_dir=cfg.paths.run)


def build_parts(cfg: DictConfig, group: str) -> list[Any]:
    """The callbacks or the loggers; null is none.

    Raises:
        ValueError: a part that is no recipe.
    """
    for name, node in cfg[group].items():
        if node is not None and not isinstance(node, DictConfig):
            raise ValueError(f"{group}.{name}={node}: give a node with _target_, or null")
    return [make(node) for node in cfg[group].values() if node is not None]


def build_evaluation(cfg: DictConfig, spec: Spec) -> Callable[[Densities, DataModule], Report]:
    """What measures a model of data, on every rank of a distributed run; rank 0 has the whole report.

    Raises:
        ValueError: options of elbolab's own evaluation that are out of range, or a corruption that is none of the data.
    """
    recipe = make(cfg.evaluation, measures=None, _partial_=True)
    if recipe.func is not Evaluation:  # one of the user's own, which takes what the config says beside model and data
        return make(cfg.evaluation, _partial_=True)
    common = recipe()  # looked at before the measures, whose faults would not have the keys that a user types
    if common.corruption is not None:
        check_corruptions(common.corruption(), spec)
    return make(cfg.evaluation)
