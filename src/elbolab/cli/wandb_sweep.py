"""`elbolab wandb-sweep`: the YAML of a W&B sweep, from search spaces in Hydra's syntax."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, final

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from elbolab.config.composing import compose_config
from elbolab.config.errors import explain
from elbolab.config.listing import split_args

METHODS = ("bayes", "grid", "random")
GOALS = {"max": "maximize", "min": "minimize"}

USAGE = """elbolab wandb-sweep KEY=SPACE [KEY=SPACE or KEY=VALUE ...] [--out FILE] [--method METHOD] [--early-stop N]
  spaces:  seed=1,2,3   densities.latent_dim=range(2,20,2)   model.beta=interval(0.5,8)
           'optimizer.lr=tag(log,interval(1e-4,1e-2))'   'densities.latent_dim=int(interval(2,50))'"""


@final
class _Parser(argparse.ArgumentParser):
    """Errors as ours: one message."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"elbolab wandb-sweep: {message}. usage: {USAGE}")


def print_sweep(args: Sequence[str]) -> None:
    """Writes the YAML to ``--out``, or prints it.

    Raises:
        ValueError: no space, one that names no parameter or that W&B has no form for, a method that does not fit.
        FileExistsError: ``--out`` is there already.
    """
    options, overrides = _parsed(args)
    text = yaml.safe_dump(sweep(options, overrides), sort_keys=False, width=120)
    if options.out is None:
        print(text, end="")
        return
    path = Path(options.out)
    if path.exists():
        raise FileExistsError(f"--out {path} is there already: name another file, or remove it")
    path.write_text(text, encoding="utf-8")
    print(f"{path}; begin with: wandb sweep {path}, and then on every machine: wandb agent ID")


def _parsed(args: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = _Parser(prog="elbolab wandb-sweep", usage=USAGE, allow_abbrev=False)
    parser.add_argument("overrides", nargs="*", help="fixed values, and spaces")
    parser.add_argument("--method", choices=METHODS, help="default: grid where every space is a list, else bayes")
    parser.add_argument("--early-stop", type=int, metavar="N", help="hyperband, from the N-th validation on")
    parser.add_argument("--name", help="of the sweep")
    parser.add_argument("--config-dir", "-cd", action="append", default=[], help="a folder with configs of your own")
    parser.add_argument("--out", help="the file to write; default: the terminal")
    options = parser.parse_intermixed_args(list(args))
    return options, options.overrides


def sweep(options: argparse.Namespace, overrides: Sequence[str]) -> dict[str, Any]:
    """The sweep as plain Python.

    Args:
        options: of the command line.
        overrides: fixed values, and spaces.
    """
    read = _read(overrides)
    spaces = {str(o.get_key_element()): o for o in read if o.is_sweep_override()}
    if not spaces:
        raise ValueError(f"nothing to search: give a space. {USAGE}")
    fixed = [o.input_line or "" for o in read if not o.is_sweep_override()]
    if not any(word.startswith("logger=") for word in fixed):
        fixed.append("logger=wandb")
    cfg = _composed(options.config_dir, [*fixed, *(f"{key}={_example(space)}" for key, space in spaces.items())])
    if "wandb" not in cfg.logger:
        raise ValueError("a W&B sweep reads what W&B is told: choose logger=wandb, alone or in a list, or leave it out")
    parameters = {key: parameter(space) for key, space in spaces.items()}
    return _whole(options, cfg, fixed, parameters)


def _whole(
    options: argparse.Namespace, cfg: DictConfig, fixed: Sequence[str], parameters: dict[str, Any]
) -> dict[str, Any]:
    folders = [word for folder in options.config_dir for word in ("--config-dir", str(Path(folder).absolute()))]
    named = {"name": options.name, "project": cfg.logger.wandb.project, "entity": cfg.logger.wandb.entity}
    return {
        "program": "elbolab",
        **{key: value for key, value in named.items() if value is not None},
        "method": _method(options.method, parameters),
        "metric": {"name": cfg.monitor, "goal": GOALS[cfg.mode]},
        **_early_stop(options.early_stop),
        "parameters": parameters,
        "command": ["${env}", "elbolab", "train", *folders, *fixed, "${args_no_hyphens}"],
    }


def parameter(override: Override) -> dict[str, Any]:
    """A space as W&B says it.

    Raises:
        ValueError: W&B has no form for it, or it is empty.
    """
    match override.value():
        case ChoiceSweep() | RangeSweep():
            return {"values": list(_values(override))}
        case IntervalSweep(start=float() | int() as low, end=float() | int() as high, tags=tags):
            if not low < high or ("log" in tags and low <= 0):
                raise ValueError(f"{override.input_line}: an interval goes upwards; a logarithmic one begins above 0")
            whole = isinstance(low, int) and isinstance(high, int)
            return _distribution(whole=whole, log="log" in tags) | {"min": low, "max": high}
    raise ValueError(f"{override.input_line}: W&B has no such space; write a list, range(...) or interval(...)")


def _distribution(*, whole: bool, log: bool) -> dict[str, Any]:
    if log:
        return {"distribution": "q_log_uniform_values", "q": 1} if whole else {"distribution": "log_uniform_values"}
    return {"distribution": "int_uniform" if whole else "uniform"}


def _values(override: Override) -> Iterator[Any]:
    """Numbers as numbers; anything else as Hydra reads it, because the agent writes ``KEY=VALUE`` with Python's str."""
    for text in override.sweep_string_iterator():
        value = OverridesParser.create().parse_override(f"key={text}").value()
        yield value if isinstance(value, int | float) and not isinstance(value, bool) else text


def _example(override: Override) -> Any:
    """One value of a space, to compose with."""
    found = parameter(override)
    return found["values"][0] if "values" in found else found["min"]


def _method(chosen: str | None, parameters: dict[str, Any]) -> str:
    endless = [name for name, space in parameters.items() if "values" not in space]
    if chosen == "grid" and endless:
        raise ValueError(
            f"--method grid needs lists, and {', '.join(endless)} is an interval: write 1,2 or range(1,9,2)"
        )
    return chosen or ("bayes" if endless else "grid")


def _early_stop(first: int | None) -> dict[str, Any]:
    """Hyperband counts how often the metric was logged, and that is at validations."""
    if first is None:
        return {}
    if first < 1:
        raise ValueError(f"--early-stop {first}: the first validation that may end a run is at least 1")
    return {"early_terminate": {"type": "hyperband", "min_iter": first}}


def _read(overrides: Sequence[str]) -> list[Override]:
    try:
        return OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise ValueError(explain(error, split_args([])[0], ["train", *overrides])) from error


def _composed(folders: Sequence[str], overrides: Sequence[str]) -> DictConfig:
    """What `elbolab train` would compose.

    Raises:
        ValueError: it would not.
    """
    dirs = [*split_args([])[0], *map(Path, folders)]
    try:
        return compose_config("train", overrides, dirs)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise ValueError(explain(error, dirs, ["train", *overrides])) from error
