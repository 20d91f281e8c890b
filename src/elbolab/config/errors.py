"""Errors as a user should see them: what is wrong, where, and what was probably meant."""

import re
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Sequence
from errno import ENAMETOOLONG, EROFS
from pathlib import Path
from typing import Any

from elbolab.common.did_you_mean import did_you_mean, last_part, nearest, nearest_keys
from elbolab.common.files import FULL
from elbolab.common.refusal import Refusal, Way, values_of
from elbolab.common.stopping import Stopped, stop_of
from elbolab.config.keys import list_keys
from elbolab.config.listing import groups_of, read_choices, split_args
from elbolab.config.renamed import MOVED, explain_renamed

REFUSING = (EROFS, ENAMETOOLONG)
"""How a system says that a place will never take a file."""

PLUGINS = {"hydra_joblib_launcher": "joblib", "hydra_ray_launcher": "ray"}
"""Plugins of Hydra's, and the extra of elbolab that installs each."""

WITH_PLUGIN = {"hydra/launcher/joblib": "hydra_joblib_launcher"}
"""Options that a plugin brings with it."""


def report(error: BaseException, *, verbose: bool, argv: Sequence[str]) -> int:
    """Prints ``error`` on stderr, the traceback only where asked for, and gives the exit code.

    Args:
        error: what stopped the command.
        verbose: show the traceback.
        argv: the sub-command and its arguments.
    """
    if (stop := stop_of(error)) is not None:
        error = error if isinstance(error, Stopped) else Stopped(stop, None)
        print(error.message, file=sys.stderr)
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if verbose:
        traceback.print_exception(error)
    print(f"error: {explain(error, *split_args(argv))}", file=sys.stderr)
    return 1


def explain(error: BaseException, dirs: Sequence[Path], argv: Sequence[str]) -> str:
    """One clear message for ``error``; see `describe_error`. Of one that nobody foresaw, its type too."""
    return describe_error(error, dirs, argv) or f"{type(error).__name__}: {error} ({_users_line(error)}-v shows where)"


def _users_line(error: BaseException) -> str:
    """``renyi.py:31 in loss; ``, the innermost line of a file that is neither elbolab's nor a library's; or nothing."""
    libraries = (str(Path(__file__).parents[1]), *filter(None, sysconfig.get_paths().values()))
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith((*libraries, "<"))]
    own = [frame for frame in own if "site-packages" not in frame.filename]
    return f"{Path(own[-1].filename).name}:{own[-1].lineno} in {own[-1].name}; " if own else ""


def describe_error(error: BaseException, dirs: Sequence[Path], argv: Sequence[str]) -> str | None:
    """One clear message for an error that a user can do something about; None for any other.

    Args:
        error: what stopped the command.
        dirs: folders with configs, elbolab's own first.
        argv: the sub-command and its arguments, less those that name folders.
    """
    from hydra.errors import (
        ConfigCompositionException,
        HydraException,
        InstantiationException,
        MissingConfigException,
        OverrideParseException,
    )
    from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

    match error:
        case MissingConfigException():
            return _missing_option(error, dirs)
        case OverrideParseException():
            reason = str(error.message).splitlines()[0]
            ways_out = "An override is KEY=VALUE; quote what the shell would split"
            return f"'{error.override}' cannot be read: {reason}. {ways_out}"
        case ConfigCompositionException():
            return _unknown_key(error, dirs, argv)
        case ValueError() if "group override must be a string" in str(error):
            return _no_choice(dirs, argv)
        case MissingMandatoryValue():
            return f"{error.full_key} must be given: add {error.full_key}=... to the command"
        case OmegaConfBaseException():
            key = f" ({error.full_key})" if error.full_key else ""
            return _explain_renamed_word(argv) or str(error).splitlines()[0] + key
        case InstantiationException():
            return _not_built(error, dirs, argv)
        case HydraException():
            return str(error)
        case TypeError() if keyword := re.search(r"unexpected keyword argument '(\w+)'", str(error)):
            return _unknown_argument(keyword[1], str(error), dirs, argv)
        case RuntimeError() if plugin := re.search(r"Unknown plugin class : 'hydra_plugins\.(\w+)", str(error)):
            return _no_plugin(plugin[1])
        case OSError() if error.errno in FULL:
            return f"{error}. Make room; then a sweep goes on as it began, and a run by elbolab train resume=DIR"
        case OSError() if error.errno in REFUSING and error.filename is not None:
            return f"{error.filename} cannot be written: {error.strerror}. Choose another place, or a shorter name"
        case Refusal():
            return sentence_of(error)
        case ValueError() | OSError() | NotImplementedError():
            return str(error)
    return _describe_foreign_error(error)


