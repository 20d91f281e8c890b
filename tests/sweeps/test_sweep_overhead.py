"""What a sweep costs beside its jobs: ``pytest -n 0 -s -m slow tests/sweeps/test_sweep_overhead.py`` prints the ratios.

Against the same jobs trained one after another by the same command in one warm process: its imports are not counted,
those of the sweep's parent and worker are. On a machine that others use the processors' time tells more than the
clock's; both are printed.
"""

import os
import resource
import subprocess
import sys
import time

import pytest
from tests.shell import QUICK

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

JOBS = 12
LONG = [*QUICK, "trainer.max_epochs=420", "trainer.log_every_n_steps=50"]
"""About ten seconds a job on one thread of an AMD EPYC: training, measuring, pictures."""

WARM = """
import sys, time, resource
import elbolab.cli.train
from elbolab.cli import main
begun = time.perf_counter(), time.process_time()
for seed in range({jobs}):
    sys.argv = ["elbolab", "train", *{args!r}, f"seed={{seed}}", f"hydra.run.dir=one/{{seed}}"]
    main()
print("seconds", time.perf_counter() - begun[0], time.process_time() - begun[1], file=sys.stderr)
"""


def python(folder, code, *args):
    done = subprocess.run([sys.executable, "-c", code, *args], cwd=folder, capture_output=True, text=True, check=True)
    return done.stderr.splitlines()[-1].split()


def spent():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter(), used.ru_utime + used.ru_stime


def one_after_another(folder):
    _, *seconds = python(folder, WARM.format(jobs=JOBS, args=LONG))
    return tuple(map(float, seconds))


def swept(folder, workers):
    before = spent()
    seeds = f"seed=range({JOBS})"
    options = [f"hydra.launcher.workers={workers}", f"hydra.sweep.dir=sweep{workers}"]
    python(folder, "from elbolab.cli import main; main()", "train", "-m", *LONG, seeds, *options)
    return tuple(after - then for after, then in zip(spent(), before, strict=True))


@pytest.fixture(scope="module")
def seconds(tmp_path_factory):
    """By the clock, and of a core: without a sweep, with one worker, with two."""
    folder, before = tmp_path_factory.mktemp("overhead"), os.getloadavg()[0]
    taken = {
        "one after another": one_after_another(folder),
        "one worker": swept(folder, 1),
        "two workers": swept(folder, 2),
    }
    alone = taken["one after another"]
    print(f"\n{JOBS} jobs, {alone[1] / JOBS:.1f} s each; load {before:.1f} before, {os.getloadavg()[0]:.1f} after")
    for name, (clock, core) in taken.items():
        ratios = f"{clock / alone[0]:.3f} and {core / alone[1]:.3f} of one after another"
        print(f"{name:<18} {clock:7.1f} s by the clock, {core:7.1f} s of a core: {ratios}")
    return taken


def test_a_sweep_costs_little_beside_its_jobs(seconds):
    assert seconds["one worker"][1] / seconds["one after another"][1] < 1.1


def test_two_workers_cost_little_more_than_one(seconds):
    assert seconds["two workers"][1] / seconds["one worker"][1] < 1.3
