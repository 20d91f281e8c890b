"""`elbolab train resume=DIR`: the saved configuration goes on; only what cannot change the experiment may change."""

from omegaconf import DictConfig

from elbolab.config.arguments import find_run
from elbolab.config.override import is_within, override, read_overrides
from elbolab.runs.fitted_prior import WIRING
from elbolab.runs.run_dir import RunDir, read_config

TRAINER = (
    *("max_epochs", "max_steps", "max_time", "accelerator", "engine"),
    *("log_every_n_steps", "val_every_n_steps", "check_val_every_n_epoch", "limit_val_batches"),
)
MAY_CHANGE = (*(f"trainer.{name}" for name in TRAINER), "logger", "callbacks", "evaluation")
"""What a resumed run may set anew: how long, where and what is watched. Schedules keep the length they began with."""


def resume_config(cfg: DictConfig) -> DictConfig:
    """The configuration of ``cfg.resume`` with this command's overrides, which may not change the experiment."""
    folder = find_run(cfg.resume)
    saved = read_config(RunDir(folder))
    if saved.densities._target_ == WIRING:
        raise ValueError(
            f"{folder} was not trained, its prior was fitted to the codes of another run: resume that one, which "
            "environment.json names, and fit a prior again"
        )
    given = [o for o in read_overrides() if o.key_or_group != "resume"]
    for change in given:
        if not is_within(change.key_or_group, MAY_CHANGE):
            raise ValueError(
                f"{change.key_or_group} cannot change when a run is resumed: its numbers would be of two experiments. "
                f"Start a new run, or change only {', '.join(MAY_CHANGE)}"
            )
    override(saved, cfg, given)
    saved.resume = str(folder)
    return saved
