"""`elbolab train`: a config becomes a run directory with a trained, measured and pictured model."""

import logging
import sys
import time
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from elbolab.cli.build import build_data, build_densities, build_model, build_trainer, make
from elbolab.cli.evaluate import choose_device, measure
from elbolab.cli.load import load_run
from elbolab.cli.resume import is_resume, resumed_config
from elbolab.cli.run_dir import RunDir, existing, save_weights, write_json, write_start
from elbolab.data.module import DataModule
from elbolab.models.base import ElboModule

log = logging.getLogger(__name__)


def directory_overrides(args: list[str]) -> list[str]:
    """A resumed run goes on in its own directory.

    Raises:
        FileNotFoundError: ``resume=DIR`` names no run directory.
    """
    for path in (a.partition("=")[2] for a in args if is_resume(a)):
        return [f"hydra.run.dir={existing(path).path}"]
    return []


def train(cfg: DictConfig) -> float:
    """The task that Hydra calls; returns the best value of the monitored quantity, for sweepers."""
    cfg = resumed_config(cfg) if cfg.resume else cfg
    cfg = OmegaConf.create(OmegaConf.to_container(cfg, resolve=True))
    run = RunDir(Path(cfg.paths.run))
    torch.distributions.Distribution.set_default_validate_args(False)  # a check on values is a host sync
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    data = build_data(cfg)
    model = build_model(cfg, build_densities(cfg, data.spec))
    best = fit(cfg, run, data, model)
    if rank_zero_only.rank == 0:
        print(measure(load_run(run.path, choose_device(cfg.trainer.accelerator)), data, cfg.evaluation))
    return best


def fit(cfg: DictConfig, run: RunDir, data: DataModule, model: ElboModule) -> float:
    """Trains, from the newest checkpoint where there is one, and exports the best weights."""
    if rank_zero_only.rank == 0 and not cfg.resume:
        write_start(run, cfg, data.spec, sys.argv)
    loggers = [make(node) for node in cfg.logger.values() if node is not None]
    for logger in loggers:
        logger.log_hyperparams(OmegaConf.to_container(cfg))  # type: ignore[arg-type]
    trainer = build_trainer(cfg, loggers)
    log.info("%s", data.describe())
    first, start = 0, time.monotonic()
    trainer.fit(model, data, ckpt_path=str(run.last) if cfg.resume and run.last.is_file() else None)
    if trainer.is_global_zero:
        write_timing(run, trainer, data, time.monotonic() - start, first)
        export(run, model)
    return float(trainer.callback_metrics.get(cfg.monitor, torch.tensor(float("nan"))))


def write_timing(run: RunDir, trainer: L.Trainer, data: DataModule, seconds: float, first: int) -> None:
    """Steps, seconds and images a second of this training, validation and checkpoints included."""
    steps = trainer.global_step - first
    images = steps * data.batch_size * trainer.world_size
    timing = {"steps": steps, "epochs": trainer.current_epoch, "seconds": seconds, "images_per_s": images / seconds}
    write_json(run.timing, timing)


def export(run: RunDir, model: ElboModule) -> None:
    """Writes the weights that validation chose (the newest where it chose none), averaged ones with EMA."""
    path = run.best if run.best.is_file() else run.last
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    model.cpu().load_state_dict(checkpoint["state_dict"])
    if model.ema is not None:
        model.ema.copy(model.ema.shadow(), list(model.densities.parameters()))
    save_weights(run.weights, model.densities)
