"""The saved configuration of a run under the overrides of another command."""

from collections.abc import Sequence
from functools import reduce
from operator import getitem
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf


def read_overrides() -> list[Override]:
    """This command's overrides, read."""
    parser = OverridesParser.create()
    return [parser.parse_override(text) for text in HydraConfig.get().overrides.task]


def is_within(key: str, parts: Sequence[str]) -> bool:
    """Whether a dotted key, or a group, is one of the parts, or lies in one."""
    key = key.replace("/", ".")
    return any(key == part or key.startswith(f"{part}.") for part in parts)


def override(saved: DictConfig, composed: DictConfig, overrides: Sequence[Override]) -> None:
    """Changes a run's configuration: first by options, ``logger=wandb``, then by values, ``logger.wandb.name=a``.

    An option, found in what this command has composed, replaces a recipe whole; its interpolations are resolved in
    ``saved``. Of a group of parts, a dictionary of recipes, those that the run has already keep its settings; others
    come, or go, as the option says.
    """
    options: Any = OmegaConf.to_container(composed, resolve=False)
    choices = [o for o in overrides if "." not in o.key_or_group and not o.is_delete()]
    for choice in choices:
        place = choice.package or choice.key_or_group
        old: Any = OmegaConf.select(saved, place) or {}
        option = reduce(getitem, place.split("."), options)
        chosen = option if "_target_" in option else {key: old.get(key, part) for key, part in option.items()}
        OmegaConf.update(saved, place, chosen, merge=False, force_add=True)
    for change in [o for o in overrides if o not in choices]:
        parent, _, name = change.key_or_group.rpartition(".")
        if change.is_delete():
            (OmegaConf.select(saved, parent) if parent else saved).pop(name, None)
        else:
            OmegaConf.update(saved, change.key_or_group, change.value(), merge=True, force_add=True)
