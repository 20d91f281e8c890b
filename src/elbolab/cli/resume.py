"""`elbolab train resume=DIR`: the saved configuration goes on; only what cannot change the experiment may change."""

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from elbolab.cli.arguments import existing, is_resume
from elbolab.cli.run_dir import RunDir, read_config

TRAINER = (
    "max_epochs",
    "max_steps",
    "max_time",
    "accelerator",
    "log_every_n_steps",
    "val_every_n_steps",
    "check_val_every_n_epoch",
    "limit_val_batches",
)
MAY_CHANGE = (*(f"trainer.{name}" for name in TRAINER), "logger", "callbacks", "evaluation")
"""What a resumed run may set anew: how long, where and what is watched. Schedules keep the length they began with."""


def resumed_config(cfg: DictConfig) -> DictConfig:
    """The configuration of ``cfg.resume`` with this command's overrides.

    Raises:
        ValueError: an override would change the experiment.
        FileNotFoundError: it is no run directory.
    """
    folder = existing(cfg.resume)
    saved = read_config(RunDir(folder))
    for override in HydraConfig.get().overrides.task:
        if not is_resume(override):
            _apply(saved, override)
    saved.resume = str(folder)
    return saved


def _apply(saved: DictConfig, override: str) -> None:
    parsed = OverridesParser.create().parse_override(override)
    key = parsed.key_or_group
    if not any(key == name or key.startswith(f"{name}.") for name in MAY_CHANGE) or "." not in key:
        raise ValueError(
            f"{key} cannot change when a run is resumed: its numbers would be of two experiments. "
            f"Start a new run, or change only {', '.join(MAY_CHANGE)}"
        )
    OmegaConf.update(saved, key, parsed.value(), merge=True)
