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
    """Trains what is yet to be trained, and loads the weights of all stages into their densities, of the same names.

    Raises:
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
    with _take_turn(run):
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
    """Adds to a stop (Ctrl-C, SIGTERM) which stage was at work, what is kept of it, and how to go on.

    A stop that a stage below has described already, and any other exit, pass unchanged.
    """
    which, run, stop = f"{stage.key} ({stage.cfg.experiment})", stage.run, stop_of(error)
    if stop is None or isinstance(error, Stopped):
        return error
    if run.weights.is_file():
        rest = f" while measuring {which}, which is trained and kept in {run.path}; go on with the same command"
    elif run.last.is_file():
        rest = f" while training {which}; its newest checkpoint is kept in {run.path}; go on with the same command"
    else:
        rest = f" while training {which}, before its first checkpoint: nothing is kept; the same command begins anew"
    return Stopped(stop, rest)


@contextmanager
def _take_turn(run: RunDir) -> Iterator[None]:
    """Until nobody else trains in a directory: other jobs wait for the lock, this job's other ranks join rank 0."""
    beside = run.path.with_name(f".{run.path.name}.lock")
    trainer = run.path.with_name(f".{run.path.name}.job")
    if rank_zero_only.rank != 0:  # type: ignore[attr-defined]
        _follow(run, trainer)
        yield
        return
    lock = FileLock(beside)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _say(f"waiting for {run.path}, where another process trains")
        lock.acquire()
    try:
        trainer.write_text(_name_job(), encoding="utf-8")
        yield
    finally:
        trainer.unlink(missing_ok=True)
        lock.release()


def _follow(run: RunDir, trainer: Path) -> None:
    """Until the stage is there, or rank 0 of this job begins to train it."""
    while not run.weights.is_file() and not (trainer.is_file() and trainer.read_text(encoding="utf-8") == _name_job()):
        time.sleep(POLL)


def _name_job() -> str:
    """A name that all ranks of this job have; the ranks that Lightning starts inherit the first rank's."""
    named = next((os.environ[name] for name in JOBS if os.environ.get(name)), None)
    if named is None:
        named = os.environ["ELBOLAB_JOB"] = uuid.uuid4().hex
    return named


_say = rank_zero_only(log.info)
