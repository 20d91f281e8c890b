"""How the jobs of a sweep are composed and run, in whatever process a launcher has started."""

import os
import sys
from collections.abc import Sequence
from math import nan
from pathlib import Path
from typing import Any, final

from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from hydra.version import setbase
from omegaconf import DictConfig, open_dict

from elbolab.runs.status import state_of


@final
class JobRunner:
    """Composes and runs jobs as Hydra's own launcher does, of the sweep's ``config``; pickled for other processes."""

    def __init__(self, context: HydraContext, task: TaskFunction, config: DictConfig) -> None:
        self.context, self.task, self.config = context, task, config
        self.folder = Path(config.hydra.sweep.dir).absolute()
        self.python_path, self.working_dir = list(sys.path), Path.cwd()

    def compose(self, overrides: Sequence[str], num: int) -> DictConfig:
        """The configuration of a job, with Hydra's own node."""
        config = self.context.config_loader.load_sweep_config(self.config, list(overrides))
        with open_dict(config):
            config.hydra.job.num = num
            config.hydra.job.id = os.environ.get("SLURM_JOB_ID", str(num))
        return config

    def run(self, config: DictConfig) -> Any:
        """Runs a job in its directory; returns the value of its task."""
        return run_job(self.task, config, "hydra.sweep.dir", "hydra.sweep.subdir", self.context).return_value

    def set_up_process(self) -> None:
        """Makes a new process as the one that this object was made in: its modules, its folder, its Hydra."""
        sys.path[:] = [*self.python_path, *(folder for folder in sys.path if folder not in self.python_path)]
        os.chdir(self.working_dir)
        os.environ["HYDRA_FULL_ERROR"] = "1"
        setbase("1.3")
        setup_globals()
        Plugins.instance()  # which register what configurations interpolate by
        GlobalHydra.instance().clear()
        GlobalHydra.instance().initialize(Hydra(self.config.hydra.job.name, self.context.config_loader))

    def run_in_worker(self, config: DictConfig, log: Path) -> Any:
        """Runs a job in a process of the local launcher; all that it prints goes into a file."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        self.set_up_process()
        return self.run(config)

    def read_values(self, overrides: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
        """The values of jobs in the form that Hydra's sweepers expect, NaN for a job that has none."""
        returns = []
        for num, words in enumerate(overrides, first):
            value = state_of(self.folder / str(num)).value
            done = JobReturn(overrides=words, working_dir=str(self.folder / str(num)), status=JobStatus.COMPLETED)
            done.return_value = nan if value is None else value
            returns.append(done)
        return returns
