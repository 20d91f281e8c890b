"""What the options of data sets may be, and how they are typed."""

import re
import shlex
from collections.abc import Sequence
from math import isfinite

PLAIN = re.compile(r"(?!(?i:true|false|null|nan|inf)$)[A-Za-z_][\w.-]*|0|[1-9]\d*", re.ASCII)
"""Names that Hydra reads as they are."""


def check_whole(least: int, **options: int | None) -> None:
    """Raises ValueError unless every option is a whole number from ``least`` on; None passes."""
    for name, value in options.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
            raise ValueError(f"data.{name}={value}: a whole number, at least {least}")


def check_number(low: float, high: float, **options: float) -> None:
    """Raises ValueError unless every option is a finite number from ``low`` to ``high``."""
    for name, value in options.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
        if not is_number or not low <= value <= high:
            raise ValueError(f"data.{name}={value}: a number from {low:g} {f'to {high:g}' if isfinite(high) else 'up'}")


def check_names(option: str, names: Sequence[str] | None) -> list[str]:
    """The names that a list holds, none for None; raises ValueError where it is no list."""
    if isinstance(names, str | int | float):
        raise ValueError(f"data.{option}={names}: give a list, data.{option}=[{names}]")
    return [str(name) for name in names or ()]


def write_option(option: str, names: str | Sequence[str]) -> str:
    """``data.OPTION=NAME``, or ``data.OPTION=[NAMES]``, as a shell and Hydra read it: odd names are quoted."""
    plain = [names] if isinstance(names, str) else names
    quoted = [name if PLAIN.fullmatch(name) else '"' + name.replace('"', '\\"') + '"' for name in plain]
    word = f"data.{option}={quoted[0]}" if isinstance(names, str) else f"data.{option}=[{','.join(quoted)}]"
    return word if all(map(PLAIN.fullmatch, plain)) else shlex.quote(word)