def _describe_foreign_error(error: BaseException) -> str | None:
    """The message for an error of torch's or Lightning's that a user can do something about, without importing them."""
    if type(error).__name__ == "OutOfMemoryError":
        first = str(error).partition(". ")[0]
        return f"{first}. Choose a smaller data.batch_size, or data.resident=false where the data fill the device"
    if type(error).__name__ == "MisconfigurationException":  # Lightning's, whose text is written for users
        hint = ": choose trainer.accelerator=auto or cpu" if "gpu backend" in str(error) else ""
        return f"{str(error).rstrip('!.')}{hint}"
    return None


def sentence_of(refusal: Refusal) -> str:
    """The reason, and the ways out as overrides: ``choose likelihood=gaussian or laplace``."""
    return refusal.reason + (": " + ", or ".join(map(_override_of, refusal.ways)) if refusal.ways else "")


def _override_of(way: Way) -> str:
    settings = " and ".join(f"{key}={values_of(value)}" for key, value in way.settings.items())
    if not way.group:
        return f"set {settings}"
    return f"choose {way.group}={values_of(way.options)}" + (f" with {settings}" if settings else "")


def check_added(overrides: Sequence[str], dirs: Sequence[Path]) -> None:
    """Refuses ``+key=value`` at the top level, which composes but which nothing reads.

    Args:
        overrides: the command line's overrides.
        dirs: folders with configs.

    Raises:
        ValueError: such a key; names the nearest that exist.
    """
    text = "\n".join(path.read_text(encoding="utf-8") for folder in dirs for path in folder.glob("*.yaml"))
    in_root = re.findall(r"^(?:  - (?:optional )?)?(\w+):", text, re.MULTILINE)
    known = ["hydra", *read_choices(dirs), *in_root]
    for override in overrides:
        key = re.split(r"[@.=]", override.lstrip("+"))[0]
        if override.startswith("+") and key not in known:
            renamed = explain_renamed(key, override.partition("=")[2])
            raise ValueError(renamed or f"'{override}': nothing reads '{key}'{did_you_mean(nearest(key, known))}")


def check_densities(cfg: Any, overrides: Sequence[str], dirs: Sequence[Path]) -> None:
    """Refuses ``densities=recurrent`` beside a model whose file has densities of its own, which come after the option.

    Raises:
        ValueError: the option has no effect.
    """
    from omegaconf import OmegaConf

    chosen = {key: value for key, _, value in (override.partition("=") for override in overrides)}
    files = [folder / f"densities/{chosen.get('densities')}.yaml" for folder in dirs]
    targets = [OmegaConf.select(OmegaConf.load(file), "_target_") for file in files if file.is_file()]
    if targets and "densities._target_" not in chosen and targets[-1] not in (None, cfg.densities._target_):
        raise ValueError(
            f"densities={chosen['densities']}: this model has densities of its own, {cfg.densities._target_}: leave it "
            "out, or choose another model"
        )


def _explain_renamed_word(argv: Sequence[str]) -> str | None:
    """The line for the first word of a command that is written otherwise now; None where there is none."""
    words = (word.lstrip("+~").partition("=") for word in argv)
    return next(filter(None, (explain_renamed(key, value) for key, _, value in words)), None)


def _no_plugin(module: str) -> str:
    """A launcher or sweeper of Hydra's that is not installed."""
    extra = PLUGINS.get(module)
    fix = f"pip install 'elbolab[{extra}]'" if extra else "install the package that has it"
    return f"{module.replace('_', '-')} is not installed: {fix}"


