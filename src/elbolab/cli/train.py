"""`elbolab train`: a config becomes a run directory with a trained, measured and pictured model."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import lightning as L
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning.pytorch.callbacks import ModelCheckpoint, Timer
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from elbolab.batch import Spec
from elbolab.callbacks.wandb import finish
from elbolab.cli.begin import Begin
from elbolab.cli.build import build_data, build_densities, build_evaluation, build_model, build_parts, build_trainer
from elbolab.cli.checks import check_labels, check_monitors, check_net, check_seed
from elbolab.cli.evaluate import measure
from elbolab.cli.load import load_run, numbers_of
from elbolab.cli.planning import located, planned
from elbolab.cli.pretraining import complete
from elbolab.cli.resume import resumed_config
from elbolab.cli.run_dir import RunDir, cleared, held, save_weights, write_json, write_start
from elbolab.cli.stages import Stages, blanks, keep, kept
from elbolab.cli.values import absolute_paths
from elbolab.data.module import DataModule
from elbolab.distributions.conditional import compile_networks
from elbolab.models.base import ElboModule
from elbolab.training.guard import NotFinite

log_once = rank_zero_only(logging.getLogger(__name__).info)


def train(cfg: DictConfig) -> float:
    """The task that Hydra calls; returns the best value of the monitored quantity, for sweepers."""
    cfg = resolved(cfg)
    torch.distributions.Distribution.set_default_validate_args(False)  # a check on values is a host sync
    return train_in(cfg, RunDir(Path(cfg.paths.run)))


def train_in(cfg: DictConfig, run: RunDir) -> float:
    """Trains and measures a resolved configuration in a run directory; `train`, and each of its stages before it."""
    with numbers_of(cfg), held(run), cleared(run):
        return _train(cfg, run)


def _train(cfg: DictConfig, run: RunDir) -> float:
    L.seed_everything(check_seed(cfg.seed), workers=True, verbose=False)
    data = build_data(cfg)
    check_net(cfg, data.spec)
    goes_on = bool(cfg.resume) and run.last.is_file()  # with the weights of its stages among its own
    stages = kept(run, cfg) if goes_on else planned(cfg, data.spec)
    parts = blanks(stages)
    model = build_model(cfg, build_densities(cfg, data.spec, **parts))
    begin = Begin(lambda: start(run, cfg, data.spec, stages))
    trainer = build_trainer(cfg, begin)
    build_evaluation(cfg, data.spec)  # to find its faults now
    model.configure_optimizers()  # likewise
    log_once(data.describe())  # reads and checks the data
    check_labels(model, data)
    check_monitors(cfg, model, data)
    if not goes_on:  # now that this run's own faults would have shown
        complete(stages, parts, train_in)
    if cfg.compile:
        compile_networks(model)
    value, lines = logged(lambda: fit(cfg, run, data, model, trainer, begin), cfg, trainer)
    trainer.strategy.barrier()  # the weights are written
    told = measure(load_run(run.path, trainer.strategy.root_device), data, cfg)  # on every rank: they share the work
    if trainer.is_global_zero:
        print(told, *lines, sep="\n")
    return value


def start(run: RunDir, cfg: DictConfig, spec: Spec, stages: Stages) -> None:
    """Writes what rebuilds the run, its stages first: a run that has a configuration has begun."""
    keep(run, stages)
    write_start(run, cfg, spec, sys.argv)


def logged(work: Callable[[], float], cfg: DictConfig, trainer: L.Trainer) -> tuple[float, list[str]]:
    """What ``work`` returns, and the closing lines of the loggers, which are finished whatever happens."""
    code, loggers = 1, build_parts(cfg, "logger")
    try:
        trainer.loggers = loggers
        value = work()
        code = 0
    finally:
        lines = finish(loggers, code)  # a live W&B run would be taken over by the next job of a sweep
    return value, lines


def resolved(cfg: DictConfig) -> DictConfig:
    """The config of this run, its own or the resumed one's, with every interpolation replaced by its value."""
    hydra = HydraConfig.get()
    if hydra.mode is RunMode.MULTIRUN and cfg.group is None:
        cfg.group = f"{cfg.name} {Path(hydra.sweep.dir).name}"
    cfg = located(absolute_paths(resumed_config(cfg) if cfg.resume else cfg))
    return OmegaConf.create(OmegaConf.to_container(cfg, resolve=True))  # type: ignore[return-value]


def fit(cfg: DictConfig, run: RunDir, data: DataModule, model: ElboModule, trainer: L.Trainer, begin: Begin) -> float:
    """Trains, from the newest checkpoint where there is one, and exports the best weights.

    Raises:
        NotFinite: training left the finite numbers; names the last good state and the mends.
    """
    for logger in trainer.loggers:
        logger.log_hyperparams(OmegaConf.to_container(cfg))  # type: ignore[arg-type]
    try:
        trainer.fit(model, data, ckpt_path=str(run.last) if cfg.resume and run.last.is_file() else None)
    except NotFinite as error:
        raise NotFinite(_mend(run, error)) from error
    begin.now(trainer)
    if trainer.is_global_zero:
        write_timing(run, trainer, data)
        export(run, model)
    return best_value(trainer, cfg.monitor)


def best_value(trainer: L.Trainer, monitor: str) -> float:
    """The monitored quantity of the best checkpoint, else the last one seen, else NaN."""
    scores = [c.best_model_score for c in trainer.checkpoint_callbacks if isinstance(c, ModelCheckpoint)]
    last = trainer.callback_metrics.get(monitor, torch.tensor(float("nan")))
    return float(next((score for score in scores if score is not None), last))


def _mend(run: RunDir, error: NotFinite) -> str:
    kept = f"; the last good state is {run.last}" if run.last.is_file() else ""
    return (
        f"training left the finite numbers {error}{kept}. "
        "Lower optimizer.lr, clip gradients (model.clip_norm=1) or leave wild steps out (model.skip_norm=1000)"
    )


def write_timing(run: RunDir, trainer: L.Trainer, data: DataModule) -> None:
    """Steps, seconds and images a second of the whole training, validation included and resumes added up."""
    (timer,) = (callback for callback in trainer.callbacks if isinstance(callback, Timer))  # type: ignore[attr-defined]
    seconds, steps = timer.time_elapsed("train"), trainer.global_step
    images = steps * data.batch_size * trainer.world_size
    speed = {"images_per_s": images / seconds} if seconds > 0 else {}
    write_json(run.timing, {"steps": steps, "epochs": trainer.current_epoch, "seconds": seconds} | speed)


def export(run: RunDir, model: ElboModule) -> None:
    """Writes the weights that validation chose (the newest where it chose none), averaged ones with EMA."""
    path = run.best if run.best.is_file() else run.last
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    model.cpu().load_state_dict(checkpoint["state_dict"])
    if model.ema is not None:
        model.ema.copy(model.ema.shadow(), list(model.densities.parameters()))
    save_weights(run.weights, model.densities)
