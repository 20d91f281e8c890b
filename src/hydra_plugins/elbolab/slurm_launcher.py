"""``hydra/launcher=slurm``, ``submitit_local`` and ``sbatch``: Hydra's side of `elbolab.cluster`.

Hydra imports every plugin with every command, so nothing heavy is imported here.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, final

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


class ClusterLauncher(Launcher):
    """Keeps what Hydra hands over until there are jobs to launch."""

    def __init__(self, **knobs: Any) -> None:
        self.knobs = {k: OmegaConf.to_container(v) if OmegaConf.is_config(v) else v for k, v in knobs.items()}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra."""
        self.context, self.task, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Called by Hydra's sweepers."""
        go = self.launcher()
        return go(self.context, self.task, self.config, self.knobs, job_overrides, initial_job_idx)

    @abstractmethod
    def launcher(self) -> Callable[..., list[JobReturn]]:
        """What launches."""


@final
class SlurmLauncher(ClusterLauncher):
    """The queue of a cluster."""

    def launcher(self) -> Callable[..., list[JobReturn]]:
        """See `elbolab.cluster.slurm`."""
        from elbolab.cluster.slurm import on_slurm

        return on_slurm


@final
class SubmititLocalLauncher(ClusterLauncher):
    """Processes of this machine."""

    def launcher(self) -> Callable[..., list[JobReturn]]:
        """See `elbolab.cluster.local`."""
        from elbolab.cluster.local import on_this_machine

        return on_this_machine


@final
class SbatchLauncher(ClusterLauncher):
    """A script, for a person to submit."""

    def launcher(self) -> Callable[..., list[JobReturn]]:
        """See `elbolab.cluster.script`."""
        from elbolab.cluster.script import write_script

        return write_script