def _missing_option(error: Any, dirs: Sequence[Path]) -> str:
    """``model=vea``, on the command line or in a file's defaults."""
    groups = read_choices(dirs)
    wanted = str(error.missing_cfg_file or "").removesuffix(".yaml")
    if wanted in WITH_PLUGIN:
        return _no_plugin(WITH_PLUGIN[wanted])
    group = max((name for name in groups if wanted.startswith(f"{name}/")), key=len, default=wanted.rpartition("/")[0])
    options = list(groups.get(group, error.options or ()))
    if not options:
        return str(error).splitlines()[0]
    option = wanted.removeprefix(f"{group}/")
    where = re.match(r"In '(.+?)'", str(error))
    source = f" (asked for in {where[1]})" if where and "/" in where[1] and group in groups else ""
    if (renamed := explain_renamed(group, option)) is not None:
        return renamed + source
    return f"{group} has no option '{option}'{source}{_or_all(nearest(option, options), 'options', options)}"


def _or_all(near: list[str], what: str, choices: list[str]) -> str:
    """The nearest, or all where none is near."""
    return did_you_mean(near) or (f"; the {what} are {', '.join(map(last_part, choices))}" if choices else "")


def _unknown_key(error: BaseException, dirs: Sequence[Path], argv: Sequence[str]) -> str:
    """``modle=vae`` or ``data.batch_sizee=10``; other refusals keep Hydra's words."""
    found = re.match(r"Could not (?:override|delete from config\.) '(.+?)'", str(error))
    if found is None:
        several = re.match(r"Ambiguous value for argument '((.+?)=(.*?))'", str(error))
        return _several_values(*several.groups()) if several else str(error)
    if found[1] in MOVED:
        return f"'{found[1]}' is now '{MOVED[found[1]]}'"
    if renamed := _explain_renamed_word(argv):
        return renamed
    key, groups = found[1].partition("@")[0], groups_of(argv[0], dirs)
    group = key.partition(".")[0]
    typed = [word.partition("=")[2] for word in argv if word.lstrip("+~").startswith(f"{key}=")]
    keys = list_keys(dirs, argv, without=found[1], hydra=key.startswith("hydra."))
    if group not in (*groups, *keys) and group in read_choices(dirs):
        return _another_group(group, dirs, argv)
    near = nearest_keys(key, [*groups, *keys])
    owners = _owners(key, dirs)
    if owners and not any(last_part(other) == last_part(key) for other in near):
        return f"the config has no '{key}' as composed: it is a key of {' and of '.join(owners)}"
    meant = [group for group in nearest(key, groups) if any(value in groups[group] for value in typed)]
    siblings = [other for other in keys if other.rpartition(".")[0] == key.rpartition(".")[0]]
    return f"the config has no '{found[1]}'{_or_all(meant or near, 'keys there', siblings)}"


def _several_values(word: str, key: str, values: str) -> str:
    """``seed=1,2`` of a single run."""
    return f"{word}: several values are a sweep, elbolab train -m {word}; a list has brackets, {key}=[{values}]"


def _another_group(group: str, dirs: Sequence[Path], argv: Sequence[str]) -> str:
    """A group that this command's file does not choose from: part of an option, or of another command."""
    wanted = next((word.partition("=")[2] for word in argv if word.startswith(f"{group}=")), "")
    option = nearest(wanted, read_choices(dirs)[group]) or list(read_choices(dirs)[group])
    users = list(_users(group, dirs))
    if not users:
        return f"elbolab {argv[0]} has no '{group}': that is chosen when a run is trained"
    choice, package = users[0]
    others = f" ({', '.join(other for other, _ in users[1:])} too)" if users[1:] else ""
    return f"'{group}' is part of other options: type {choice} {group}@{package}={option[0]}{others}"


