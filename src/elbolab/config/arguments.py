"""Rewrites command-line arguments for Hydra and checks run directories in them, before anything slow is imported.

Hydra gives ``=`` and ``,`` in a value a meaning unless the value is quoted, and creates a run directory that does not
exist, so paths are quoted and checked before Hydra reads them.
"""

from collections.abc import Sequence
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


def quote_values(args: list[str]) -> list[str]:
    """Quotes what Hydra would not read as it is: paths, but of a sweep, and characters outside ASCII."""
    return [_quote_letters(arg if is_multirun(args) else _quote_path(arg)) for arg in args]


def _quote_path(arg: str) -> str:
    """``resume='DIR'``, ``pretrained.m1='DIR'``."""
    key, _, value = arg.partition("=")
    is_path = key in PATHS or key.lstrip("+").startswith(STAGES)
    return f"{key}={quote(value)}" if is_path and value not in ("", "null") and value == unquote(value) else arg


def _quote_letters(arg: str) -> str:
    """Commas separate values, as in a sweep. Values that contain quotes or brackets stay as they are."""
    key, _, value = arg.partition("=")
    if value.isascii() or arg.startswith("-") or any(character in value for character in "'\"[]{}()"):
        return arg
    return f"{key}={','.join(part if part.isascii() else quote(part) for part in value.split(','))}"


def add_stages(args: list[str]) -> list[str]:
    """Prefixes ``pretrained.m1=DIR`` with ``++``, so that the configuration may have the name ``m1`` already or not."""
    return [_add_stage(arg) for arg in args]


def _add_stage(arg: str) -> str:
    key, equals, value = arg.lstrip("+").partition("=")
    if key == "pretrained" and value[:1] not in ("{", ""):
        raise ValueError(f"{arg}: say what it is to the model: pretrained.NAME=a run directory, or an experiment")
    return f"++{key}={value}" if equals and key.startswith(STAGES) else arg


def check_dashes(args: Sequence[str]) -> None:
    """Refuses ``config-dir=DIR``, which Hydra takes for an override of the configuration."""
    for arg in args:
        flag = f"--{arg.partition('=')[0].replace('_', '-')}"
        if flag in TAKES_A_WORD and "=" in arg:
            in_python = f"; in Python: config_dir={arg.partition('=')[2]!r}" if flag == "--config-dir" else ""
            raise ValueError(f"{arg} is a flag, and a flag has dashes: {flag}={arg.partition('=')[2]}{in_python}")


def put_flags_first(args: list[str]) -> list[str]:
    """Moves flags before overrides: Hydra misses an override behind a flag that follows another override."""

    def is_override(arg: str) -> bool:
        return not arg.startswith("-") and ("=" in arg or arg.startswith(("+", "~")))

    overrides = [i for i, arg in enumerate(args) if is_override(arg) and not (i and args[i - 1] in TAKES_A_WORD)]
    return [*(arg for i, arg in enumerate(args) if i not in overrides), *(args[i] for i in overrides)]


def is_multirun(args: list[str]) -> bool:
    """Whether the arguments ask for a sweep."""
    return any(arg in ("-m", "--multirun") for arg in args)


def find_run(path: str | Path) -> Path:
    """The absolute path of a run directory that is one.

    Raises:
        FileNotFoundError: it is none, or a part is missing; names what was looked for, and runs below or beside it.
    """
    folder = Path(path).resolve()
    missing = [name for name in ("config.yaml", "spec.json") if not (folder / name).is_file()]
    if not missing:
        return folder
    below = _list_runs(folder, depth=3)
    near = below or _list_runs(folder.parent, depth=1)
    listed = f". Runs {'in' if below else 'beside'} it, newest first: {', '.join(map(str, near[:3]))}" if near else ""
    more = f" and {len(near) - 3} more" if len(near) > 3 else ""
    raise FileNotFoundError(f"{path} is no run directory: it has no {' and no '.join(missing)}{listed}{more}")


def _list_runs(folder: Path, depth: int) -> list[Path]:
    """The runs that many levels below a folder, the newest first; stages are left out."""
    specs = [spec for level in range(1, depth + 1) for spec in folder.glob("*/" * level + "spec.json")]
    runs = [spec.parent for spec in specs if "pretrained" not in spec.relative_to(folder).parts]
    begun = [run for run in runs if (run / "config.yaml").is_file()]
    return sorted(begun, key=lambda run: (run / "config.yaml").stat().st_mtime, reverse=True)


def directory_overrides(command: str, args: list[str]) -> list[str]:
    """Overrides for Hydra with which a resumed run continues in its directory; ``run=DIR`` is looked at too."""
    if command == "train":
        resumed = _find_named_run("resume", args)
        return [] if resumed is None else _stay_in(resumed, args)
    shows = any(arg.startswith(("--help", "-h", "--cfg", "-c")) for arg in args)
    if command not in ("benchmark", "dashboard") and _find_named_run("run", args) is None and not shows:
        folder = next((arg for arg in args if Path(arg).is_dir()), "DIR")
        raise ValueError(f"which run? Write run={folder}, a directory that elbolab train has left")
    return []


def _find_named_run(key: str, args: list[str]) -> Path | None:
    """The run directory that ``key=DIR`` names; None where there is no such argument."""
    given = [unquote(arg.partition("=")[2]) for arg in args if arg.startswith(f"{key}=") and arg != f"{key}=null"]
    if len(given) > 1:
        raise ValueError(f"{key} is given {len(given)} times ({', '.join(given)}): name one run directory")
    if given == [""]:
        raise ValueError(f"{key}= is empty: name a run directory (a shell variable without a value?)")
    return find_run(given[0]) if given else None


def _stay_in(folder: Path, args: list[str]) -> list[str]:
    """The override of Hydra's run directory."""
    if is_multirun(args):
        raise ValueError("a resumed run goes on alone: leave out -m, and resume runs one after the other")
    paths = [arg.partition("=")[2] for arg in args if arg.lstrip("+").startswith("hydra.run.dir=")]
    if any(Path(unquote(path)).resolve() != folder for path in paths):  # other ranks get the same again
        raise ValueError(f"a resumed run goes on in {folder}: leave out hydra.run.dir, or copy the directory first")
    return [f"hydra.run.dir={quote(str(folder))}"]
