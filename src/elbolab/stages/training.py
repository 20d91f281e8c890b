"""Trains the stages that are not there yet, each once however many processes ask for it, and loads them."""

import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig

from elbolab.common.stopping import Stopped, stop_of
from elbolab.densities.base import Densities
from elbolab.runs.run_dir import RunDir, load_weights
from elbolab.runs.stages import Stage, Stages

log = logging.getLogger(__name__)

JOBS = ("ELBOLAB_JOB", "TORCHELASTIC_RUN_ID", "MASTER_PORT", "SLURM_JOB_ID")
"""Environment variables of which the first that is set is the same on all ranks of a job, and on no other job's."""

POLL = 0.2
"""Seconds between looks at what another rank does."""

Train = Callable[[DictConfig, RunDir], object]


def train_missing(stages: Stages, parts: Mapping[str, Densities], train: Train) -> None:
    """Trains what is yet to be trained, and loads the weights of all stages into their densities.

    Args:
        stages: the stages.
        parts: their densities, by the same names.
        train: trains a configuration in a run directory.

    Raises:
        ValueError: weights that do not fit what the configuration builds now.
        Stopped: the user or the machine ended a stage; it says which, and goes on from its newest checkpoint next time.
    """
    for name, stage in stages.items():
        if not stage.run.weights.is_file():
            _pretrain(stage, train)
        try:
            load_weights(stage.run.weights, parts[name])
        except RuntimeError as error:
            raise ValueError(
                f"{stage.key}: the weights in {stage.run.path} are of another model than its configuration builds now: "
                "remove the directory, and it is trained again"
            ) from error


def _pretrain(stage: Stage, train: Train) -> None:
    """Trains a stage, or goes on where it was left, unless another process has done so meanwhile."""
    run = stage.run
    run.path.parent.mkdir(parents=True, exist_ok=True)
    with _turn(run):
        if run.weights.is_file():
            return
        _say(f"{stage.key}: training {stage.cfg.experiment} in {run.path}")
        run.path.mkdir(exist_ok=True)
        stage.cfg.resume = str(run.path) if run.config.is_file() else None
        try:
            train(stage.cfg, run)
        except (KeyboardInterrupt, SystemExit) as error:
            raise _describe_stop(error, stage) from error
        finally:
            if rank_zero_only.rank == 0 and not any(run.path.iterdir()):  # type: ignore[attr-defined]
                run.path.rmdir()


def _describe_stop(error: BaseException, stage: Stage) -> BaseException:
    """Adds to a stop (Ctrl-C, SIGTERM) what was saved of this stage.

    A stop that a stage below has described already, and any other exit, pass unchanged.
    """
    stop = stop_of(error)
    return error if stop is None or isinstance(error, Stopped) else Stopped(stop, _describe_rest(stage))


def _describe_rest(stage: Stage) -> str:
    """Which stage was at work, what is kept of it, and how to go on."""
    which, run = f"{stage.key} ({stage.cfg.experiment})", stage.run
    if run.weights.is_file():
        return f" while measuring {which}, which is trained and kept in {run.path}; go on with the same command"
    if run.last.is_file():
        return f" while training {which}; its newest checkpoint is kept in {run.path}; go on with the same command"
    return f" while training {which}, before its first checkpoint: nothing is kept, and the same command begins anew"


@contextmanager
def _turn(run: RunDir) -> Iterator[None]:
    """Until nobody else trains in a directory: other jobs wait for the lock, this job's other ranks join rank 0."""
    beside = run.path.with_name(f".{run.path.name}.lock")
    trainer = run.path.with_name(f".{run.path.name}.job")
    if rank_zero_only.rank != 0:  # type: ignore[attr-defined]
        _follow(run, trainer)
        yield
        return
    with _waiting_for(beside, run.path):
        trainer.write_text(_job(), encoding="utf-8")
        try:
            yield
        finally:
            trainer.unlink(missing_ok=True)


def _follow(run: RunDir, trainer: Path) -> None:
    """Until the stage is there, or rank 0 of this job begins to train it."""
    while not run.weights.is_file() and not (trainer.is_file() and trainer.read_text(encoding="utf-8") == _job()):
        time.sleep(POLL)


@contextmanager
def _waiting_for(path: Path, folder: Path) -> Iterator[None]:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _say(f"waiting for {folder}, where another process trains")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _job() -> str:
    """A name that all ranks of this job have; the ranks that Lightning starts inherit the first rank's."""
    named = next((os.environ[name] for name in JOBS if os.environ.get(name)), None)
    if named is None:
        named = os.environ["ELBOLAB_JOB"] = uuid.uuid4().hex
    return named


_say = rank_zero_only(log.info)
