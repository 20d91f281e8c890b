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
from elbolab.sweeps.parent import WITHIN
from elbolab.sweeps.ranks import follow, outlive, rank
from elbolab.training.stop_signals import NOTICE, Leave

log = logging.getLogger(__name__)


def job(work: Callable[[], float], folder: Path, cfg: DictConfig, overrides: Sequence[str]) -> float:
    """Does a job, unless it is done; returns its value, NaN where it failed.

    Args:
        work: trains in ``folder``: goes on there, or begins anew.
        folder: the job's directory.
        cfg: its composed configuration.
        overrides: its overrides.

    Raises:
        Leave: the machine was wanted back.
        Exception: whatever went wrong in a rank that a cluster has started beside the first.
    """
    goes_on, state = follow(folder), state_of(folder)
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
        log.error(_recorded(error, folder, cfg, overrides))
        if rank():  # its process must fail, or the first rank would wait for it
            if not outlive(folder):
                _logged(error, folder)
            raise
    return nan


def check_ranks(cfg: DictConfig) -> None:
    """Lightning starts the other ranks of a job with the arguments of its process: here those of the whole sweep.

    Raises:
        ValueError: so it would.
    """
    if not has_ranks(cfg) or cfg.trainer.strategy == "ddp_fork":
        return
    if (launcher := HydraConfig.get().runtime.choices.get("hydra/launcher")) in WITHIN:
        raise ValueError(
            f"trainer.devices={cfg.trainer.devices}: under hydra/launcher={launcher} the ranks of a job cannot be told "
            "from the sweep; choose hydra/launcher=local or slurm"
        )


def has_ranks(cfg: DictConfig) -> bool:
    """Whether a job is one of several processes on a machine."""
    devices = OmegaConf.select(cfg, "trainer.devices")
    number = len(devices) if isinstance(devices, ListConfig) else devices
    return number is not None and str(number) != "1"


def _recorded(error: Exception, folder: Path, cfg: DictConfig, overrides: Sequence[str]) -> str:
    """The error as a user should see it, once it is in ``status.json`` and its traceback in ``log.txt``."""
    from lightning.pytorch.utilities.rank_zero import rank_zero_only

    message = _told(error, overrides)
    if rank_zero_only.rank != 0:  # type: ignore[attr-defined]
        return message
    with suppress(OSError):  # a full disk is what ended it
        record_failure(folder, message, monitor=str(cfg.get("monitor")), mode=str(cfg.get("mode")), overrides=overrides)
    _logged(error, folder)
    return message


def _logged(error: Exception, folder: Path) -> None:
    with suppress(OSError), (folder / "log.txt").open("a", encoding="utf-8") as file:  # a full disk is what ended it
        traceback.print_exception(error, file=file)


def _told(error: Exception, overrides: Sequence[str]) -> str:
    from elbolab.config.composing import folders, set_hydra_aside
    from elbolab.config.errors import explain

    where = folders()
    with set_hydra_aside():
        return explain(error, where, ["train", *overrides])
