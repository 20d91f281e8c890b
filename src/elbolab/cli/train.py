"""`elbolab train`: a config becomes a run directory with a trained, measured and pictured model."""

import logging
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning.pytorch.callbacks import ModelCheckpoint, Timer
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig
from torch import nn

from elbolab.callbacks.begin import Begin
from elbolab.callbacks.prune import was_pruned
from elbolab.cli.boards import attach_loggers, conclude, title_of
from elbolab.cli.checks import (
    check_compiler,
    check_labels,
    check_measures,
    check_monitors,
    check_net,
    check_seed,
    warn_of_density,
    warn_of_scales,
)
from elbolab.cli.divergence import describe_remedy
from elbolab.cli.evaluate import measure
from elbolab.cli.resume import resume_config
from elbolab.common.files import write_json
from elbolab.config.build import build_data, build_densities, build_evaluation, build_model, build_trainer
from elbolab.config.values import absolute_paths, resolve
from elbolab.data.module import DataModule
from elbolab.distributions.conditional import Head
from elbolab.evaluation.evaluate import Evaluation
from elbolab.models.base import ElboModule
from elbolab.runs import run_dir, status
from elbolab.runs.load import load_run, numbers_of
from elbolab.runs.run_dir import RunDir
from elbolab.runs.same_data import check_unchanged
from elbolab.runs.stages import Stages, build_stages, load_stages, save_stages
from elbolab.search.pruning import build_pruning
from elbolab.stages.planning import plan_stages, resolve_paths
from elbolab.stages.training import train_missing
from elbolab.training.ema import averaged
from elbolab.training.guard import NotFinite
from elbolab.training.stop_signals import NOTICE
from elbolab.training.trainer import together

MACHINE = (OSError, MemoryError, torch.OutOfMemoryError, torch.AcceleratorError)
"""Errors that are not of the run: a full disk, the end of another rank, a neighbour on the GPU, its hardware."""

log_once = rank_zero_only(logging.getLogger(__name__).info)


def train(cfg: DictConfig) -> float:
    """The task that Hydra calls; returns the best value of the monitored quantity, for sweepers."""
    cfg, hydra = resolve_config(cfg), HydraConfig.get()
    run, is_new = RunDir(Path(cfg.paths.run)), hydra.mode is RunMode.MULTIRUN and not cfg.resume
    torch.distributions.Distribution.set_default_validate_args(False)  # a check on values is a host sync
    with run_dir.acquire_run(run):
        if is_new:
            run_dir.clear_run(run)
        elif not cfg.resume:
            run_dir.check_free(run)
        return _train_in(cfg, run, list(hydra.overrides.task))


def train_stage(cfg: DictConfig, run: RunDir) -> float:
    """Trains and measures a stage of a run, from its resolved configuration."""
    with run_dir.acquire_run(run):
        return _train_in(cfg, run, [])


def _train_in(cfg: DictConfig, run: RunDir, overrides: Sequence[str]) -> float:
    """Trains and measures in a directory whose lock this process holds, and keeps ``status.json``."""
    with numbers_of(cfg), run_dir.discard_unless_begun(run):
        return _keep_status(cfg, run, overrides)


def _keep_status(cfg: DictConfig, run: RunDir, overrides: Sequence[str]) -> float:
    if rank_zero_only.rank != 0:  # type: ignore[attr-defined]
        return _train(cfg, run)[1]
    earlier = status.read_status(run.path)
    if cfg.resume and earlier is not None:
        overrides = earlier["overrides"]  # what the table of a search tells its trials apart by
    epochs = cfg.trainer.max_epochs
    status.record_start(run.path, monitor=cfg.monitor, mode=cfg.mode, epochs=epochs, overrides=overrides)
    try:
        with together():
            state, value, lines = _train(cfg, run)
    except BaseException as error:
        with suppress(OSError):  # a full disk is what ended it
            if earlier is not None and earlier["state"] == "finished" and not status.has_stepped(run.path):
                write_json(run.path / status.STATUS, earlier)  # a refused resume leaves the run as it was
            else:
                status.record_end(run.path, *_state_after(error, cfg, run))
        raise
    status.record_end(run.path, state, value=value)
    for line in lines:
        print(line)
    return value


def _state_after(error: BaseException, cfg: DictConfig, run: RunDir) -> tuple[str, str | None]:
    """The state of a run that an error ended.

    One that failed begins anew when its sweep is repeated. What is on disk is still good where training had ended, had
    been taken up again without a step since, or where its machine failed it. Such a run goes on; one that lacks its
    data says so each time, and keeps what it has.
    """
    if NOTICE.given is not None:  # whatever went wrong did so on the way out
        return "interrupted", None
    state, message = status.describe_end(error)
    is_good = run.weights.is_file() or (bool(cfg.resume) and not status.has_stepped(run.path))
    is_good = is_good or (run.newest is not None and isinstance(error, MACHINE))
    return "interrupted" if is_good and not isinstance(error, NotFinite) else state, message


