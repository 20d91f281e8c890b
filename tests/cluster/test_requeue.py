"""Jobs whose time is up, or that are preempted, go on to the same numbers in the same W&B run."""

from tests.cluster.conftest import QUICK, slow
from tests.wandb_files import history, pieces

LOGGER = ("logger=wandb", "logger.wandb.offline=true", "callbacks.figures=null")
COMMON = (*QUICK, *LOGGER, "seed=1")


def test_jobs_go_on_as_if_nothing_had_happened(cluster):
    cluster("train", *COMMON, slow(0), "hydra.run.dir=alone")
    sweep = cluster.start(
        *("train", "-m", *COMMON, slow(0.5), "name=usr1,usr2,preempted", "hydra.sweep.dir=sweep"),
        *("hydra/launcher=slurm", "hydra.launcher.poll=1", "hydra.launcher.partition=main"),
    )
    ends = [lambda job: cluster.signal("USR1", job), lambda job: cluster.signal("USR2", job), cluster.preempt]
    left = dict(enumerate(ends))

    def over():
        for num in [num for num in left if len(cluster.steps(f"sweep/{num}")) > 2]:
            left.pop(num)(cluster.ids("sweep")[num])
        return sweep.poll() is not None

    cluster.wait(over)
    assert sweep.returncode == 0, cluster.out()
    curve = (cluster.folder / "alone" / "metrics.csv").read_text()
    for num, job in cluster.ids("sweep").items():
        run = f"sweep/{num}"
        assert cluster.restarts(job) >= 1
        assert (cluster.folder / run / "metrics.csv").read_text() == curve
        told = {row["trainer/global_step"] for row in history(pieces(cluster.folder / run)[-1])}
        assert told >= set(cluster.steps(run))  # the newest piece holds what a kill has torn of others
        (name,) = {path.name.rpartition("-")[2] for path in (cluster.folder / run / "wandb").glob("offline-run-*")}
        assert (cluster.folder / run / "wandb_id.txt").read_text().strip() == name


def test_scripts_do_what_is_left_to_do(cluster):
    jobs = {}
    for where, name in ((("-m", "seed=1,2", "hydra.sweep.dir=sweep"), "sweep"), (("hydra.run.dir=run",), "run")):
        out = cluster("sbatch", *where, *QUICK, slow(0.2), "hydra.launcher.time=10")
        script = cluster.folder / name / f"{name}.sbatch"
        assert out.splitlines()[-1] == f"submit it with: sbatch {script}"
        jobs[name] = cluster.tell("sbatch", "--parsable", str(script)).strip()
    left = {"sweep/0": f"{jobs['sweep']}_0", "run": jobs["run"]}

    def over():
        for run in [run for run in left if len(cluster.steps(run)) > 2]:
            cluster.signal("USR1", left.pop(run))
        return not left and not cluster.tell("squeue", "--noheader")

    cluster.wait(over)
    assert [cluster.restarts(job) for job in (f"{jobs['sweep']}_0", f"{jobs['sweep']}_1", jobs["run"])] == [1, 0, 1]
    for run in ("sweep/0", "sweep/1", "run"):
        assert cluster.status(run)["state"] == "finished"
        assert cluster.steps(run) == [3, 7, 10, 14, 18, 21, 25, 29, 32, 36, 40, 43]
