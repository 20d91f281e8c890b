"""What a sweep costs beside its jobs: ``pytest -n 0 -s -m slow tests/cli/test_sweep_overhead.py`` prints the ratios.

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
from tests.cli.conftest import QUICK

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

JOBS = 12
LONG = [*QUICK, "trainer.max_epochs=150", "trainer.log_every_n_steps=50"]
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


def test_a_sweep_costs_little_beside_its_jobs(tmp_path):
    load = os.getloadavg()[0]
    alone, one = one_after_another(tmp_path), swept(tmp_path, 1)
    print(f"\n{JOBS} jobs, {alone[1] / JOBS:.1f} s each; load {load:.1f} before, {os.getloadavg()[0]:.1f} after")
    for name, seconds in (("one after another", alone), ("one worker", one)):
        print(f"{name:<18} {seconds[0]:7.1f} s by the clock, {seconds[1]:7.1f} s of a core")
    print(f"ratio              {one[0] / alone[0]:7.3f}                 {one[1] / alone[1]:7.3f}")
    assert one[1] / alone[1] < 1.1


def test_two_workers_on_two_cores(tmp_path):
    one, two = swept(tmp_path, 1), swept(tmp_path, 2)
    print(f"\n{JOBS} jobs; load {os.getloadavg()[0]:.1f}; by the clock {one[0]:.1f} s, two workers {two[0]:.1f} s")
    print(f"speed-up {one[0] / two[0]:.2f}; seconds of a core {one[1]:.1f}, two workers {two[1]:.1f}")
    assert two[1] / one[1] < 1.3
