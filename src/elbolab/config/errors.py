"""Errors as a user should see them: what is wrong, where, and what was probably meant."""

import re
import sys
import sysconfig
import traceback
from collections.abc import Sequence
from errno import ENAMETOOLONG, EROFS
from pathlib import Path

from elbolab.common.did_you_mean import last_part
from elbolab.common.files import FULL
from elbolab.common.refusal import Refusal, Way, values_of
from elbolab.common.stopping import Stopped, stop_of
from elbolab.config.listing import split_args
from elbolab.config.suggest import (
    describe_missing_option,
    describe_missing_plugin,
    describe_no_choice,
    describe_unknown_argument,
    describe_unknown_key,
    explain_renamed_word,
)

REFUSING = (EROFS, ENAMETOOLONG)
"""How a system says that a place will never take a file."""


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
    line = _find_users_line(error)
    return describe_error(error, dirs, argv) or f"{type(error).__name__}: {error} ({line}-v shows where)"


def _find_users_line(error: BaseException) -> str:
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
    from yaml import MarkedYAMLError

    match error:
        case MissingConfigException():
            return describe_missing_option(error, dirs)
        case OverrideParseException():
            reason = str(error.message).splitlines()[0]
            ways_out = "An override is KEY=VALUE; quote what the shell would split"
            return f"'{error.override}' cannot be read: {reason}. {ways_out}"
        case ConfigCompositionException():
            return describe_unknown_key(error, dirs, argv)
        case ValueError() if "group override must be a string" in str(error):
            return describe_no_choice(dirs, argv)
        case MissingMandatoryValue():
            return f"{error.full_key} must be given: add {error.full_key}=... to the command"
        case OmegaConfBaseException():
            key = f" ({error.full_key})" if error.full_key else ""
            return explain_renamed_word(argv) or str(error).splitlines()[0] + key
        case InstantiationException():
            return _describe_failed_node(error, dirs, argv)
        case HydraException():
            return str(error)
        case MarkedYAMLError() if error.problem_mark is not None:
            mark = error.problem_mark
            return f"{mark.name}, line {mark.line + 1}: this is no YAML, {error.problem}; look at its indentation"
        case RuntimeError() if plugin := re.search(r"Unknown plugin class : 'hydra_plugins\.(\w+)", str(error)):
            return describe_missing_plugin(plugin[1])
        case OSError() if error.errno in FULL:
            return f"{error}. Make room; then a sweep goes on as it began, and a run by elbolab train resume=DIR"
        case OSError() if error.errno in REFUSING and error.filename is not None:
            return f"{error.filename} cannot be written: {error.strerror}. Choose another place, or a shorter name"
        case Refusal():
            return sentence_of(error)
        case TypeError():
            return _describe_type_error(error, dirs, argv)
        case ValueError() | OSError() | NotImplementedError():
            return _name_source(str(error), dirs, argv)
    return _describe_foreign_error(error)


def _describe_type_error(error: TypeError, dirs: Sequence[Path], argv: Sequence[str]) -> str | None:
    """Arguments and methods that a class does not have, or lacks."""
    text = str(error)
    if keyword := re.search(r"unexpected keyword argument '(\w+)'", text):
        return describe_unknown_argument(keyword[1], text, dirs, argv)
    if method := re.search(r"Can't instantiate abstract class (\w+) with.* abstract methods? (.+)", text):
        where = _find_own_file(method[1], dirs, argv)
        return f"the class {method[1]}{where} lacks a method that it must have, {method[2]}: write it"
    missing = re.match(r"(\w+)\.__(?:init|new)__\(\) missing .*?: (.+)", text)
    if missing and not _find_users_line(error):
        where = _find_own_file(missing[1], dirs, argv)
        return f"the class {missing[1]} needs {missing[2]}: add it to the file that names the class{where}"
    return None


def _describe_foreign_error(error: BaseException) -> str | None:
    """The message for an error of torch's or Lightning's that a user can do something about, without importing them."""
    if type(error).__name__ == "OutOfMemoryError":
        first = str(error).partition(". ")[0]
        return f"{first}. Choose a smaller data.batch_size, or data.resident=false where the data fill the device"
    if type(error).__name__ == "MisconfigurationException":  # Lightning's, whose text is written for users
        hint = ": choose trainer.accelerator=auto or cpu" if "gpu backend" in str(error) else ""
        return f"{str(error).rstrip('!.')}{hint}"
    return None


