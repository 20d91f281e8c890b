"""Dotted keys of nested mappings: ``{"model": {"beta": 4}}`` has ``model`` and ``model.beta``."""

from collections.abc import Iterator, Mapping
from typing import Any


def walk_keys(node: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every dotted key with its value, a mapping before what lies in it.

    Example:
        >>> [key for key, _ in walk_keys({"model": {"beta": 4}, "seed": 0})]
        ['model', 'model.beta', 'seed']
    """
    for name, value in node.items():
        yield f"{prefix}{name}", value
        if isinstance(value, Mapping):
            yield from walk_keys(value, f"{prefix}{name}.")


def flatten(node: Mapping[Any, Any]) -> dict[str, Any]:
    """The values that are no mappings by their dotted keys; an empty mapping has none.

    Example:
        >>> flatten({"model": {"beta": 4, "options": {}}, "seed": 0})
        {'model.beta': 4, 'seed': 0}
    """
    return {key: value for key, value in walk_keys(node) if not isinstance(value, Mapping)}