def _train(cfg: DictConfig, run: RunDir) -> tuple[str, float, list[str]]:
    """Trains, and measures what was not pruned; the state that the run ends in, its value, and what there is to say."""
    if cfg.compile:
        check_compiler()
    L.seed_everything(check_seed(cfg.seed), workers=True, verbose=False)
    data = build_data(cfg)
    if cfg.resume:
        check_unchanged(run, data, "Put them back, or start a new run")
    check_net(cfg, data.spec)
    goes_on = bool(cfg.resume) and run.newest is not None  # with the weights of its stages among its own
    stages = load_stages(run, cfg) if goes_on else plan_stages(cfg, data.spec)
    parts = build_stages(stages)
    model = build_model(cfg, build_densities(cfg, data.full_spec, **parts))
    begin = Begin(lambda: start(run, cfg, data, stages))
    trainer = build_trainer(cfg, [begin, *build_pruning(run.path, cfg.monitor)])
    evaluation = build_evaluation(cfg, data.spec)  # to find its faults now
    model.configure_optimizers()  # likewise
    log_once(data.describe())  # reads and checks the data
    warn_of_scales(cfg, data)
    check_labels(model, data)
    check_monitors(cfg, model, data)
    warn_of_density(model, data)
    if isinstance(evaluation, Evaluation):  # one of the user's own has no measures that could be tried
        check_measures(evaluation, model.densities, data)
    if not goes_on:  # now that this run's own faults would have shown
        train_missing(stages, parts, train_stage)
    if cfg.compile:
        compile_networks(model)
    with attach_loggers(cfg, run, trainer, goes_on=goes_on) as lines:
        value = fit(cfg, run, data, model, trainer, begin)
        trainer.strategy.barrier()  # the weights are written
        if was_pruned(trainer):
            return "pruned", value, []
        trained = load_run(run.path, trainer.strategy.root_device)
        summary, failure = measure(trained, data, cfg)  # on every rank: they share the work
        conclude(run, trainer, cfg.monitor, value)
        if failure is not None:
            print(summary)
            raise failure
    return "finished", value, [summary, *lines]


def compile_networks(module: nn.Module, **options: Any) -> None:
    """`torch.compile` for the network of every head within ``module``, in place: names of weights stay.

    Not the LightningModule, whose hooks it would break. It happens when they are first called, and again for another
    shape.
    """
    for part in module.modules():
        if isinstance(part, Head):
            part.net.compile(**options)


def start(run: RunDir, cfg: DictConfig, data: DataModule, stages: Stages) -> None:
    """Writes what rebuilds the run, its stages first: a run that has a configuration has begun."""
    save_stages(run, stages)
    hydra = HydraConfig.get()  # of a job of a sweep, the command that does the same alone
    words = hydra.overrides.task if hydra.mode is RunMode.MULTIRUN else sys.argv[1:]
    run_dir.write_start(run, cfg, data, ["elbolab", "train", *words])


def resolve_config(cfg: DictConfig) -> DictConfig:
    """The config of this run, its own or the resumed one's, with every interpolation replaced by its value."""
    hydra = HydraConfig.get()
    if hydra.mode is RunMode.MULTIRUN:
        cfg = _resolve_job(cfg, Path(hydra.runtime.output_dir), Path(hydra.sweep.dir))
    elif cfg.resume:
        cfg = resume_config(cfg)
    cfg = resolve_paths(absolute_paths(cfg))
    return resolve(cfg)


def _resolve_job(cfg: DictConfig, folder: Path, sweep: Path) -> DictConfig:
    """The config of a job: the saved one where it goes on. All jobs share a group, and so do their repetitions."""
    if status.can_go_on(folder):
        cfg = run_dir.read_config(RunDir(folder))
        cfg.resume = str(folder)
        return cfg
    if cfg.group is None:
        cfg.group = sweep.absolute().name
    if cfg.title == cfg.name:
        cfg.title = title_of(cfg.name, sweep, HydraConfig.get().overrides.task)
    return cfg


def fit(cfg: DictConfig, run: RunDir, data: DataModule, model: ElboModule, trainer: L.Trainer, begin: Begin) -> float:
    """Trains, from the newest checkpoint where there is one, and exports the best weights."""
    try:
        with NOTICE.deferred():
            trainer.fit(model, data, ckpt_path=run.newest if cfg.resume else None)
    except NotFinite as error:
        raise NotFinite(_describe_divergence(error, cfg, run, data, trainer)) from error
    begin.write_once(trainer)
    if trainer.is_global_zero:
        write_timing(run, trainer, data)
        export(run, model)
    return best_value(trainer, cfg.monitor)


def best_value(trainer: L.Trainer, monitor: str) -> float:
    """The monitored quantity of the best checkpoint, else the last one seen, else NaN."""
    scores = [c.best_model_score for c in trainer.checkpoint_callbacks if isinstance(c, ModelCheckpoint)]
    last = trainer.callback_metrics.get(monitor, torch.tensor(float("nan")))
    return float(next((score for score in scores if score is not None), last))


def _describe_divergence(error: NotFinite, cfg: DictConfig, run: RunDir, data: DataModule, trainer: L.Trainer) -> str:
    """Where training diverged, what is kept, and what to do."""
    kept = f"; the last good state is {run.last}" if run.last.is_file() else ""
    logged = trainer.callback_metrics.items()
    means = {name.removeprefix("train/"): float(value) for name, value in logged if name.startswith("train/")}
    return f"training diverged {error}{kept}. {describe_remedy(error, cfg, data.spec, data.splits, means)}"


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
        model.ema.copy(model.ema.shadow(), averaged(model.densities))
    run_dir.save_weights(run.weights, model.densities)
