"""What a job of a sweep does in the process that SLURM has started for it."""

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

from hydra.core.singleton import Singleton
from hydra.core.utils import run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from elbolab.cluster.requeue import requeueing


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
        with requeueing():
            return run_in_directory(self.context, self.task, self.config, overrides, num)


def run_in_directory(
    context: HydraContext, task: TaskFunction, config: DictConfig, overrides: Sequence[str], num: int
) -> Any:
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
