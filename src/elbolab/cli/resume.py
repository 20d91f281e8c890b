"""`elbolab train resume=DIR`: the saved configuration goes on; only what cannot change the experiment may change."""

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from elbolab.cli.run_dir import existing, read_config

MAY_CHANGE = ("trainer", "logger", "callbacks", "evaluation")
"""Nodes whose values a resumed run may set anew: how long, where and what is watched."""


def is_resume(argument: str) -> bool:
    """Whether a command-line argument is ``resume=DIR``."""
    return argument.startswith("resume=") and argument not in ("resume=", "resume=null")


def resumed_config(cfg: DictConfig) -> DictConfig:
    """The configuration of ``cfg.resume`` with this command's overrides.

    Raises:
        ValueError: an override would change the experiment.
        FileNotFoundError: it is no run directory.
    """
    run = existing(cfg.resume)
    saved = read_config(run)
    for override in HydraConfig.get().overrides.task:
        if not is_resume(override):
            _apply(saved, override)
    saved.resume = str(run.path)
    return saved


def _apply(saved: DictConfig, override: str) -> None:
    parsed = OverridesParser.create().parse_override(override)
    root, dot, _ = parsed.key_or_group.partition(".")
    if root not in MAY_CHANGE or not dot:
        raise ValueError(
            f"{parsed.key_or_group} cannot change when a run is resumed: its numbers would be of two experiments. "
            f"Start a new run, or change only values below {', '.join(MAY_CHANGE)}"
        )
    OmegaConf.update(saved, parsed.key_or_group, parsed.value(), merge=True)
