"""The part of a configuration that says what is measured: how it is kept, and what it was before."""

import re
from typing import Any

from omegaconf import DictConfig, OmegaConf

from elbolab.config.paths import config_dir
from elbolab.config.renamed import MOVED

LINK = re.compile(r"\$\{evaluation\.[\w.]+\}")

BEFORE = "elbolab.evaluation.evaluate.evaluate"
"""What was measured then."""


def resolve(cfg: DictConfig) -> DictConfig:
    """A configuration with every interpolation replaced by its value, but for what measures have in common.

    ``evaluation.num_samples`` of a run that is measured again is then that of each of its measures.
    """
    plain: Any = OmegaConf.to_container(cfg, resolve=True)
    measures = OmegaConf.select(cfg, "evaluation.measures")
    if measures is not None:
        linked = _linked(OmegaConf.to_container(measures, resolve=False), plain["evaluation"]["measures"])
        plain["evaluation"]["measures"] = linked
    return OmegaConf.create(plain)


def _linked(raw: Any, value: Any) -> Any:
    if isinstance(raw, dict):
        return {key: _linked(raw[key], value[key]) for key in raw}
    return raw if isinstance(raw, str) and LINK.fullmatch(raw) else value


def renew_evaluation(cfg: Any) -> None:
    """Gives a run of before measures had files of their own today's, with the options that it was measured by."""
    saved = cfg.get("evaluation")
    if saved is None or saved.get("_target_") != BEFORE:
        return
    folder = config_dir() / "evaluation"
    fresh: Any = OmegaConf.load(folder / "default.yaml")
    chosen = [next(iter(entry.items())) for entry in fresh.pop("defaults") if entry != "_self_"]
    for key, name in chosen:
        measure = OmegaConf.load(folder / "measure" / f"{name}.yaml")
        OmegaConf.update(fresh, key.partition("@")[2], measure, force_add=True)
    cfg.evaluation = fresh
    for name, value in saved.items():
        key = f"evaluation.{name}"
        if name not in ("_target_", "_partial_"):
            OmegaConf.update(cfg, MOVED.get(key, key), value, merge=True, force_add=True)
