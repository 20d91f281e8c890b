"""`elbolab list`: every choice of every config group, read from the files alone, so that it answers at once."""

import re
from collections.abc import Sequence
from pathlib import Path

from elbolab.common.did_you_mean import did_you_mean, nearest
from elbolab.config.paths import COMPOSES, config_dir

Choices = dict[str, dict[str, str]]
"""group -> option -> description."""


def print_choices(args: Sequence[str]) -> None:
    """Prints what ``elbolab list [GROUP] [--config-dir DIR]`` asks for.

    Raises:
        ValueError: there is no such group, or more than one was named.
    """
    dirs, words = split_args(args)
    if len(words) > 1:
        raise ValueError(f"elbolab list takes one group, or none for all: {' '.join(words)} are {len(words)}")
    print(list_choices(words[0] if words else None, dirs))


def list_choices(group: str | None, dirs: Sequence[Path]) -> str:
    """The options of ``group``, or of all groups, with a line each.

    Raises:
        ValueError: there is no such group.
    """
    groups = read_choices(dirs)
    if group is None:
        return "\n\n".join(f"{name}\n{align(options, '  ')}" for name, options in groups.items())
    if group not in groups:
        near = did_you_mean(nearest(group, groups))
        raise ValueError(f"there is no config group '{group}'{near or '.'} The groups are {', '.join(groups)}")
    return align(groups[group], "")


def read_choices(dirs: Sequence[Path]) -> Choices:
    """Every option of every group; a later folder replaces options of an earlier one."""
    groups: Choices = {}
    for folder in dirs:
        for path in sorted(folder.rglob("*.yaml")):
            group, _, option = _split(path.relative_to(folder).with_suffix("").as_posix())
            if group and not path.name.startswith("_"):
                groups.setdefault(group, {})[option] = describe(path)
    return {group: dict(sorted(options.items())) for group, options in sorted(groups.items())}


def groups_of(command: str, dirs: Sequence[Path]) -> Choices:
    """The groups that a command's own file chooses from; others belong to parts of it, or to other commands."""
    path = dirs[0] / f"{COMPOSES.get(command, command)}.yaml"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    named = re.findall(r"^ *- (?:optional )?([\w/]+):", text, re.MULTILINE)
    return {group: options for group, options in read_choices(dirs).items() if group in named}


def describe(path: Path) -> str:
    """The first comment line of a config that is no ``# @package``; empty where there is none."""
    with path.open(encoding="utf-8") as file:
        lines = (line[1:].strip() for line in file if line.startswith("#"))
        return next((line for line in lines if not line.startswith("@package")), "")


def split_args(args: Sequence[str]) -> tuple[list[Path], list[str]]:
    """The folders with configs, elbolab's own and those of ``--config-dir DIR``, and the other arguments."""
    folders, others = [config_dir()], []
    words = iter(args)
    for word in words:
        flag, equals, value = word.partition("=")
        if flag in ("--config-dir", "-cd"):
            folders.append(Path(value if equals else next(words, ".")))
        else:
            others.append(word)
    return folders, others


def _split(path: str) -> tuple[str, str, str]:
    """Group and option: ``experiment/a/b`` is option ``a/b``, but ``evaluation/measure`` is a group of its own."""
    group, slash, option = path.partition("/") if "/" in path else ("", "", path)
    if group in ("hydra", "evaluation") and "/" in option:
        sub, slash, option = option.rpartition("/")
        group = f"{group}/{sub}"
    return group, slash, option


def align(options: dict[str, str], indent: str) -> str:
    """A line for each option, with its description in a column of its own."""
    width = max(map(len, options))
    return "\n".join(f"{indent}{name:<{width}}  {line}".rstrip() for name, line in options.items())
