"""``hydra/launcher=submitit_local``: the same on this machine, as a rehearsal."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

from hydra.core.utils import JobReturn
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from elbolab.cluster.launch import Backend, Planned, launch, planned, returned, submitit_package
from elbolab.cluster.work import Work

YEAR = 365 * 24 * 60.0
"""In minutes: no limit."""


def on_this_machine(
    context: HydraContext,
    task: TaskFunction,
    config: DictConfig,
    knobs: Mapping[str, Any],
    overrides: Sequence[Sequence[str]],
    first: int,
) -> list[JobReturn]:
    """Has the jobs of a sweep done by processes of submitit's.

    Raises:
        ValueError: submitit is not installed, or a job is for several machines.
    """
    submitit_package()
    jobs, folder = planned(context, config, overrides, first), Path(config.hydra.sweep.dir).absolute() / ".submitit"
    backend = Local(
        knobs["array_parallelism"],
        knobs["time"] or YEAR,
        knobs["gpus_per_rank"],
        list(knobs["setup"]),
        folder,
        Work(context, task, config),
    )
    launch(backend, jobs, knobs["poll"])
    return returned(config, overrides, first)


@final
class Local(Backend):
    """Processes on this machine, as a rehearsal for the cluster.

    Args:
        parallel: jobs at a time.
        minutes: how long a job may take.
        gpus: for each rank.
        setup: lines of shell before a job.
        folder: where logs are kept.
        work: what jobs do.
    """

    def __init__(self, parallel: int, minutes: float, gpus: int, setup: list[str], folder: Path, work: Work) -> None:
        self.parallel, self.minutes, self.gpus = parallel, minutes, gpus
        self.setup, self.folder, self.work = setup, folder, work
        self.left: list[Planned] = []
        self.running: dict[int, Any] = {}

    def submit(self, jobs: Sequence[Planned]) -> None:
        """Begins as many as there is room for; `ended` begins the others."""
        for job in jobs:
            if job.shape.nodes != 1:
                raise ValueError(
                    f"trainer.num_nodes={job.shape.nodes}: this is one machine; choose hydra/launcher=slurm"
                )
        self.left += jobs
        self._begin()

    def _begin(self) -> None:
        busy = sum(not job.done() for job in self.running.values())
        for job in self.left[: max(self.parallel - busy, 0)]:
            executor = submitit_package().LocalExecutor(self.folder)
            executor.update_parameters(
                timeout_min=self.minutes,
                tasks_per_node=job.shape.ranks,
                gpus_per_node=self.gpus * job.shape.ranks,
                stderr_to_stdout=True,
                setup=self.setup,
            )
            self.running[job.num] = executor.submit(self.work, job.overrides, job.num)
            self.left.remove(job)

    def ended(self) -> dict[int, str]:
        """Those whose processes have ended."""
        self._begin()
        return {num: self._word(job) for num, job in self.running.items() if job.done()}

    def _word(self, job: Any) -> str:
        return f"process {job.job_id} has ended, see {job.paths.stdout}"

    def leave(self) -> None:
        """They are stopped, each with its state as last saved."""
        for job in self.running.values():
            job.cancel(check=False)
