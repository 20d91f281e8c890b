"""A real SLURM: `bash .ci/slurm start` sets one up on this machine. Without one, these tests are skipped."""

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import elbolab

SRC = Path(elbolab.__file__).parents[1]

PACING = '''
"""What keeps jobs short, slow or short-lived."""

import os
import time
from pathlib import Path

import elbolab.cli.evaluate
import lightning as L

elbolab.cli.evaluate.draw_all = lambda *_, **__: {}  # pictures take most of the time of a small run

class Slow(L.Callback):
    """Sleeps before each block."""

    def __init__(self, seconds):
        self.seconds = seconds

    def on_train_batch_start(self, *_):
        time.sleep(self.seconds)

class Broken(L.Callback):
    """Fails in the job of one seed, once."""

    def __init__(self, seed, once):
        self.seed, self.once = seed, Path(once)

    def on_train_batch_start(self, *_):
        if self.seed == 2 and not self.once.exists():
            self.once.touch()
            raise ValueError("a file is missing")

class Killed(L.Callback):
    """Kills the job of one seed, hard, once."""

    def __init__(self, seed, once):
        self.seed, self.once = seed, Path(once)

    def on_train_batch_start(self, trainer, *_):
        last = trainer.global_rank == trainer.world_size - 1
        if self.seed == 3 and last and trainer.global_step >= 8 and not self.once.exists():
            self.once.touch()
            os.kill(os.getpid(), 9)
'''

QUICK = (
    *("data=digits", "data.binarize=dynamic", "densities.latent_dim=2", "trainer.max_epochs=4"),
    *("trainer.log_every_n_steps=4", "trainer.accelerator=cpu", "callbacks.newest.every_n_steps=4"),
    *("evaluation.num_samples=2", "evaluation.limit=20", "evaluation.probe_limit=20"),
)

REST = 8.0
"""Seconds in which a requeued job leaves its node."""

REAL = ("test_slurm.py", "test_requeue.py")
"""Tests that need a real SLURM; those beside them and `test_ray.py` run everywhere, with the programs of a fake one."""


def slow(seconds):
    return f"+callbacks.slow={{_target_: pacing.Slow, seconds: {seconds}}}"


def pytest_collection_modifyitems(items):
    here = [item for item in items if Path(__file__).parent == item.path.parent]
    for item in [item for item in here if item.path.name in (*REAL, "test_ray.py")]:
        item.add_marker(pytest.mark.cluster)
        item.add_marker(pytest.mark.timeout(600))
        if shutil.which("sinfo") is None and item.path.name in REAL:
            item.add_marker(pytest.mark.skip(reason="no sinfo: bash .ci/slurm start sets up a SLURM on this machine"))


class Cluster:
    """Commands in a folder of their own, and a look at the queue."""

    def __init__(self, folder):
        self.folder = folder
        self.env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(SRC), "PYTHONFAULTHANDLER": "1"}
        self.pending: dict[str, float] = {}
        (folder / "pacing.py").write_text(PACING)

    def start(self, *args):
        command = [sys.executable, "-m", "elbolab.cli", *args]
        with (self.folder / "out.txt").open("w") as out:
            return subprocess.Popen(command, cwd=self.folder, env=self.env, stdout=out, stderr=subprocess.STDOUT)

    def __call__(self, *args, code=0):
        """What a command prints, on stderr too."""
        assert self.start(*args).wait(400) == code, self.out()
        return self.out()

    def out(self):
        """What the last command has printed."""
        return (self.folder / "out.txt").read_text()

    def tell(self, *words):
        """A command of SLURM's."""
        return subprocess.run(words, cwd=self.folder, env=self.env, capture_output=True, text=True).stdout

    def ids(self, sweep):
        """The jobs of a sweep in the queue, by their numbers."""
        path = self.folder / sweep / ".submitit" / "jobs.json"
        return {int(num): job for num, job in json.loads(path.read_text()).items()} if path.is_file() else {}

    def restarts(self, job):
        told = dict(
            word.split("=", 1) for word in self.tell("scontrol", "show", "job", "-o", job).split() if "=" in word
        )
        return int(told["Restarts"])

    def signal(self, name, job):
        """As SLURM sends it before a job's time is up."""
        self.tell("scancel", f"--signal={name}", job)

    def preempt(self, job):
        """Another job, of a partition that comes first, takes the node."""
        node = self.tell("squeue", "--noheader", "--format=%N", f"--jobs={job}").strip()
        self.tell(
            "sbatch", "--partition=high", f"--nodelist={node}", "--exclusive", "--wrap=true", "--output=/dev/null"
        )

    def hurry(self):
        """SLURM holds a job that was requeued for two minutes.

        So what is left of the first try cannot be taken for the end of the second; some seconds do for that.
        """
        pending = self.tell("squeue", "--noheader", "--array", "--states=pending", "--format=%i").split()
        self.pending = {job: self.pending.get(job, time.monotonic()) for job in pending}
        for job in [job for job, since in self.pending.items() if time.monotonic() - since > REST]:
            self.tell("scontrol", "update", f"JobId={job}", "StartTime=now")

    def wait(self, done, seconds=400):
        """Until it is so."""
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, self.tell("squeue")
            self.hurry()
            time.sleep(0.3)

    def status(self, run):
        return json.loads((self.folder / run / "status.json").read_text())

    def table(self, sweep, *columns):
        """Columns of a sweep's table, a row a job."""
        rows = csv.DictReader((self.folder / sweep / "sweep.csv").read_text().splitlines())
        return [tuple(row[name] for name in columns) for row in rows]

    def steps(self, run):
        path = self.folder / run / "metrics.csv"
        return [int(row["step"]) for row in csv.DictReader(path.read_text().splitlines())] if path.is_file() else []


@pytest.fixture
def cluster(tmp_path):
    yield Cluster(tmp_path)
    if shutil.which("scancel") is not None:
        subprocess.run(["scancel", "--me"], check=True)