def _name_source(message: str, dirs: Sequence[Path], argv: Sequence[str]) -> str:
    """The message with what the user has written: ``mlp.hidden=[0]`` of ``net.hidden``, or the file of a class."""
    if (part := re.match(r"optimizer: (.+)", message, re.DOTALL)) is not None:
        return f"{_list_typed('optimizer', part[1], argv) or 'optimizer'}: {part[1]}"
    found = re.match(r"([\w.]+)=(.*?): ", message)
    if found is None:
        return message
    if last_part(found[1]) == "_target_":
        return f"{found[1]}={found[2]}{_find_own_file(found[2], dirs, argv)}: {message.removeprefix(found[0])}"
    typed = dict(_split_override(word) for word in argv)
    same = [key for key in typed if last_part(key) == last_part(found[1])]
    meant = [key for key in same if typed[key].replace(" ", "") == found[2].replace(" ", "")]
    return message if found[1] in typed or not meant else meant[-1] + message.removeprefix(found[1])


def _find_own_file(name: str, dirs: Sequence[Path], argv: Sequence[str]) -> str:
    """`` (in model/iwae.yaml)``, the file of the user's that names a class, one that is chosen first; or nothing."""
    files = [path for folder in dirs[1:] for path in sorted(folder.glob("*/*.yaml")) if path.name != "config.yaml"]
    names = re.compile(rf"_target_: ([\w.]+\.)?{re.escape(name)}(?![\w.])")
    own = [path for path in files if names.search(path.read_text(encoding="utf-8"))]
    words = [_split_override(word) for word in argv]
    chosen = [path for path in own if any(path.stem in re.split(r"\W+", v) for k, v in words if k == path.parent.name)]
    return f" (in {(chosen or own)[0]})" if own else ""


def _list_typed(part: str, reason: str, argv: Sequence[str]) -> str:
    """The overrides of a part, ``optimizer.lr=-1``: those that a message of torch's or Lightning's is about, or all."""
    typed = [word for word in argv if _split_override(word)[0].rpartition(".")[0].endswith(part)]
    words = re.findall(r"[-\w.]+", reason)
    named = [word for word in typed if {last_part(_split_override(word)[0]), _split_override(word)[1]} & set(words)]
    return ", ".join(named or typed)


def _split_override(word: str) -> tuple[str, str]:
    key, _, value = word.lstrip("+").partition("=")
    return key, value


def _describe_failed_node(error: BaseException, dirs: Sequence[Path], argv: Sequence[str]) -> str:
    """What Hydra's instantiation wraps: the error of a class, with the node of the config that asked for it."""
    cause, node = error.__cause__, re.search(r"full_key: (\S+)", str(error))
    place = f"{node[1]}: " if node else ""
    if isinstance(cause, ImportError):
        return place + _describe_import_error(error, cause)
    if cause is None:
        return place + str(error).splitlines()[0]
    message = explain(cause, dirs, argv)
    if place == "trainer: " and "trainer" not in message and (typed := _list_typed("trainer", str(cause), argv)):
        return f"{typed}: {describe_error(cause, dirs, argv) or cause}"
    if not isinstance(cause, ValueError | OSError | NotImplementedError):
        return place + message
    return _name_source(f"{node[1]}.{message}", dirs, argv) if node and re.match(r"\w+=", message) else message


def _describe_import_error(error: BaseException, cause: ImportError) -> str:
    """A ``_target_`` that is not there, or whose module cannot be imported."""
    target = re.search(r"Error (?:locating target|loading) '(.+?)'", f"{error} {cause}")
    name = target[1] if target else str(cause)
    reason = re.search(r"^(\w+)\([\"']?(.+?)[\"']?\)$", str(cause), re.MULTILINE)  # the error of the import
    missing = re.match(r"No module named '(.+?)'", reason[2]) if reason else None
    if reason and not (missing and f"{name}.".startswith(f"{missing[1]}.")):
        why = reason[2] if reason[1] in ("ImportError", "ModuleNotFoundError") else f"{reason[1]}: {reason[2]}"
        return f"{name} cannot be imported: {why}"
    return (
        f"there is no {name}. Write _target_ as package.module.Name; a module of your own is found in the current "
        "folder and in that of --config-dir"
    )


def sentence_of(refusal: Refusal) -> str:
    """The reason, and the ways out as overrides: ``choose likelihood=gaussian or laplace``."""
    return refusal.reason + (": " + ", or ".join(map(_describe_way, refusal.ways)) if refusal.ways else "")


def _describe_way(way: Way) -> str:
    settings = " and ".join(f"{key}={values_of(value)}" for key, value in way.settings.items())
    if not way.group:
        return f"set {settings}"
    return f"choose {way.group}={values_of(way.options)}" + (f" with {settings}" if settings else "")
