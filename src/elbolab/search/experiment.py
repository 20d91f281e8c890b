"""Overrides as an experiment file, which composes to the same configuration."""

from collections.abc import Sequence
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

SEARCH = "search"
"""The group of ready-made spaces: it says what is searched, and nothing of what was found."""


def experiment(comment: str, overrides: Sequence[str], loader: Any) -> str:
    """The text of an experiment file.

    Args:
        comment: what it is.
        overrides: of a command.
        loader: Hydra's, which knows the groups.

    Raises:
        ValueError: one takes something away, which no file can.
    """
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(list(overrides))
    chosen = [one for one in parsed if is_group(one.key_or_group, loader)]
    values = OmegaConf.create({})
    for one in parsed:
        if one.is_delete():
            raise ValueError(f"{one.input_line}: an experiment file cannot take away; give the value it should have")
        if one not in chosen:
            OmegaConf.update(values, one.key_or_group, one.value(), force_add=True)
    defaults = [line for one in chosen for line in _default(one)]
    body = ({"defaults": _base_first(defaults)} if defaults else {}) | OmegaConf.to_container(values)  # type: ignore[operator]
    return f"# @package _global_\n# {comment}\n{yaml.safe_dump(body, sort_keys=False)}"


def is_group(key: str, loader: Any) -> bool:
    """Whether a key chooses from a config group."""
    return loader.repository.group_exists(key)


def _default(override: Override) -> list[Any]:
    """A line of the defaults list; none for a space, and for an experiment its own file, below this one."""
    group, option = override.key_or_group, override.value()
    if group == SEARCH:
        return []
    if group == "experiment":
        return [f"/experiment/{option}"] if option is not None else []
    package = "" if override.package is None else f"@{override.package}"
    word = "" if override.is_add() else "override "
    return [{f"{word}/{group}{package}": option}]


def _base_first(defaults: list[Any]) -> list[Any]:
    """Hydra wants what overrides to follow what is overridden."""
    return sorted(defaults, key=lambda line: isinstance(line, dict) and next(iter(line)).startswith("override"))
