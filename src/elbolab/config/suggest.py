"""What a user probably meant by an option or a key that does not exist."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from elbolab.common.did_you_mean import did_you_mean, last_part, nearest, nearest_keys
from elbolab.config.listing import groups_of, list_keys, read_choices
from elbolab.config.renamed import MOVED, explain_renamed

PLUGINS = {"hydra_joblib_launcher": "joblib", "hydra_ray_launcher": "ray"}
"""Plugins of Hydra's, and the extra of elbolab that installs each."""


def check_added(overrides: Sequence[str], dirs: Sequence[Path]) -> None:
    """Refuses ``+key=value`` at the top level, which composes but which nothing reads."""
    text = "\n".join(path.read_text(encoding="utf-8") for folder in dirs for path in folder.glob("*.yaml"))
    in_root = re.findall(r"^(?:  - (?:optional )?)?(\w+):", text, re.MULTILINE)
    known = ["hydra", *read_choices(dirs), *in_root]
    for override in overrides:
        key = re.split(r"[@.=]", override.lstrip("+"))[0]
        if override.startswith("+") and key not in known:
            renamed = explain_renamed(key, override.partition("=")[2])
            raise ValueError(renamed or f"'{override}': nothing reads '{key}'{did_you_mean(nearest(key, known))}")


def explain_renamed_word(argv: Sequence[str]) -> str | None:
    """The line for the first word of a command that is written otherwise now; None where there is none."""
    words = (word.lstrip("+~").partition("=") for word in argv)
    return next(filter(None, (explain_renamed(key, value) for key, _, value in words)), None)


def describe_missing_plugin(module: str) -> str:
    """A launcher or sweeper of Hydra's that is not installed."""
    extra = PLUGINS.get(module)
    fix = f"pip install 'elbolab[{extra}]'" if extra else "install the package that has it"
    return f"{module.replace('_', '-')} is not installed: {fix}"


def describe_missing_option(error: Any, dirs: Sequence[Path]) -> str:
    """``model=vea``, on the command line or in a file's defaults."""
    groups = read_choices(dirs)
    wanted = str(error.missing_cfg_file or "").removesuffix(".yaml")
    if wanted == "hydra/launcher/joblib":  # an option that its plugin brings
        return describe_missing_plugin("hydra_joblib_launcher")
    group = max((name for name in groups if wanted.startswith(f"{name}/")), key=len, default=wanted.rpartition("/")[0])
    options = list(groups.get(group, error.options or ()))
    if not options:
        return str(error).splitlines()[0]
    option = wanted.removeprefix(f"{group}/")
    where = re.match(r"In '(.+?)'", str(error))
    source = f" (asked for in {where[1]})" if where and "/" in where[1] and group in groups else ""
    if (renamed := explain_renamed(group, option)) is not None:
        return renamed + source
    own = f"; {wanted}.yaml of your own is found in the folder of --config-dir"
    if Path(f"{wanted}.yaml").is_file():
        return f"{group} has no option '{option}'{source}; add --config-dir=. for {wanted}.yaml of this folder"
    choices = [name for name in options if name != "none"]
    suggestion = did_you_mean(nearest(option, choices)) or f"; the options are {', '.join(options)}{own}"
    return f"{group} has no option '{option}'{source}{suggestion}"


def describe_unknown_key(error: BaseException, dirs: Sequence[Path], argv: Sequence[str]) -> str:
    """``modle=vae`` or ``data.batch_sizee=10``; other refusals keep Hydra's words."""
    found = re.match(r"Could not (?:override|delete from config\.) '(.+?)'", str(error))
    if found is None:
        several = re.match(r"Ambiguous value for argument '((.+?)=(.*?))'", str(error))
        return (
            str(error)
            if several is None
            else (
                f"{several[1]}: several values are a sweep, elbolab train -m {several[1]}; "
                f"a list has brackets, {several[2]}=[{several[3]}]"
            )
        )
    if found[1] in MOVED:
        return f"'{found[1]}' is now '{MOVED[found[1]]}'"
    if renamed := explain_renamed_word(argv):
        return renamed
    key, _, package = found[1].partition("@")
    typed = [word.partition("=")[2] for word in argv if word.lstrip("+~").startswith(f"{key}=")]
    keys = list_keys(dirs, argv, without=found[1], hydra=key.startswith("hydra."))
    choices, groups = read_choices(dirs), groups_of(argv[0], dirs)
    if package in keys and key in choices:
        word = next((word for word in argv if word.startswith(f"{found[1]}=")), f"{found[1]}=...")
        return f"the config has no '{found[1]}' yet: add it with a plus, +{word}"
    if "." in package and key in choices:
        return _suggest_key(package, package, keys, groups, [], dirs)
    group = key.partition(".")[0]
    if group not in (*groups, *keys) and group in choices:
        return _describe_other_group(group, dirs, argv)
    return _suggest_key(key, found[1], keys, groups, typed, dirs)


