"""``hydra/launcher=slurm`` and ``sbatch``: Hydra's side of `elbolab.cluster`.

Hydra imports every plugin with every command, so what launches is imported when there are jobs.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, final

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from typing_extensions import override


class ClusterLauncher(Launcher):
    """Keeps what Hydra hands over until there are jobs to launch."""

    def __init__(self, **knobs: Any) -> None:
        self.knobs = {k: OmegaConf.to_container(v) if OmegaConf.is_config(v) else v for k, v in knobs.items()}

    @final
    @override
    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from elbolab.sweeps.runner import JobRunner

        self.config, self.runner = config, JobRunner(hydra_context, task_function, config)

    @final
    @override
    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        self.import_launch()(self.runner, self.knobs, job_overrides, initial_job_idx)
        return self.runner.read_values(job_overrides, initial_job_idx)

    @abstractmethod
    def import_launch(self) -> Callable[..., None]:
        """The function of `elbolab.cluster` that has the jobs done."""


@final
class SlurmLauncher(ClusterLauncher):
    """The queue of a cluster."""

    @override
    def import_launch(self) -> Callable[..., None]:
        from elbolab.cluster.slurm import launch_on_slurm

        return launch_on_slurm


@final
class SbatchLauncher(ClusterLauncher):
    """A script, for a person to submit."""

    @override
    def import_launch(self) -> Callable[..., None]:
        from elbolab.cluster.script import write_sweep_scripts

        return write_sweep_scripts
