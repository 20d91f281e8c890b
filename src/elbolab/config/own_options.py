"""Whether option files of the user's own have the lines without which nothing reads them."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

PACKAGE = re.compile(r"^# @package (\S+)", re.MULTILINE)


def check_own_options(cfg: DictConfig, choices: Mapping[str, Any], words: Sequence[str], dirs: Sequence[Path]) -> None:
    """Refuses a chosen file that lacks a line which elbolab's own files of its group have.

    Args:
        cfg: the composed config.
        choices: the option of every group, as Hydra keeps them.
        words: the overrides; Hydra keeps no list of options, ``cost=[a,b]``.
        dirs: folders with configs, elbolab's own first.
    """
    for group, option in _list_options(choices, words):
        found = [folder / group / f"{option}.yaml" for folder in dirs[1:]]
        for path in filter(Path.is_file, found):
            _check_lines(path, group, dirs[0])
            if group == "model":
                _check_model(path, cfg)


def check_densities(cfg: DictConfig, overrides: Sequence[str], dirs: Sequence[Path]) -> None:
    """Refuses ``densities=recurrent`` beside a model whose file has densities of its own, which come after it."""
    words = {key: value for key, _, value in (override.partition("=") for override in overrides)}
    files = [folder / f"densities/{words.get('densities')}.yaml" for folder in dirs]
    targets = [OmegaConf.select(OmegaConf.load(file), "_target_") for file in files if file.is_file()]
    if targets and "densities._target_" not in words and targets[-1] not in (None, cfg.densities._target_):
        raise ValueError(
            f"densities={words['densities']}: this model has densities of its own, {cfg.densities._target_}: leave it "
            "out, or choose another model"
        )


def _list_options(choices: Mapping[str, Any], words: Sequence[str]) -> Iterator[tuple[str, str]]:
    lists = [word.lstrip("+").partition("=") for word in words]
    several = {key: value.strip("[]").split(",") for key, _, value in lists if value.startswith("[")}
    for key, options in (several | {key: [option] for key, option in choices.items()}).items():
        yield from ((key.partition("@")[0], str(option).strip()) for option in options)


def _check_lines(path: Path, group: str, shipped: Path) -> None:
    text = path.read_text(encoding="utf-8")
    others = [other.read_text(encoding="utf-8") for other in shipped.glob(f"{group}/**/[!_]*.yaml")]
    packages = Counter("".join(PACKAGE.findall(other)[:1]) for other in others)
    package = max(packages, key=lambda name: packages[name], default="")
    is_read = group == "model" and not re.search(r"^model:", text, re.MULTILINE)  # its keys lie in model anyway
    if package and not PACKAGE.search(text) and not is_read:
        raise ValueError(f"{path}: begin the file with '# @package {package}'; without it nothing reads its keys")
    are_recipes = sum("\n_partial_: true" in other for other in others) > len(others) / 2
    is_recipe = re.search(r"^(_partial_: true|defaults:)", text, re.MULTILINE)
    if are_recipes and not is_recipe and re.search(r"^_target_:", text, re.MULTILINE):
        raise ValueError(f"{path}: add the line '_partial_: true'; the shapes that the class takes are known later")


def _check_model(path: Path, cfg: DictConfig) -> None:
    if not cfg.model.get("_target_"):
        raise ValueError(f"{path}: add the class of the model, '_target_: package.module.Name' below 'model:'")
    lacking = [key for key in ("monitor", "mode") if key not in cfg]
    lacking += [f"model.{key}" for key in ("_partial_", "optimizer", "schedule") if key not in cfg.model]
    if lacking:
        raise ValueError(f"{path}: add the line 'defaults: [_base]'; without it the config has no {', '.join(lacking)}")
    if not cfg.model._partial_:
        raise ValueError(f"{path}: leave out '_partial_: false'; the densities that a model takes come later")
