"""A sweep as its command opens, runs and sums it up, without a command."""

from contextlib import ExitStack
from math import isnan

import pytest
from omegaconf import OmegaConf

from elbolab.runs.run_dir import RunDir, acquire_run
from elbolab.runs.status import record_end, record_start
from elbolab.runs.sweep_dir import SWEEP, Job, Sweep
from elbolab.sweeps import session
from elbolab.sweeps.job import run_unless_done
from elbolab.sweeps.session import Session, open_sweep
from elbolab.sweeps.summary import Unfinished, summarise

JOBS = [Job(0, ["seed=1"]), Job(1, ["seed=2"])]


def begin(folder):
    folder.mkdir(exist_ok=True)
    record_start(folder, monitor="val/elbo", mode="max", epochs=1, overrides=[])


def test_a_sweep_that_is_refused_leaves_its_directory_as_it_was(tmp_path, monkeypatch):
    folder = tmp_path / "sweep"
    monkeypatch.setattr(session, "expand_jobs", lambda config: JOBS)
    overrides = {"task": ["seed=1,2"], "hydra": []}
    config = OmegaConf.create({"hydra": {"sweep": {"dir": str(folder)}, "overrides": overrides}})

    def refuse():
        with pytest.raises(ValueError, match="no"), open_sweep(config):
            raise ValueError("no")

    refuse()
    assert not folder.exists()
    with open_sweep(config), pytest.raises(BlockingIOError, match="another process runs"), open_sweep(config):
        pass
    refuse()
    assert [path.name for path in folder.iterdir()] == [SWEEP]


@pytest.mark.parametrize("state", ["finished", "pruned"])
def test_a_job_that_is_done_is_not_done_again(tmp_path, state):
    begin(tmp_path)
    record_end(tmp_path, state, value=-3.0)
    assert run_unless_done(lambda: 1 / 0, tmp_path, OmegaConf.create(), []) == -3.0


def test_a_job_that_another_process_does_is_left_to_it(tmp_path):
    def work():
        raise BlockingIOError("another process trains here")

    assert isnan(run_unless_done(work, tmp_path, OmegaConf.create(), []))
    assert list(tmp_path.iterdir()) == []


def test_a_job_that_another_process_does_has_not_finished(tmp_path, capsys):
    for num in (0, 1):
        begin(tmp_path / str(num))
    record_end(tmp_path / "0", "finished", value=-3.0)
    now = Session(ExitStack(), ExitStack(), allows_sweep=True, sweep=Sweep(tmp_path, JOBS))
    with acquire_run(RunDir(tmp_path / "1")), pytest.raises(Unfinished, match="1 of 2 jobs did not finish"):
        summarise(now, ["train", "-m"], lambda folder, jobs, width: lambda: f"compared {[job.num for job in jobs]}\n")
    out = capsys.readouterr().out
    assert out.startswith("compared [0]\njob 1 (seed=2) was running: another process trains in its directory\n")
