"""Overrides as an experiment file, which composes to the same configuration."""

from collections.abc import Sequence
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

SEARCH = "search"  # the group of ready-made spaces: it says what is searched, and nothing of what was found


def write_experiment(comment: str, overrides: Sequence[str], loader: Any) -> str:
    """The text of an experiment file that does what the overrides of a command do; Hydra's loader knows the groups.

    Raises:
        ValueError: an override takes something away, which no file can.
    """
    added, replaced, values = list[Any](), list[Any](), OmegaConf.create({})
    for override in OverridesParser.create(config_loader=loader).parse_overrides(list(overrides)):
        key, value = override.key_or_group, None if override.is_delete() else override.value()
        if override.is_delete():
            raise ValueError(
                f"{override.input_line}: an experiment file cannot take away; give the value it should have"
            )
        if not is_group(key, loader):
            OmegaConf.update(values, key, value, force_add=True)
        elif key == "experiment" and value is not None:  # its own file, below this one
            added.append(f"/experiment/{value}")
        elif key not in ("experiment", SEARCH):
            group = f"/{key}" + ("" if override.package is None else f"@{override.package}")
            if override.is_add():
                added.append({group: value})
            else:
                replaced.append({f"override {group}": value})
    defaults = added + replaced  # Hydra wants what overrides to follow what is overridden
    body = ({"defaults": defaults} if defaults else {}) | OmegaConf.to_container(values)  # type: ignore[operator]
    return f"# @package _global_\n# {comment}\n{yaml.safe_dump(body, sort_keys=False)}"


def is_group(key: str, loader: Any) -> bool:
    """Whether a key chooses from a config group."""
    return loader.repository.group_exists(key)
