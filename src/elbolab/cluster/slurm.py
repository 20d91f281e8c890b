"""``hydra/launcher=slurm``: the jobs of a sweep as arrays in the queue of SLURM."""

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any, final

from hydra.core.utils import JobReturn
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from elbolab.cluster.launch import Backend, Planned, launch, planned, returned, submitit_package
from elbolab.cluster.queue import Seen, check_present, seen
from elbolab.cluster.resources import (
    SRUN,
    Resources,
    Shape,
    check_fits,
    check_partition,
    check_possible,
    options,
    refused,
    resources,
    setup_lines,
)
from elbolab.cluster.work import Work
from elbolab.common.files import write_json

log = logging.getLogger(__name__)


def on_slurm(
    context: HydraContext,
    task: TaskFunction,
    config: DictConfig,
    knobs: Mapping[str, Any],
    overrides: Sequence[Sequence[str]],
    first: int,
) -> list[JobReturn]:
    """Has the jobs of a sweep done by SLURM.

    Raises:
        ValueError: submitit or SLURM is not there, or does not take the jobs.
        OSError: SLURM does not answer.
    """
    asked, poll = resources({name: value for name, value in knobs.items() if name != "poll"}), knobs["poll"]
    submitit_package()
    check_present()
    jobs = planned(context, config, overrides, first)
    shapes = list(dict.fromkeys(job.shape for job in jobs))
    check_partition(asked)
    for shape in shapes:
        check_fits(asked, shape)
        check_possible(asked, shape)
    folder = Path(config.hydra.sweep.dir).absolute()
    launch(Slurm(asked, folder / ".submitit", f"elbolab-{folder.name}", Work(context, task, config)), jobs, poll)
    return returned(config, overrides, first)


@final
class Slurm(Backend):
    """An array of jobs in the queue, one for each shape.

    Jobs that an earlier command has left in the queue are taken over, not submitted twice.

    Args:
        asked: what each job asks for.
        folder: where scripts, logs and the numbers of jobs are kept.
        name: of the jobs.
        work: what they do.
    """

    def __init__(self, asked: Resources, folder: Path, name: str, work: Work) -> None:
        self.asked, self.folder, self.name, self.work = asked, folder, name, work
        self.ids: dict[int, str] = {}
        self.is_answered = True
        self.stuck = set[str]()

    def submit(self, jobs: Sequence[Planned]) -> None:
        """Submits those that are not in the queue already.

        Raises:
            ValueError: SLURM does not take them.
            OSError: it does not answer.
        """
        self.ids = self._queued({job.num for job in jobs})
        if self.ids:
            log.info("%d jobs are in the queue already: %s", len(self.ids), ", ".join(self.ids.values()))
        for shape in dict.fromkeys(job.shape for job in jobs):
            self._submit(shape, [job for job in jobs if job.shape == shape and job.num not in self.ids])

    def _queued(self, nums: set[int]) -> dict[int, str]:
        path = self.folder / "jobs.json"
        known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        ids = {int(num): job for num, job in known.items() if int(num) in nums}
        told = seen(set(ids.values())) if ids else {}
        return {num: job for num, job in ids.items() if not told[job].has_ended}

    def _submit(self, shape: Shape, jobs: Sequence[Planned]) -> None:
        if not jobs:
            return
        executor = submitit_package().SlurmExecutor(self.folder)
        executor.update_parameters(**_parameters(self.asked, shape, self.name))
        try:
            with redirect_stderr(StringIO()):  # submitit prints what it raises
                sent = executor.map_array(self.work, [job.overrides for job in jobs], [job.num for job in jobs])
        except submitit_package().core.utils.FailedJobError as error:
            raise refused(self.asked, shape, str(error)) from error
        self.ids |= {job.num: submitted.job_id for job, submitted in zip(jobs, sent, strict=True)}
        write_json(self.folder / "jobs.json", {str(num): job for num, job in self.ids.items()})
        log.info("%d jobs are in the queue from %s on; their logs: %s", len(jobs), sent[0].job_id, self.folder)

    def ended(self) -> dict[int, str]:
        """Those that the queue no longer has, or has as ended; none while SLURM does not answer."""
        try:
            told = seen(set(self.ids.values()))
        except OSError as error:
            if self.is_answered:
                log.warning("%s: it is asked again until it does", error)
            self.is_answered = False
            return {}
        self.is_answered = True
        self._tell_stuck(told)
        return {num: self._word(job, told[job].state) for num, job in self.ids.items() if told[job].has_ended}

    def _tell_stuck(self, told: Mapping[str, Seen]) -> None:
        """Names jobs that wait for a person, once."""
        stuck = {job for job in told if told[job].is_stuck}
        for job in sorted(stuck - self.stuck):
            log.warning(
                "SLURM holds job %s (%s): scontrol release %s lets it go on, scancel %s ends it",
                *(job, told[job].reason, job, job),
            )
        self.stuck = stuck

    def _word(self, job: str, state: str) -> str:
        return f"SLURM's job {job} is {state.lower()}, see {self.folder / f'{job}_0_log.out'}"

    def leave(self) -> None:
        """They stay in the queue."""
        if not self.ids:
            return
        jobs = " ".join(dict.fromkeys(job.partition("_")[0] for job in self.ids.values()))
        log.warning("the jobs stay in the queue, and the same command waits for them again; scancel %s ends them", jobs)


def _parameters(asked: Resources, shape: Shape, name: str) -> Mapping[str, Any]:
    """As submitit calls them; most go to `sbatch` under its own names."""
    return {
        "job_name": name,
        "time": None,
        "wckey": None,
        "nodes": shape.nodes,
        "ntasks_per_node": shape.ranks,
        "setup": setup_lines(asked),
        "signal_delay_s": asked.signal_lead,
        "array_parallelism": asked.array_parallelism,
        "stderr_to_stdout": True,
        "srun_args": list(SRUN),
        "additional_parameters": options(asked, shape),
    }