def _users(group: str, dirs: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """``posterior=denoising`` and the package, for every option whose defaults choose from ``group``."""
    for folder in dirs:
        for path in sorted(folder.glob("*/*.yaml")):
            text = path.read_text(encoding="utf-8")
            name, package = re.search(rf"- /?{group}@([\w.]+):", text), re.search(r"^# @package (\S+)", text)
            if name is not None:
                own = package[1] if package else path.parent.name
                yield f"{path.parent.name}={path.stem}", name[1] if own == "_global_" else f"{own}.{name[1]}"


def _no_choice(dirs: Sequence[Path], argv: Sequence[str]) -> str:
    """``model=null``: Hydra's message does not say which."""
    groups = groups_of(argv[0], dirs)
    empty = [word for word in argv if word.partition("=")[2] in ("null", "") and word.partition("=")[0] in groups]
    named = [f"{word} chooses nothing: choose one of {', '.join(groups[word.partition('=')[0]])}" for word in empty]
    return "; ".join(named) or "what is chosen from a group is the name of an option"


def _not_built(error: BaseException, dirs: Sequence[Path], argv: Sequence[str]) -> str:
    """What Hydra's instantiation wraps: the error of a class, with the node of the config that asked for it."""
    cause, node = error.__cause__, re.search(r"full_key: (\S+)", str(error))
    place = f"{node[1]}: " if node else ""
    if isinstance(cause, ImportError):
        target = re.search(r"Error (?:locating target|loading) '(.+?)'", f"{error} {cause}")
        name = target[1] if target else str(cause)
        reason = re.search(r"^(\w+)\([\"']?(.+?)[\"']?\)$", str(cause), re.MULTILINE)  # the error of the import
        missing = re.match(r"No module named '(.+?)'", reason[2]) if reason else None
        if reason and not (missing and f"{name}.".startswith(f"{missing[1]}.")):
            why = reason[2] if reason[1] in ("ImportError", "ModuleNotFoundError") else f"{reason[1]}: {reason[2]}"
            return f"{place}{name} cannot be imported: {why}"
        return (
            f"{place}there is no {name}. Write _target_ as package.module.Name; a module of your own is found in the "
            "current folder and in that of --config-dir"
        )
    if cause is None:
        return place + str(error).splitlines()[0]
    message = explain(cause, dirs, argv)
    return message if isinstance(cause, ValueError | OSError | NotImplementedError) else place + message


def _unknown_argument(name: str, message: str, dirs: Sequence[Path], argv: Sequence[str]) -> str:
    """``+data.batch_sizee=10``, or a key in a file, that the class does not take."""
    if f"evaluation.{name}" in MOVED and "Evaluation" in message:
        return f"'evaluation.{name}' is now '{MOVED[f'evaluation.{name}']}'"
    key = _set_by_experiment(name, dirs, argv)
    if key:
        chosen = next((word for word in argv if word.startswith(f"{key.partition('.')[0]}=")), "what is chosen")
        return f"the experiment sets {key}, which {chosen} does not take: leave out one of them, or add ~{key}"
    keys = [key for key in list_keys(dirs, argv, without=name) if last_part(key) != name]
    return f"{message.partition(' Did you mean')[0].rstrip('.')}{did_you_mean(nearest_keys(name, keys))}"


def _set_by_experiment(name: str, dirs: Sequence[Path], argv: Sequence[str]) -> str:
    """The key of that name which is there with the experiment of the command line alone; empty where there is none."""
    others = [word for word in argv if not word.startswith("experiment=")]
    without = list_keys(dirs, others) if len(others) < len(argv) else []
    added = [key for key in list_keys(dirs, argv) if key not in without] if without else []
    return next((key for key in added if last_part(key) == name), "")


def _owners(key: str, dirs: Sequence[Path]) -> list[str]:
    """``group=option`` for the files, of the key's group where it has one, that set its last part."""
    line = re.compile(rf"(?:^|[{{,])\s*{re.escape(last_part(key))}:", re.MULTILINE)
    group = key.partition(".")[0] if "." in key else "*"
    files = [path for folder in dirs for path in sorted(folder.glob(f"{group}/[!_]*.yaml"))]
    return [f"{path.parent.name}={path.stem}" for path in files if line.search(path.read_text(encoding="utf-8"))]
