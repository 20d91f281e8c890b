"""Run directories on the command line, looked at before anything heavy is imported.

Hydra reads ``=`` and ``,`` in a value unless it is quoted, and creates the directory that it is told to run in.
"""

from pathlib import Path

PATHS = ("resume", "run", "out")
"""Arguments whose value is a path."""

TAKES_A_WORD = ("--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp", "--cfg", "-c", "--package", "-p")
"""Flags of Hydra that the next word belongs to."""


def quoted(value: str) -> str:
    """``value`` as Hydra reads it literally."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def unquoted(value: str) -> str:
    """What a user may have quoted for Hydra already."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def quote_paths(args: list[str]) -> list[str]:
    """``args`` with the values of ``resume=``, ``run=`` and ``out=`` quoted, so that any path can be given plainly."""
    return [_quote(arg) for arg in args]


def _quote(arg: str) -> str:
    key, equals, value = arg.partition("=")
    if key not in PATHS or not value or value == "null" or value != unquoted(value):
        return arg
    return f"{key}={quoted(value)}"


def flags_first(args: list[str]) -> list[str]:
    """Overrides after flags, each in its order: Hydra's parser reads no override behind a flag that follows one."""
    overrides = [i for i, arg in enumerate(args) if _is_override(arg) and not (i and args[i - 1] in TAKES_A_WORD)]
    flags = [arg for i, arg in enumerate(args) if i not in overrides]
    return [*flags, *(args[i] for i in overrides)]


def _is_override(arg: str) -> bool:
    return not arg.startswith("-") and ("=" in arg or arg.startswith(("+", "~")))


def is_resume(argument: str) -> bool:
    """Whether an argument is ``resume=DIR``."""
    return argument.startswith("resume=") and argument not in ("resume=", "resume=null")


def existing(path: str | Path) -> Path:
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
    """What Hydra must be told so that a resumed run goes on in its own directory.

    Raises:
        FileNotFoundError: ``resume=DIR`` or ``run=DIR`` names no run directory.
        ValueError: a command that needs ``run=DIR`` has none.
    """
    if command == "train":
        resumed = [existing(unquoted(a.partition("=")[2])) for a in args if is_resume(a)]
        return [f"hydra.run.dir={quoted(str(path))}" for path in resumed]
    runs = [existing(unquoted(a.partition("=")[2])) for a in args if a.startswith("run=")]
    if not runs and not any(a.startswith(("--help", "-h", "--cfg", "-c")) for a in args):
        raise ValueError("which run? Add run=DIR, a directory that elbolab train has left")
    return []
