"""Rewrites command-line arguments for Hydra and checks run directories in them, before anything slow is imported.

Hydra gives ``=`` and ``,`` in a value a meaning unless the value is quoted, and creates a run directory that does not
exist, so paths are quoted and checked before Hydra reads them.
"""

from pathlib import Path

PATHS = ("resume", "run", "out")
"""Arguments whose value is a path."""

STAGES = "pretrained."
"""Prefix of arguments whose value is a run directory, or an experiment with overrides."""

TAKES_A_WORD = ("--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp", "--cfg", "-c", "--package", "-p")
"""Flags of Hydra whose value is the next word."""


def quote(value: str) -> str:
    """``value`` in quotes, so that Hydra reads it literally."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def unquote(value: str) -> str:
    """``value`` without the quotes that a user may have put around it for Hydra."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def quote_paths(args: list[str]) -> list[str]:
    """Quotes the values that name a run (``resume=``, ``pretrained.m1=``), so that users need not quote paths."""
    return [_quote(arg) for arg in args]


def quote_letters(args: list[str]) -> list[str]:
    """Quotes values with characters outside ASCII, which Hydra's grammar does not accept unquoted.

    Commas separate values, as in a sweep. Values that contain quotes or brackets stay as they are.
    """
    return [_quote_letters(arg) for arg in args]


def _quote_letters(arg: str) -> str:
    key, equals, value = arg.partition("=")
    if value.isascii() or arg.startswith("-") or any(character in value for character in "'\"[]{}()"):
        return arg
    return f"{key}={','.join(part if part.isascii() else quote(part) for part in value.split(','))}"


def _quote(arg: str) -> str:
    key, equals, value = arg.partition("=")
    is_path = key in PATHS or key.lstrip("+").startswith(STAGES)
    if not is_path or not value or value == "null" or value != unquote(value):
        return arg
    return f"{key}={quote(value)}"


def add_stages(args: list[str]) -> list[str]:
    """Prefixes ``pretrained.m1=DIR`` with ``++``, so that the configuration may have the name ``m1`` already or not.

    Raises:
        ValueError: ``pretrained=DIR``, without a name.
    """
    return [_added(arg) for arg in args]


def _added(arg: str) -> str:
    key, equals, value = arg.lstrip("+").partition("=")
    if key == "pretrained" and value[:1] not in ("{", ""):
        raise ValueError(f"{arg}: say what it is to the model: pretrained.NAME=a run directory, or an experiment")
    return f"++{key}={value}" if equals and key.startswith(STAGES) else arg


def put_flags_first(args: list[str]) -> list[str]:
    """Moves flags before overrides: Hydra misses an override behind a flag that follows another override."""
    overrides = [i for i, arg in enumerate(args) if _is_override(arg) and not (i and args[i - 1] in TAKES_A_WORD)]
    flags = [arg for i, arg in enumerate(args) if i not in overrides]
    return [*flags, *(args[i] for i in overrides)]


def _is_override(arg: str) -> bool:
    return not arg.startswith("-") and ("=" in arg or arg.startswith(("+", "~")))


def is_resume(argument: str) -> bool:
    """Whether an argument is ``resume=DIR``."""
    return argument.startswith("resume=") and argument != "resume=null"


def is_multirun(args: list[str]) -> bool:
    """Whether the arguments ask for a sweep."""
    return any(arg in ("-m", "--multirun") for arg in args)


def find_run(path: str | Path) -> Path:
    """The absolute path of a run directory that is one.

    Raises:
        FileNotFoundError: it is none, or a part is missing; names what was looked for, and runs nearby.
    """
    folder = Path(path).resolve()
    missing = [name for name in ("config.yaml", "spec.json") if not (folder / name).is_file()]
    if missing:
        near = sorted(p.parent.parent for p in folder.parent.glob("*/checkpoints/last.ckpt"))[-3:]
        runs = f". Runs beside it: {', '.join(map(str, near))}" if near else ""
        raise FileNotFoundError(f"{path} is no run directory: it has no {' and no '.join(missing)}{runs}")
    return folder


def directory_overrides(command: str, args: list[str]) -> list[str]:
    """Overrides for Hydra with which a resumed run continues in its directory.

    Raises:
        FileNotFoundError: ``resume=DIR`` or ``run=DIR`` names no run directory.
        ValueError: a command that needs ``run=DIR`` has none; more than one directory, or an empty name.
    """
    if command == "train":
        resumed = _named("resume", args)
        return [] if resumed is None else _resuming(resumed, args)
    if command in ("benchmark", "dashboard"):
        return []
    if _named("run", args) is None and not any(a.startswith(("--help", "-h", "--cfg", "-c")) for a in args):
        folder = next((arg for arg in args if Path(arg).is_dir()), "DIR")
        raise ValueError(f"which run? Write run={folder}, a directory that elbolab train has left")
    return []


def _named(key: str, args: list[str]) -> Path | None:
    """The run directory that ``key=DIR`` names; None where there is no such argument."""
    given = [unquote(arg.partition("=")[2]) for arg in args if arg.startswith(f"{key}=") and arg != f"{key}=null"]
    if len(given) > 1:
        raise ValueError(f"{key} is given {len(given)} times ({', '.join(given)}): name one run directory")
    if given == [""]:
        raise ValueError(f"{key}= is empty: name a run directory (a shell variable without a value?)")
    return find_run(given[0]) if given else None


def _resuming(folder: Path, args: list[str]) -> list[str]:
    if is_multirun(args):
        raise ValueError("a resumed run goes on alone: leave out -m, and resume runs one after the other")
    told = [arg.partition("=")[2] for arg in args if arg.lstrip("+").startswith("hydra.run.dir=")]
    if any(Path(unquote(path)).resolve() != folder for path in told):  # other ranks are told the same again
        raise ValueError(f"a resumed run goes on in {folder}: leave out hydra.run.dir, or copy the directory first")
    return [f"hydra.run.dir={quote(str(folder))}"]
