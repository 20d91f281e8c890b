"""``hydra/launcher=slurm``: submitit puts the jobs of a sweep into SLURM's queue, as an array for each shape.

What submitit and Hydra's plugin for it do not do: a job that fails ends no sweep, a command that is given again takes
over the jobs that wait in the queue, and nothing needs accounting.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any, final

from elbolab.cluster.jobs import ClusterJob, plan_jobs, wait_for
from elbolab.cluster.queue import check_possible, check_present, look_up
from elbolab.cluster.requeue import requeue_on_signals
from elbolab.cluster.resources import SRUN, Resources, read_resources, refusal_of, sbatch_options, setup_lines
from elbolab.common.files import write_json
from elbolab.sweeps.runner import JobRunner

log = logging.getLogger(__name__)


def launch_on_slurm(
    runner: JobRunner, knobs: Mapping[str, Any], overrides: Sequence[Sequence[str]], first: int
) -> None:
    """Has the jobs of a sweep done by SLURM, and waits for them.

    Raises ValueError where submitit or SLURM is not there or does not take the jobs, OSError where it is silent.
    """
    resources = read_resources(knobs)
    import_submitit()
    check_present()
    jobs = plan_jobs(runner, overrides, first)
    for shape in dict.fromkeys(job.shape for job in jobs):
        check_possible(resources, shape)
    work, name = partial(run_in_slurm, runner), f"elbolab-{runner.folder.name}"
    Slurm(resources, runner.folder / ".submitit", name, work).run(jobs, knobs["poll"])


def run_in_slurm(runner: JobRunner, overrides: Sequence[str], num: int) -> Any:
    """Runs a job of a sweep in a process that SLURM has started for it; returns its value."""
    logging.getLogger("submitit").propagate = False  # it has a handler of its own
    runner.set_up_process()
    with requeue_on_signals():
        return runner.run(runner.compose(overrides, num))


def import_submitit() -> Any:
    """The package; ValueError where it is not installed."""
    try:
        import submitit
    except ImportError:
        raise ValueError("this launcher needs submitit: pip install 'elbolab[cluster]'") from None
    return submitit


@final
class Slurm:
    """The queue, and the jobs of one sweep in it; their scripts, logs and numbers are kept in ``folder``."""

    def __init__(
        self, resources: Resources, folder: Path, name: str, work: Callable[[Sequence[str], int], Any]
    ) -> None:
        self.resources, self.folder, self.name, self.work = resources, folder, name, work
        self.ids: dict[int, str] = {}
        self.answers = True
        self.stuck = set[str]()

    def run(self, jobs: Sequence[ClusterJob], poll: float) -> None:
        """Submits jobs and waits for them; those that are submitted stay in the queue when the wait is ended."""
        try:
            self.submit(jobs)
            wait_for(jobs, self.read_ends, poll)
        except BaseException:
            if self.ids:
                arrays = " ".join(dict.fromkeys(job.partition("_")[0] for job in self.ids.values()))
                way_on = "the jobs stay in the queue, and the same command waits for them again; scancel %s ends them"
                log.warning(way_on, arrays)
            raise

    def submit(self, jobs: Sequence[ClusterJob]) -> None:
        """Submits the jobs that an earlier command has not left in the queue."""
        path = self.folder / "jobs.json"
        known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        ids = {job.num: known[str(job.num)] for job in jobs if str(job.num) in known}
        seen = look_up(set(ids.values())) if ids else {}
        self.ids = {num: job for num, job in ids.items() if not seen[job].has_ended}
        if self.ids:
            log.info("%d jobs are in the queue already: %s", len(self.ids), ", ".join(self.ids.values()))
        new = [job for job in jobs if job.num not in self.ids]
        for shape in dict.fromkeys(job.shape for job in new):
            self._submit_array([job for job in new if job.shape == shape])

    def _submit_array(self, jobs: Sequence[ClusterJob]) -> None:
        submitit, shape = import_submitit(), jobs[0].shape
        executor = submitit.SlurmExecutor(self.folder)
        executor.update_parameters(
            job_name=self.name,
            time=None,
            wckey=None,
            nodes=shape.nodes,
            ntasks_per_node=shape.ranks,
            setup=setup_lines(self.resources),
            signal_delay_s=self.resources.signal_lead,
            array_parallelism=self.resources.array_parallelism,
            stderr_to_stdout=True,
            srun_args=list(SRUN),
            additional_parameters=sbatch_options(self.resources, shape),
        )
        try:
            with redirect_stderr(StringIO()):  # submitit prints what it raises
                sent = executor.map_array(self.work, [job.overrides for job in jobs], [job.num for job in jobs])
        except submitit.core.utils.FailedJobError as error:
            raise refusal_of(self.resources, shape, str(error)) from error
        self.ids |= {job.num: submitted.job_id for job, submitted in zip(jobs, sent, strict=True)}
        write_json(self.folder / "jobs.json", {str(num): job for num, job in self.ids.items()})
        log.info("%d jobs are in the queue from %s on; their logs: %s", len(jobs), sent[0].job_id, self.folder)

    def read_ends(self) -> dict[int, str]:
        """The jobs that the queue no longer has, or has as ended, with a sentence each; none while SLURM is silent."""
        try:
            seen = look_up(set(self.ids.values()))
        except OSError as error:
            if self.answers:
                log.warning("%s: it is asked again until it does", error)
            self.answers = False
            return {}
        self.answers = True
        stuck = {job for job in seen if seen[job].is_stuck}
        for job in sorted(stuck - self.stuck):
            log.warning(
                "SLURM holds job %s (%s): scontrol release %s lets it go on, scancel %s ends it",
                *(job, seen[job].reason, job, job),
            )
        self.stuck = stuck
        return {
            num: f"SLURM's job {job} is {seen[job].state.lower()}, see {self.folder / f'{job}_0_log.out'}"
            for num, job in self.ids.items()
            if seen[job].has_ended
        }
