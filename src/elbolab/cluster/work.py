"""What a job of a sweep does in the process that a cluster has started for it."""

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, final

from hydra.core.singleton import Singleton
from hydra.core.utils import run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from elbolab.cluster.requeue import TIME_IS_UP, requeueing
from elbolab.sweeps.ranks import in_job
from elbolab.training.stop_signals import NOTICE


@final
class Work:
    """Sent to the jobs of a sweep: everything but their overrides.

    Args:
        context: Hydra's.
        task: what Hydra calls with a composed config.
        config: the sweep's.
    """

    def __init__(self, context: HydraContext, task: TaskFunction, config: DictConfig) -> None:
        self.context, self.task, self.config = context, task, config
        self.state, self.path, self.folder = Singleton.get_state(), list(sys.path), Path.cwd()

    def __call__(self, overrides: Sequence[str], num: int) -> Any:
        """Does a job; returns what the task returns."""
        sys.path[:] = [*self.path, *(folder for folder in sys.path if folder not in self.path)]
        os.chdir(self.folder)
        os.environ["HYDRA_FULL_ERROR"] = "1"
        logging.getLogger("submitit").propagate = False  # it has a handler of its own
        Singleton.set_state(self.state)
        setup_globals()
        with _heeding():
            return do(self.context, self.task, self.config, overrides, num)


def do(context: HydraContext, task: TaskFunction, config: DictConfig, overrides: Sequence[str], num: int) -> Any:
    """Composes a job and runs it in its directory, as Hydra's own launcher does."""
    composed = context.config_loader.load_sweep_config(config, list(overrides))
    with open_dict(composed):
        composed.hydra.job.num = num
        composed.hydra.job.id = os.environ.get("SLURM_JOB_ID", str(num))
    done = run_job(
        hydra_context=context,
        task_function=task,
        config=composed,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )
    return done.return_value


def _heeding() -> AbstractContextManager[None]:
    if in_job():
        return requeueing()
    _name_rank()
    return NOTICE.heeded(TIME_IS_UP, lambda number: None)


def _name_rank() -> None:
    """Tells Lightning which rank this process is, where submitit has started several on this machine."""
    if int(os.environ["SUBMITIT_LOCAL_NTASKS"]) > 1:
        rank, port = os.environ["SUBMITIT_LOCAL_LOCALID"], 20000 + int(os.environ["SUBMITIT_LOCAL_JOB_ID"]) % 20000
        os.environ |= {"LOCAL_RANK": rank, "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
