"""`elbolab wandb-sweep`: the YAML of a W&B sweep, from search spaces in Hydra's syntax."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, final

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from elbolab.config.compose import compose_config
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
    parser = _Parser(prog="elbolab wandb-sweep", usage=USAGE, allow_abbrev=False)
    parser.add_argument("overrides", nargs="*", help="fixed values, and spaces")
    parser.add_argument("--method", choices=METHODS, help="default: grid where every space is a list, else bayes")
    parser.add_argument("--early-stop", type=int, metavar="N", help="hyperband, from the N-th validation on")
    parser.add_argument("--name", help="of the sweep")
    parser.add_argument("--config-dir", "-cd", action="append", default=[], help="a folder with configs of your own")
    parser.add_argument("--out", help="the file to write; default: the terminal")
    options = parser.parse_intermixed_args(list(args))
    text = yaml.safe_dump(sweep(options), sort_keys=False, width=120)
    if options.out is None:
        print(text, end="")
        return
    path = Path(options.out)
    if path.exists():
        raise FileExistsError(f"--out {path} is there already: name another file, or remove it")
    path.write_text(text, encoding="utf-8")
    print(f"{path}; begin with: wandb sweep {path}, and then on every machine: wandb agent ID")


def sweep(options: argparse.Namespace) -> dict[str, Any]:
    """The sweep that the command line describes, as plain Python."""
    folders = [*split_args([])[0], *map(Path, options.config_dir)]
    try:
        overrides = OverridesParser.create().parse_overrides(options.overrides)
        spaces = {str(o.get_key_element()): o for o in overrides if o.is_sweep_override()}
        if not spaces:
            raise ValueError(f"nothing to search: give a space. {USAGE}")
        parameters = {key: parameter(space) for key, space in spaces.items()}
        fixed = [o.input_line or "" for o in overrides if not o.is_sweep_override()]
        if not any(word.startswith("logger=") for word in fixed):
            fixed.append("logger=wandb")
        example = {key: space["values"][0] if "values" in space else space["min"] for key, space in parameters.items()}
        words = [*fixed, *(f"{key}={value}" for key, value in example.items())]
    except HydraException as error:
        raise ValueError(explain(error, folders, ["train", *options.overrides])) from error
    try:  # what `elbolab train` would compose
        cfg = compose_config("train", words, folders)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise ValueError(explain(error, folders, ["train", *words])) from error
    if "wandb" not in cfg.logger:
        raise ValueError("a W&B sweep reads what W&B is told: choose logger=wandb, alone or in a list, or leave it out")
    named = {"name": options.name, "project": cfg.logger.wandb.project, "entity": cfg.logger.wandb.entity}
    added = [word for folder in options.config_dir for word in ("--config-dir", str(Path(folder).absolute()))]
    return {
        "program": "elbolab",
        **{key: value for key, value in named.items() if value is not None},
        "method": _choose_method(options.method, parameters),
        "metric": {"name": cfg.monitor, "goal": GOALS[cfg.mode]},
        **_early_stop(options.early_stop),
        "parameters": parameters,
        "command": ["${env}", "elbolab", "train", *added, *fixed, "${args_no_hyphens}"],
    }


def parameter(override: Override) -> dict[str, Any]:
    """A space as W&B says it.

    Raises:
        ValueError: W&B has no form for it, or it is empty.
    """
    match override.value():
        case ChoiceSweep() | RangeSweep():
            return {"values": [_parse_value(text) for text in override.sweep_string_iterator()]}
        case IntervalSweep(start=float() | int() as low, end=float() | int() as high, tags=tags):
            if not low < high or ("log" in tags and low <= 0):
                raise ValueError(f"{override.input_line}: an interval goes upwards; a logarithmic one begins above 0")
            whole, log = isinstance(low, int) and isinstance(high, int), "log" in tags
            if whole and log:
                return {"distribution": "q_log_uniform_values", "q": 1, "min": low, "max": high}
            name = "log_uniform_values" if log else "int_uniform" if whole else "uniform"
            return {"distribution": name, "min": low, "max": high}
    raise ValueError(f"{override.input_line}: W&B has no such space; write a list, range(...) or interval(...)")


def _parse_value(text: str) -> int | float | str:
    """Numbers as numbers; anything else as Hydra reads it, because the agent writes ``KEY=VALUE`` with Python's str."""
    value = OverridesParser.create().parse_override(f"key={text}").value()
    return value if isinstance(value, int | float) and not isinstance(value, bool) else text


def _choose_method(method: str | None, parameters: dict[str, Any]) -> str:
    endless = [name for name, space in parameters.items() if "values" not in space]
    if method == "grid" and endless:
        raise ValueError(
            f"--method grid needs lists, and {', '.join(endless)} is an interval: write 1,2 or range(1,9,2)"
        )
    return method or ("bayes" if endless else "grid")


def _early_stop(first: int | None) -> dict[str, Any]:
    """Hyperband counts how often the metric was logged, and that is at validations."""
    if first is None:
        return {}
    if first < 1:
        raise ValueError(f"--early-stop {first}: the first validation that may end a run is at least 1")
    return {"early_terminate": {"type": "hyperband", "min_iter": first}}