def _suggest_key(
    key: str, name: str, keys: list[str], groups: dict[str, dict[str, str]], values: list[str], dirs: Sequence[Path]
) -> str:
    """The keys beside it that are alike; else the options that have it; else what is alike anywhere, or beside it."""
    parent, _, last = key.rpartition(".")
    beside = [other for other in [*([] if parent else groups), *keys] if other.rpartition(".")[0] == parent]
    if meant := [group for group in nearest(key, groups) if any(value in groups[group] for value in values)]:
        return f"the config has no '{name}'{did_you_mean(meant)}"
    setters = _find_setters(key.partition(".")[0] if parent else "*", dirs)
    near = nearest_keys(key, [*groups, *keys])
    if last in setters and not any(last_part(other) == last for other in near):
        return f"the config has no '{key}' as composed: it is a key of {' and of '.join(setters[last])}"
    if close := nearest_keys(key, beside):
        return f"the config has no '{name}'{did_you_mean(close)}"
    if parent in groups and (alike := nearest(last, setters, num=1)):
        options = " and of ".join(setters[alike[0]][:3])
        return f"the config has no '{name}'; did you mean '{parent}.{alike[0]}', a key of {options}?"
    listed = f"; the keys there are {', '.join(map(last_part, beside))}" if beside else ""
    return f"the config has no '{name}'{did_you_mean(near) or listed}"


def _find_setters(group: str, dirs: Sequence[Path]) -> dict[str, list[str]]:
    """``group=option`` of the files that set each name, of one group or of all (``*``)."""
    setters: dict[str, list[str]] = {}
    for path in [path for folder in dirs for path in sorted(folder.glob(f"{group}/[!_]*.yaml"))]:
        names = re.findall(r"(?:^|[{,])[ ]*(\w+):", path.read_text(encoding="utf-8"), re.MULTILINE)
        for name in dict.fromkeys(names):
            setters.setdefault(name, []).append(f"{path.parent.name}={path.stem}")
    return setters


def _describe_other_group(group: str, dirs: Sequence[Path], argv: Sequence[str]) -> str:
    """A group that this command's file does not choose from: part of an option, or of another command."""
    wanted = next((word.partition("=")[2] for word in argv if word.startswith(f"{group}=")), "")
    option = nearest(wanted, read_choices(dirs)[group]) or list(read_choices(dirs)[group])
    users = list(_find_users(group, dirs))
    if not users:
        return f"elbolab {argv[0]} has no '{group}': that is chosen when a run is trained"
    choice, package = users[0]
    others = f" ({', '.join(other for other, _ in users[1:])} too)" if users[1:] else ""
    return f"'{group}' is part of other options: type {choice} {group}@{package}={option[0]}{others}"


def _find_users(group: str, dirs: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """``posterior=denoising`` and the package, for every option whose defaults choose from ``group``."""
    for path in [path for folder in dirs for path in sorted(folder.glob("*/*.yaml"))]:
        text = path.read_text(encoding="utf-8")
        name, package = re.search(rf"- /?{group}@([\w.]+):", text), re.search(r"^# @package (\S+)", text)
        if name is not None:
            own = package[1] if package else path.parent.name
            yield f"{path.parent.name}={path.stem}", name[1] if own == "_global_" else f"{own}.{name[1]}"


def describe_no_choice(dirs: Sequence[Path], argv: Sequence[str]) -> str:
    """``model=null``: Hydra's message does not say which."""
    groups = groups_of(argv[0], dirs)
    empty = [word for word in argv if word.partition("=")[2] in ("null", "") and word.partition("=")[0] in groups]
    named = [f"{word} chooses nothing: choose one of {', '.join(groups[word.partition('=')[0]])}" for word in empty]
    return "; ".join(named) or "what is chosen from a group is the name of an option"


def describe_unknown_argument(name: str, message: str, dirs: Sequence[Path], argv: Sequence[str]) -> str:
    """``+data.batch_sizee=10``, or a key in a file, that the class does not take."""
    if f"evaluation.{name}" in MOVED and "Evaluation" in message:
        return f"'evaluation.{name}' is now '{MOVED[f'evaluation.{name}']}'"
    keys = list_keys(dirs, argv)
    others = [word for word in argv if not word.startswith("experiment=")]
    without = list_keys(dirs, others) if len(others) < len(argv) else []
    if key := next((key for key in keys if without and key not in without and last_part(key) == name), None):
        chosen = next((word for word in argv if word.startswith(f"{key.partition('.')[0]}=")), "what is chosen")
        return f"the experiment sets {key}, which {chosen} does not take: leave out one of them, or add ~{key}"
    others = [key for key in list_keys(dirs, argv, without=name) if last_part(key) != name]
    return f"{message.partition(' Did you mean')[0].rstrip('.')}{did_you_mean(nearest_keys(name, others))}"
