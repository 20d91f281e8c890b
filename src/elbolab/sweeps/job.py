"""A job of a sweep, in whatever process a launcher has put it: what its directory says decides what is to be done.

A finished job is not done again, one that was interrupted goes on, one that failed begins anew, and an error is
written down instead of ending the sweep. So the same command, given again, completes a sweep under every launcher.
"""

import logging
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import nan
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, ListConfig, OmegaConf

from elbolab.runs.status import DONE, record_failure, state_of
from elbolab.sweeps.ranks import has_work, rank, wait_for_end_of_first_rank
from elbolab.sweeps.session import LAUNCHERS_WITHIN
from elbolab.training.stop_signals import NOTICE, Leave

log = logging.getLogger(__name__)


def run_unless_done(work: Callable[[], float], folder: Path, cfg: DictConfig, overrides: Sequence[str]) -> float:
    """Does a job in its directory, unless it is done; returns its value, NaN where it failed.

    Raises:
        Leave: the machine was wanted back.
        Exception: whatever went wrong in a rank that a cluster has started beside the first.
    """
    goes_on, state = has_work(folder), state_of(folder)
    if state.state in DONE or not goes_on:
        return nan if state.value is None else state.value
    from elbolab.sweeps.fresh_process import pristine

    try:
        check_ranks(cfg)
        with pristine():
            return work()
    except BlockingIOError as error:  # it is another process's
        log.error(error)
    except Exception as error:
        if NOTICE.given is not None:  # what was closed on the way out may have been killed
            raise Leave(NOTICE.given) from error
        log.error(record_error(error, folder, cfg, overrides))
        if rank():  # its process must fail, or the first rank would wait for it
            if not wait_for_end_of_first_rank(folder):
                _log_traceback(error, folder)
            raise
    return nan


def check_ranks(cfg: DictConfig) -> None:
    """Raises ValueError where Lightning would start a job's other ranks with the arguments of the whole sweep."""
    if not has_ranks(cfg) or cfg.trainer.strategy == "ddp_fork":
        return
    if (launcher := HydraConfig.get().runtime.choices.get("hydra/launcher")) in LAUNCHERS_WITHIN:
        raise ValueError(
            f"trainer.devices={cfg.trainer.devices}: hydra/launcher={launcher} runs jobs within the command, where "
            "Lightning cannot start their other ranks; choose hydra/launcher=local or slurm"
        )


def has_ranks(cfg: DictConfig) -> bool:
    """Whether a job is one of several processes on a machine."""
    devices = OmegaConf.select(cfg, "trainer.devices")
    number = len(devices) if isinstance(devices, ListConfig) else devices
    return number is not None and str(number) != "1"


def record_error(error: Exception, folder: Path, cfg: DictConfig, overrides: Sequence[str]) -> str:
    """Writes an error into ``status.json``, and its traceback into ``log.txt``; returns it as a user should see it."""
    from lightning.pytorch.utilities.rank_zero import rank_zero_only

    from elbolab.config.compose import config_folders, isolate_hydra
    from elbolab.config.errors import explain

    dirs = config_folders()
    with isolate_hydra():
        message = explain(error, dirs, ["train", *overrides])
    if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
        record_job_failure(folder, message, cfg, overrides)
        _log_traceback(error, folder)
    return message


def record_job_failure(folder: Path, message: str, cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Writes down that a job has failed, unless a full disk, which may be what ended it, has no room for that."""
    with suppress(OSError):
        record_failure(folder, message, monitor=str(cfg.get("monitor")), mode=str(cfg.get("mode")), overrides=overrides)


def _log_traceback(error: Exception, folder: Path) -> None:
    with suppress(OSError), (folder / "log.txt").open("a", encoding="utf-8") as file:
        traceback.print_exception(error, file=file)
