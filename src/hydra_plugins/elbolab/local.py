"""``hydra/launcher=local``."""

from collections.abc import Sequence
from typing import Any, cast, final

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig
from typing_extensions import override

from elbolab.sweeps.local import Local
from elbolab.sweeps.runner import JobRunner
from elbolab.sweeps.session import SESSION
from elbolab.sweeps.shares import share_machine


@final
class LocalLauncher(Launcher):
    """Jobs in warm worker processes on this machine, which end when Hydra does; `elbolab.sweeps.local` does it.

    Args:
        workers: jobs at once, null: one.
        threads: of each worker, null: ``OMP_NUM_THREADS`` where it is set, else its share of the cores.
        jobs_per_gpu: jobs at once on each GPU, null: as ``workers`` says.
        pin: keep each worker to cores of its own.
    """

    def __init__(self, workers: int | None, threads: int | None, jobs_per_gpu: int | None, pin: bool) -> None:
        self.workers, self.threads, self.jobs_per_gpu, self.pin = workers, threads, jobs_per_gpu, pin

    @override
    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        shares = share_machine(self.workers, self.threads, self.jobs_per_gpu, pin=self.pin)
        runner, module = JobRunner(hydra_context, task_function, config), cast(Any, task_function).module
        self.local, session = Local(runner, module, shares), SESSION.get()
        session.stack.callback(self.local.close)
        session.call_warm = self.local.call

    @override
    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        return self.local.launch(job_overrides, initial_job_idx)
