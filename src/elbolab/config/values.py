"""Whether the values of a composed config are of the types that their classes are annotated with.

Looked at once, before anything is built or written, so that no constructor has to.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from pkgutil import resolve_name
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from omegaconf import DictConfig, OmegaConf

from elbolab.common.dotted import walk_keys

SCALARS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", NoneType: "null"}
MANY = {int: "whole numbers", float: "numbers", str: "text"}
"""What a config can say without ``_target_``, and several of a kind."""


class Argument(NamedTuple):
    """A value of a config, and what it is given to.

    Attributes:
        key: the dotted key.
        value: plain Python.
        hint: the annotation; Any where there is none.
    """

    key: str
    value: Any
    hint: Any


def check_values(cfg: DictConfig, defaults: DictConfig) -> None:
    """Refuses values that are of another type than what they are given to.

    Args:
        cfg: the composed config.
        defaults: the command's own file, whose plain keys say their type by their value.

    Raises:
        ValueError: such a value; says which type is wanted.
    """
    for key, value, hint in [*_plain(cfg, defaults), *list_arguments(cfg)]:
        if not fits(value, hint):
            quoting = f"; for text, quote it: \"{key}='{value}'\"" if hint is str else ""
            raise ValueError(f"{key}={_written(value)}: give {describe_type(hint)}{quoting}")


def absolute_paths(cfg: DictConfig) -> DictConfig:
    """``cfg`` with every relative path made absolute: what is annotated as a `Path` means the same in any folder."""
    for key, value, hint in list_arguments(cfg):
        if Path in options_of(hint) and value is not None and "://" not in str(value):
            OmegaConf.update(cfg, key, str(Path(str(value)).expanduser().absolute()))
    return cfg


def list_arguments(cfg: DictConfig) -> Iterator[Argument]:
    """Every argument of every ``_target_``, once each: what interpolates a node is passed over."""
    nodes: dict[str, Any] = {"": OmegaConf.to_container(cfg, resolve=False)}
    nodes |= dict(walk_keys(nodes[""]))
    hints = {
        key: hints_of(_value(cfg, f"{key}._target_".removeprefix(".")))
        for key, node in nodes.items()
        if isinstance(node, dict) and "_target_" in node
    }
    for key, raw in nodes.items():
        parent, _, name = key.rpartition(".")
        is_elsewhere = isinstance(raw, str) and (raw == "???" or OmegaConf.is_dict(OmegaConf.select(cfg, key)))
        if name in hints.get(parent, {}) and not is_elsewhere:
            yield Argument(key, _value(cfg, key), hints[parent][name])


def _value(cfg: DictConfig, key: str) -> Any:
    value = OmegaConf.select(cfg, key)
    return OmegaConf.to_container(value, resolve=False) if OmegaConf.is_config(value) else value


def _plain(cfg: DictConfig, defaults: DictConfig) -> Iterator[Argument]:
    """The plain keys of a command. One whose default is null, a choice, another's or yet to be given says nothing."""
    for key, default in OmegaConf.to_container(defaults, resolve=False).items():  # type: ignore[union-attr]
        hint = NoneType if re.fullmatch(r"\$\{[^{}]*\}", str(default)) else type(default)
        if key in cfg and hint in (bool, int, float, str, list) and not OmegaConf.is_missing(cfg, key):
            yield Argument(str(key), _value(cfg, str(key)), hint)


def hints_of(target: str) -> dict[str, Any]:
    """The annotations of the arguments of a class or function, those of base classes where it hands arguments on."""
    try:
        return annotations(resolve_name(target))
    except Exception:  # instantiating it gives the message
        return {}


def annotations(found: Any) -> dict[str, Any]:
    """Type annotations of the constructors of a class, or of a function."""
    hints: dict[str, Any] = {}
    for function in _reached(found):
        hints = _hints(function) | hints
    return hints


def _reached(found: Any) -> Iterator[Callable[..., Any]]:
    """What arguments reach: up to the first that takes no ``**others``. A function hands them to what it returns."""
    if not isinstance(found, type):
        yield found
        found = inspect.signature(found).return_annotation if _hands_on(found) else None
    for owner in found.__mro__ if isinstance(found, type) else ():
        named = [name for name in ("__init__", "__new__") if name in vars(owner)]
        function = getattr(owner, named[0]) if named else None
        if inspect.isfunction(function):
            yield function
            if not _hands_on(function):
                return


def _hands_on(function: Callable[..., Any]) -> bool:
    kinds = {parameter.kind for parameter in inspect.signature(function).parameters.values()}
    return inspect.Parameter.VAR_KEYWORD in kinds


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Annotations by name, None allowed where it is the default."""
    try:
        hints, parameters = get_type_hints(function), inspect.signature(function).parameters
    except (NameError, TypeError, ValueError):  # names that only a type checker knows
        return {}
    named = {name: hints[name] for name, p in parameters.items() if name in hints and p.kind is not p.VAR_KEYWORD}
    return {name: hint | None if parameters[name].default is None else hint for name, hint in named.items()}


def fits(value: Any, hint: Any) -> bool:
    """Whether a plain ``value`` can be what ``hint`` says.

    A node with ``_target_`` can be anything, and an annotation that names nothing plain says nothing of plain values.
    """
    return _fits_any(value, options_of(hint))


def _fits_any(value: Any, options: tuple[Any, ...]) -> bool:
    if (isinstance(value, dict) and "_target_" in value) or not any(map(_is_plain, options)):
        return True
    return any(_fits(value, option) for option in options)


def _is_plain(hint: Any) -> bool:
    origin = get_origin(hint) or hint
    return hint in (*SCALARS, Path) or origin is Literal or _is_container(origin)


def _is_container(origin: Any) -> bool:
    return isinstance(origin, type) and issubclass(origin, Sequence | Mapping)


def _fits(value: Any, hint: Any) -> bool:
    origin, parts = get_origin(hint) or hint, get_args(hint)
    if origin is Literal:
        return value in parts
    if hint in SCALARS:
        kinds = (int, float) if hint is float else hint
        return isinstance(value, kinds) and isinstance(value, bool) == (hint is bool)
    if hint is Path:
        return isinstance(value, str | int | float)  # a folder may be called 5
    if not _is_container(origin):
        return False
    if issubclass(origin, Mapping):
        return isinstance(value, dict)
    return isinstance(value, list) and all(_fits_any(part, _elements(parts)) for part in value)


def _elements(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a sequence's elements may be; any of them in a tuple of several."""
    return tuple(option for part in parts if part is not Ellipsis for option in options_of(part))


def options_of(hint: Any) -> tuple[Any, ...]:
    """The types that an annotation allows: those of a union, else itself."""
    return get_args(hint) if isinstance(hint, UnionType) or get_origin(hint) is Union else (hint,)


def describe_type(hint: Any) -> str:
    """The types in words: ``a whole number, or null``."""
    options = [option for option in options_of(hint) if option is not Path or str not in options_of(hint)]
    return ", or ".join(dict.fromkeys(map(_say, options)))


def _say(hint: Any) -> str:
    origin, parts = get_origin(hint) or hint, get_args(hint)
    if hint in SCALARS:
        return SCALARS[hint]
    if hint is Path:
        return "a path"
    if origin is Literal:
        return " or ".join(map(str, parts))
    if _is_container(origin) and issubclass(origin, Mapping):
        return "keys with values"
    if _is_container(origin):
        many = [MANY[part] for part in _elements(parts) if part in MANY]
        return "a list in brackets" + (f", of {' or '.join(many)}" if many else "")
    return "a node with _target_"


def _written(value: Any) -> str:
    """As on the command line."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
    return str(value)
