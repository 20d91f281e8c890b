"""The saved configuration of a run under the overrides of another command."""

from collections.abc import Sequence
from functools import reduce
from operator import getitem
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf


def overrides_given() -> list[Override]:
    """This command's overrides, read."""
    parser = OverridesParser.create()
    return [parser.parse_override(text) for text in HydraConfig.get().overrides.task]


def is_within(key: str, parts: Sequence[str]) -> bool:
    """Whether a dotted key, or a group, is one of the parts, or lies in one."""
    key = key.replace("/", ".")
    return any(key == part or key.startswith(f"{part}.") for part in parts)


def override(saved: DictConfig, composed: DictConfig, overrides: Sequence[Override]) -> None:
    """Changes ``saved``: first the options that are chosen, ``logger=wandb``, then values, ``logger.wandb.name=a``.

    An option replaces a recipe whole. Of a group of parts, a dictionary of recipes, those that the run has already keep
    its settings; others come, or go, as the option says.

    Args:
        saved: the run's configuration.
        composed: what this command composes, where options are found; its interpolations are resolved in ``saved``.
        overrides: what to apply, all of parts that both have.
    """
    options: Any = OmegaConf.to_container(composed, resolve=False)
    choices = [o for o in overrides if "." not in o.key_or_group and not o.is_delete()]
    for choice in choices:
        place = choice.package or choice.key_or_group
        old: Any = OmegaConf.select(saved, place) or {}
        option = reduce(getitem, place.split("."), options)
        chosen = option if "_target_" in option else {key: old.get(key, part) for key, part in option.items()}
        OmegaConf.update(saved, place, chosen, merge=False, force_add=True)
    for change in overrides:
        if change not in choices:
            _apply(saved, change)


def _apply(saved: DictConfig, change: Override) -> None:
    key = change.key_or_group
    if not change.is_delete():
        OmegaConf.update(saved, key, change.value(), merge=True, force_add=True)
        return
    parent, _, name = key.rpartition(".")
    (OmegaConf.select(saved, parent) if parent else saved).pop(name, None)
