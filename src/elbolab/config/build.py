"""From a composed config to data, densities, model and trainer: each is built once, from the outside in."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from elbolab.models.costs import Cost

HAND_ON = "let __init__ take **base, and begin with super().__init__(**base)"


def make(node: DictConfig, **extra: Any) -> Any:
    """`instantiate` with plain Python containers: a ListConfig in a module would break its checkpoints."""
    return instantiate(node, _convert_="all", **extra)


def build_data(cfg: DictConfig) -> DataModule:
    """The data module; nothing is read yet."""
    data = make(cfg.data)
    if not isinstance(data, DataModule):
        raise ValueError(f"data._target_={cfg.data._target_}: derive the class from elbolab.data.module.DataModule")
    if "batch_size" not in vars(data):
        raise ValueError(f"data._target_={cfg.data._target_}: {HAND_ON}")
    return data


def build_densities(cfg: DictConfig, spec: Spec, **frozen: Densities) -> Densities:
    """The densities, sized by the spec, with those of stages by the names that the recipe has for them."""
    recipe = make(cfg.densities)
    check_stages(recipe, frozen)
    return recipe(spec, **frozen)


def check_stages(recipe: Callable[..., Densities], names: Iterable[str]) -> None:
    """Refuses stages that a recipe does not take, and asks for those it cannot do without.

    A recipe's stages are the arguments that its config leaves open; it cannot do without those annotated as
    `Densities`, or as a capability of densities, that have no default.
    """
    function = recipe.func if isinstance(recipe, partial) else recipe
    parameters = signature(recipe).parameters
    wanted = [
        name
        for name, hint in annotations(function).items()
        if name in parameters and any(isinstance(o, type) and issubclass(o, Densities) for o in options_of(hint))
    ]
    for name in names:
        if name not in wanted:
            others = " or ".join(f"pretrained.{other}" for other in wanted)
            fix = f"it takes {others}" if others else "leave it out"
            raise ValueError(f"this model takes no pretrained.{name}: {fix}")
    for name in wanted:
        if parameters[name].default is Parameter.empty and name not in names:
            raise ValueError(f"this model needs pretrained.{name}=...: a run directory, or the name of an experiment")


def build_model(cfg: DictConfig, densities: Densities) -> ElboModule:
    """The LightningModule around the densities.

    Raises:
        Refusal: costs of a model that takes none.
        ValueError: a class of the user's own that is no model, or does not hand on what every model takes.
    """
    target = cfg.model._target_
    hand_on = f"model._target_={target}: {HAND_ON}"
    recipe = make(cfg.model)
    if "costs" in cfg.model and "costs" not in {*hints_of(target), *signature(recipe.func).parameters}:
        raise Refusal("this model takes no costs", choose("cost", "none"), choose("model", "vae", "beta_vae"))
    check_costs(recipe.keywords.get("costs", {}))
    try:
        model = recipe(densities=densities)
    except (TypeError, AttributeError) as error:
        if re.search(r"'(densities|optimizer)'|before Module.__init__", str(error)):  # missing, or not expected
            raise ValueError(hand_on) from error
        raise
    if not isinstance(model, ElboModule):
        raise ValueError(f"model._target_={target}: derive the class from elbolab.models.base.ElboModule")
    if "_parameters" not in vars(model):
        raise ValueError(hand_on)
    return model


def check_costs(costs: Any) -> None:
    """Refuses costs of the user's own that lack what training asks of every cost."""
    if not isinstance(costs, Mapping):
        raise ValueError(f"model.costs._target_={_name(costs)}: name the cost in its file, 'NAME: {{_target_: ...}}'")
    for name, cost in costs.items():
        key = f"model.costs.{name}._target_={_name(cost)}"
        if not isinstance(cost, Cost):
            raise ValueError(f"{key}: derive the class from elbolab.models.costs.Cost")
        if "_parameters" not in vars(cost):
            raise ValueError(f"{key}: let __init__ take a weight, and begin with super().__init__(weight)")
        if lacking := [name for name in Cost.__annotations__ if name not in dir(cost)]:
            raise ValueError(f"{key}: give the class {' and '.join(lacking)}; see elbolab.models.costs.Cost")


def _name(part: Any) -> str:
    return f"{type(part).__module__}.{type(part).__qualname__}"


def build_trainer(cfg: DictConfig, first: Sequence[L.Callback]) -> L.Trainer:
    """The Trainer with callbacks and, after them, those of the config; its loggers come when the run begins."""
    return make(cfg.trainer, callbacks=[*first, *build_parts(cfg, "callbacks")], default_root_dir=cfg.paths.run)


def build_parts(cfg: DictConfig, group: str) -> list[Any]:
    """The callbacks or the loggers; null is none."""
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
