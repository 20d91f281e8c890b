"""What can be typed: the options of every config group, from the files alone, and the keys of a composed config."""

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from elbolab.common.did_you_mean import did_you_mean, nearest
from elbolab.common.dotted import walk_keys
from elbolab.config.paths import COMPOSES, config_dir

Choices = dict[str, dict[str, str]]
"""group -> option -> description."""


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
    """Every option of every group; a later folder replaces options of an earlier one, and adds to its groups.

    ``experiment/a/b`` is the option ``a/b``, but ``evaluation/measure`` is a group of its own.
    """
    groups: Choices = {}
    names = [path.name for path in dirs[0].iterdir() if path.is_dir()] if dirs else []
    for folder in dirs:
        for path in sorted(path for name in names for path in folder.glob(f"{name}/**/*.yaml")):
            group, slash, option = path.relative_to(folder).with_suffix("").as_posix().partition("/")
            if group in ("hydra", "evaluation") and "/" in option:
                sub, _, option = option.rpartition("/")
                group = f"{group}/{sub}"
            if slash and not path.name.startswith("_"):
                groups.setdefault(group, {})[option] = describe_option(path)
    return {group: dict(sorted(options.items())) for group, options in sorted(groups.items())}


def describe_option(path: Path) -> str:
    """The first comment line of a config that is no ``# @package``; empty where there is none."""
    with path.open(encoding="utf-8") as file:
        lines = (line[1:].strip() for line in file if line.startswith("#"))
        return next((line for line in lines if not line.startswith("@package")), "")


def align(options: dict[str, str], indent: str) -> str:
    """A line for each option, with its description in a column of its own."""
    width = max(map(len, options))
    return "\n".join(f"{indent}{name:<{width}}  {line}".rstrip() for name, line in options.items())


def read_command_file(command: str, dirs: Sequence[Path]) -> str:
    """The text of a command's own ``conf/NAME.yaml``; empty where it has none."""
    path = dirs[0] / f"{COMPOSES.get(command, command)}.yaml"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def groups_of(command: str, dirs: Sequence[Path]) -> Choices:
    """The groups that a command's own file chooses from; others belong to parts of it, or to other commands."""
    named = re.findall(r"^ *- (?:optional )?([\w/]+):", read_command_file(command, dirs), re.MULTILINE)
    return {group: options for group, options in read_choices(dirs).items() if group in named}


def list_keys(dirs: Sequence[Path], argv: Sequence[str], *, without: str = "", hydra: bool = False) -> list[str]:
    """Every dotted key, inner ones too, of the config that a command composes.

    Args:
        dirs: folders with configs, elbolab's own first.
        argv: the sub-command and its arguments.
        without: leave out overrides of this key; where others fail too, swept ones are left out, and then all.
        hydra: Hydra's own keys as well.
    """
    from hydra.errors import HydraException
    from omegaconf import OmegaConf

    from elbolab.config.compose import compose_config, drop_hydra

    words = [word for word in argv[1:] if not word.startswith("-") and "=" in word]
    good = [word for word in words if not without or without not in word.partition("=")[0]]
    knobs = ["hydra/launcher=sbatch"] if argv[0] == "sbatch" else []
    for overrides in ([*good, *knobs], [*(word for word in good if "," not in word), *knobs], knobs):  # not swept
        with suppress(HydraException):
            config = compose_config(argv[0], overrides, dirs)
            node = config if hydra else drop_hydra(config)
            return [key for key, _ in walk_keys(OmegaConf.to_container(node, resolve=False))]  # type: ignore[arg-type]
    return []


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
