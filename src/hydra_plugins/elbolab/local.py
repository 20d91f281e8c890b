"""``hydra/launcher=local``."""

from collections.abc import Sequence
from typing import cast, final

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig
from typing_extensions import override

from elbolab.sweeps.local import Local, local
from elbolab.sweeps.shares import shares
from elbolab.sweeps.worker import Command


@final
class LocalLauncher(Launcher):
    """Jobs in warm worker processes on this machine; `elbolab.sweeps.local` does it.

    Args:
        workers: jobs at once, null: one.
        threads: of each worker, null: ``OMP_NUM_THREADS`` where it is set, else its share of the cores.
        jobs_per_gpu: jobs at once on each GPU, null: as ``workers`` says.
        pin: keep each worker to cores of its own.
    """

    def __init__(self, workers: int | None, threads: int | None, jobs_per_gpu: int | None, pin: bool) -> None:
        self.workers, self.threads, self.jobs_per_gpu, self.pin = workers, threads, jobs_per_gpu, pin
        self.local: Local | None = None

    @override
    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        parts = shares(self.workers, self.threads, self.jobs_per_gpu, pin=self.pin)
        self.local = local(hydra_context, cast(Command, task_function), config, parts)

    @override
    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        assert self.local is not None
        return self.local.launch(job_overrides, initial_job_idx)
