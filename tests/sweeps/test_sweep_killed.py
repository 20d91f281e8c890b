"""Twelve jobs on two workers, killed twice and finished by the same command: what issue 5 asks to be shown."""

import csv
import os
import signal
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file
from tests.processes import children, is_alive, wait_until
from tests.shell import QUICK

from elbolab.runs.status import read_status, state_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

SLOW = '''
"""Imported by a job: no pictures, blocks that take a while, and a line for each training that begins."""
import os
import time
import lightning as L
import elbolab.cli.evaluate

elbolab.cli.evaluate.draw_all = lambda *_, **__: {}

class Slow(L.Callback):
    def __init__(self, seconds):
        self.seconds = seconds

    def on_train_start(self, trainer, model):
        with open("begun.txt", "a") as file:
            file.write(f"{trainer.default_root_dir} {trainer.global_step}\\n")

    def on_train_batch_end(self, *_):
        time.sleep(self.seconds)
'''

SWEEP = [
    *("train", "-m", *QUICK, "model=vae,beta_vae", "seed=1,2,3", "optimizer.lr=1e-3,3e-3"),
    *("trainer.max_epochs=8", "evaluation.limit=20", "callbacks.newest.every_n_steps=4"),
    *("+callbacks.slow={_target_: slow.Slow, seconds: 0.1}", "hydra.launcher.workers=2"),
]
JOBS = 12
STEPS = 88


def start(folder, name):
    command = [sys.executable, "-c", "from elbolab.cli import main; main()", *SWEEP, f"hydra.sweep.dir={name}"]
    return subprocess.Popen(command, cwd=folder, start_new_session=True, stderr=subprocess.PIPE, text=True)


def states(folder):
    return [state_of(folder / str(num)) for num in range(JOBS)]


def in_the_middle(folder, finished):
    """So many jobs are done, and two are at work, past a checkpoint."""
    now = states(folder)
    running = [i for i, state in enumerate(now) if state.state == "running"]
    saved = [i for i in running if (folder / str(i) / "checkpoints" / "last.ckpt").is_file()]
    return sum(state.state == "finished" for state in now) >= finished and len(saved) == 2


def steps(folder):
    with (folder / "metrics.csv").open() as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


def test_a_sweep_that_is_killed_twice_ends_as_one_that_was_not(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    sweep, kept = tmp_path / "sweep", {}
    for finished in (2, 6):
        parent = start(tmp_path, "sweep")
        wait_until(lambda: in_the_middle(sweep, finished))  # noqa: B023 -- it is called now
        workers = children(parent.pid)
        assert len(workers) == 2
        os.killpg(parent.pid, signal.SIGKILL)
        for pid in workers if finished == 2 else ():  # the second time they are left alone
            os.kill(pid, signal.SIGKILL)
        parent.communicate()
        wait_until(lambda: not any(is_alive(pid) for pid in workers), 5)  # noqa: B023
        # threads of a killed process may hold its locks for a moment longer than it is there
        wait_until(lambda: "running" not in [state.state for state in states(sweep)], 5)
        assert "killed" in [state.state for state in states(sweep)]
        done = [num for num in range(JOBS) if states(sweep)[num].state == "finished"]
        kept |= {num: (sweep / str(num) / "weights.safetensors").stat().st_mtime_ns for num in done}
    last = start(tmp_path, "sweep")
    last.communicate(timeout=600)
    assert last.returncode == 0
    assert {num: (sweep / str(num) / "weights.safetensors").stat().st_mtime_ns for num in kept} == kept

    begun = (tmp_path / "begun.txt").read_text().split()[::2]
    assert sorted(set(begun)) == sorted(str(sweep / str(num)) for num in range(JOBS))
    assert len(begun) <= JOBS + 4  # two jobs were at work at each kill
    assert all(
        begun.count(str(sweep / str(num))) == 1 for num in range(JOBS) if read_status(sweep / str(num))["before"] == 0
    )

    whole = start(tmp_path, "whole")
    whole.communicate(timeout=600)
    for num in map(str, range(JOBS)):
        assert read_status(sweep / num)["state"] == "finished"
        assert steps(sweep / num) == steps(tmp_path / "whole" / num)
        assert steps(sweep / num)[-1] == STEPS - 1
        one, two = (load_file(folder / num / "weights.safetensors") for folder in (sweep, tmp_path / "whole"))
        assert all(torch.equal(one[name], two[name]) for name in two)
        assert read_status(sweep / num)["value"] == read_status(tmp_path / "whole" / num)["value"]


def test_a_sweep_that_is_told_to_stop_stops_its_jobs_and_goes_on_later(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    sweep = tmp_path / "sweep"
    parent = start(tmp_path, "sweep")
    wait_until(lambda: in_the_middle(sweep, 0))
    workers = children(parent.pid)
    parent.send_signal(signal.SIGTERM)
    _, err = parent.communicate(timeout=60)
    assert parent.returncode == 143
    assert "terminated; go on with: elbolab train -m " in err.splitlines()[-1]
    assert not any(is_alive(pid) for pid in workers)
    assert [state.state for state in states(sweep)].count("interrupted") == 2
    assert [state.state for state in states(sweep)].count("waiting") == JOBS - 2
    rows = {num: steps(sweep / str(num)) for num in range(JOBS) if states(sweep)[num].state == "interrupted"}
    last = start(tmp_path, "sweep")
    last.communicate(timeout=600)
    assert last.returncode == 0
    for num, before in rows.items():
        saved = [step for step in before if step in steps(sweep / str(num))]
        assert len(saved) >= 1
        assert read_status(sweep / str(num))["before"] > 0
