"""The values of a composed config: of the types that their classes are annotated with, paths absolute, resolved.

Types are looked at once, before anything is built or written, so that no constructor has to.
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


LINK = re.compile(r"\$\{evaluation\.[\w.]+\}")
"""What measures have in common."""


class Argument(NamedTuple):
    """A value of a config by its dotted key, in plain Python, with the annotation of what it is given to."""

    key: str
    value: Any
    hint: Any


def check_values(cfg: DictConfig, defaults: DictConfig) -> None:
    """Refuses values of another type than what they are given to.

    Args:
        cfg: the composed config.
        defaults: the command's own file, whose plain keys say their type by their value.
    """
    for key, value, hint in [*_list_plain(cfg, defaults), *list_arguments(cfg)]:
        if not fits(value, hint):
            quoting = f"; for text, quote it: \"{key}='{value}'\"" if hint is str else ""
            typed = "null" if value is None else str(value).lower() if isinstance(value, bool) else value
            raise ValueError(f"{key}={typed}: give {describe_type(hint)}{quoting}")


def absolute_paths(cfg: DictConfig) -> DictConfig:
    """``cfg`` with every relative path made absolute: what is annotated as a `Path` means the same in any folder."""
    for key, value, hint in list_arguments(cfg):
        if Path in options_of(hint) and value is not None and "://" not in str(value):
            OmegaConf.update(cfg, key, str(Path(str(value)).expanduser().absolute()))
    return cfg


def resolve(cfg: DictConfig) -> DictConfig:
    """A configuration with every interpolation replaced by its value, but for what measures have in common.

    ``evaluation.num_samples`` of a run that is measured again is then that of each of its measures.
    """

    def keep_links(raw: Any, value: Any) -> Any:
        if isinstance(raw, dict):
            return {key: keep_links(raw[key], value[key]) for key in raw}
        return raw if isinstance(raw, str) and LINK.fullmatch(raw) else value

    plain: Any = OmegaConf.to_container(cfg, resolve=True)
    measures = OmegaConf.select(cfg, "evaluation.measures")
    if measures is not None:
        raw = OmegaConf.to_container(measures, resolve=False)
        plain["evaluation"]["measures"] = keep_links(raw, plain["evaluation"]["measures"])
    return OmegaConf.create(plain)


def list_arguments(cfg: DictConfig) -> Iterator[Argument]:
    """Every argument of every ``_target_``, once each: what interpolates a node is passed over."""
    root: Any = OmegaConf.to_container(cfg, resolve=False)
    nodes = {"": root} | dict(walk_keys(root))
    hints = {
        key: hints_of(_value(cfg, f"{key}._target_".removeprefix(".")))
        for key, node in nodes.items()
        if isinstance(node, dict) and "_target_" in node
    }
    for key, raw in nodes.items():
        parent, _, name = key.rpartition(".")
        interpolated = isinstance(raw, str) and "${" in raw  # the others are what they are
        value = _value(cfg, key) if interpolated else raw
        is_elsewhere = raw == "???" or (interpolated and isinstance(value, dict))
        if name in hints.get(parent, {}) and not is_elsewhere:
            yield Argument(key, value, hints[parent][name])


def _value(cfg: DictConfig, key: str) -> Any:
    value = OmegaConf.select(cfg, key)
    return OmegaConf.to_container(value, resolve=False) if OmegaConf.is_config(value) else value


def _list_plain(cfg: DictConfig, defaults: DictConfig) -> Iterator[Argument]:
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
    """Type annotations of the constructors of a class, or of a function; None is allowed where it is the default."""
    hints: dict[str, Any] = {}
    for function in _list_callees(found):
        try:
            own, parameters = get_type_hints(function), inspect.signature(function).parameters
        except (NameError, TypeError, ValueError):  # names that only a type checker knows
            continue
        named = [name for name, p in parameters.items() if name in own and p.kind is not p.VAR_KEYWORD]
        hints = {name: own[name] | None if parameters[name].default is None else own[name] for name in named} | hints
    return hints


def _list_callees(found: Any) -> Iterator[Callable[..., Any]]:
    """What arguments reach: up to the first that takes no ``**others``. A function hands them to what it returns."""
    if not isinstance(found, type):
        yield found
        found = inspect.signature(found).return_annotation if takes_others(found) else None
    for owner in found.__mro__ if isinstance(found, type) else ():
        named = [name for name in ("__init__", "__new__") if name in vars(owner)]
        function = getattr(owner, named[0]) if named else None
        if inspect.isfunction(function):
            yield function
            if not takes_others(function):
                return


def takes_others(function: Callable[..., Any]) -> bool:
    """Whether a function takes ``**others``."""
    kinds = {parameter.kind for parameter in inspect.signature(function).parameters.values()}
    return inspect.Parameter.VAR_KEYWORD in kinds


def fits(value: Any, hint: Any) -> bool:
    """Whether a plain ``value`` can be what ``hint`` says.

    A node with ``_target_`` can be anything, and an annotation that names nothing plain says nothing of plain values.
    """
    return _fits_any(value, options_of(hint))


def _fits_any(value: Any, options: tuple[Any, ...]) -> bool:
    says_something = any(
        hint in (*SCALARS, Path) or _origin(hint) is Literal or _is_container(hint) for hint in options
    )
    if (isinstance(value, dict) and "_target_" in value) or not says_something:
        return True
    return any(_fits(value, option) for option in options)


def _origin(hint: Any) -> Any:
    return get_origin(hint) or hint


def _is_container(hint: Any) -> bool:
    return isinstance(_origin(hint), type) and issubclass(_origin(hint), Sequence | Mapping)


def _fits(value: Any, hint: Any) -> bool:
    if _origin(hint) is Literal:
        return value in get_args(hint)
    if hint in SCALARS:
        kinds = (int, float) if hint is float else hint
        return isinstance(value, kinds) and isinstance(value, bool) == (hint is bool)
    if hint is Path:
        return isinstance(value, str | int | float)  # a folder may be called 5
    if not _is_container(hint):
        return False
    if issubclass(_origin(hint), Mapping):
        return isinstance(value, dict)
    return isinstance(value, list) and all(_fits_any(part, _elements(hint)) for part in value)


def _elements(hint: Any) -> tuple[Any, ...]:
    """What a sequence's elements may be; any of them in a tuple of several."""
    return tuple(option for part in get_args(hint) if part is not Ellipsis for option in options_of(part))


def options_of(hint: Any) -> tuple[Any, ...]:
    """The types that an annotation allows: those of a union, else itself."""
    return get_args(hint) if isinstance(hint, UnionType) or get_origin(hint) is Union else (hint,)


def describe_type(hint: Any) -> str:
    """The types in words: ``a whole number, or null``."""
    options = [option for option in options_of(hint) if option is not Path or str not in options_of(hint)]
    return ", or ".join(dict.fromkeys(map(_describe, options)))


def _describe(hint: Any) -> str:
    if hint in SCALARS:
        return SCALARS[hint]
    if hint is Path:
        return "a path"
    if _origin(hint) is Literal:
        return " or ".join(map(str, get_args(hint)))
    if not _is_container(hint):
        return "a node with _target_"
    if issubclass(_origin(hint), Mapping):
        return "keys with values"
    many = [MANY[part] for part in _elements(hint) if part in MANY]
    return "a list in brackets" + (f", of {' or '.join(many)}" if many else "")
