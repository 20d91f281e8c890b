"""Within a job of a cluster: its signals, its ranks, and the state from which it goes on."""

import os
import signal
import threading
import time
from contextlib import contextmanager

import pytest
from omegaconf import OmegaConf

from elbolab.cluster import requeue
from elbolab.runs.run_dir import RunDir, acquire_run
from elbolab.runs.status import attempt, newest_state, record_end, record_start
from elbolab.sweeps import job, ranks
from elbolab.sweeps.ranks import has_work


@pytest.fixture
def in_slurm(monkeypatch):
    for name, value in {"SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_JOB_NAME": "x"}.items():
        monkeypatch.setenv(name, value)
    return monkeypatch.setenv


def test_a_job_whose_time_is_up_is_requeued_by_its_first_rank(in_slurm, programs, tmp_path):
    told = tmp_path / "told"
    programs(scontrol=f'echo "$@" >> {told}')
    assert left(signal.SIGUSR2, told) == ("", "requeue 7\n")
    in_slurm("SLURM_ARRAY_JOB_ID", "5")
    in_slurm("SLURM_ARRAY_TASK_ID", "2")
    left(signal.SIGUSR1, told)
    left(signal.SIGTERM, told)
    in_slurm("SLURM_PROCID", "1")
    left(signal.SIGUSR1, told)
    assert told.read_text() == "requeue 7\nrequeue 5_2\n"


def left(number, told, seconds=0.0):
    """What had been told when the loggers were closed, who take a while, and at the end."""
    closed = []

    @contextmanager
    def loggers():
        try:
            yield
        finally:
            time.sleep(seconds)
            closed.append(told.read_text() if told.exists() else "")

    with pytest.raises(SystemExit), requeue.requeue_on_signals(), loggers():
        os.kill(os.getpid(), number)
    return closed[0], told.read_text() if told.exists() else ""


def test_loggers_that_do_not_close_do_not_keep_a_job_from_the_queue(in_slurm, programs, tmp_path, monkeypatch):
    monkeypatch.setattr(requeue, "CLOSING", 0.05)
    told = tmp_path / "told"
    programs(scontrol=f'echo "$@" >> {told}')
    assert left(signal.SIGUSR1, told, seconds=0.5) == ("requeue 7\n", "requeue 7\n")


def test_a_job_is_requeued_so_many_times(in_slurm, programs, tmp_path, caplog):
    programs(scontrol=f"touch {tmp_path}/told")
    in_slurm("SLURM_RESTART_COUNT", "3")
    in_slurm(requeue.LIMIT, "3")
    left(signal.SIGUSR2, tmp_path / "told")
    assert "was requeued 3 times (max_requeues)" in caplog.text
    assert not (tmp_path / "told").exists()


def test_signals_are_slurms_business_only_in_its_jobs(in_slurm):
    in_slurm("SLURM_JOB_NAME", "interactive")
    with requeue.requeue_on_signals():
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    in_slurm("SLURM_JOB_NAME", "x")
    with requeue.requeue_on_signals():
        assert signal.getsignal(signal.SIGUSR1) is not signal.SIG_DFL


def test_another_rank_that_leaves_does_so_without_failing(in_slurm, programs):
    in_slurm("SLURM_PROCID", "1")
    with pytest.raises(SystemExit) as end, requeue.requeue_on_signals():
        os.kill(os.getpid(), signal.SIGUSR1)
    assert end.value.code == 0


@pytest.mark.parametrize(("state", "goes_on"), [(None, True), ("failed", False)])
def test_another_rank_looks_when_the_first_has_begun(in_slurm, tmp_path, state, goes_on):
    def first():
        record_start(tmp_path, monitor="val/elbo", mode="max", epochs=1, overrides=[])
        if state is not None:
            record_end(tmp_path, state)

    assert has_work(tmp_path)
    in_slurm("SLURM_PROCID", "1")
    in_slurm("SLURM_RESTART_COUNT", "1")
    record_start(tmp_path, monitor="val/elbo", mode="max", epochs=1, overrides=[])
    in_slurm("SLURM_RESTART_COUNT", "2")
    assert attempt() == "7.2"
    timer = threading.Timer(0.3, first)
    timer.start()
    assert has_work(tmp_path) == goes_on
    assert not timer.is_alive()


def test_a_rank_that_fails_alone_writes_down_why(in_slurm, tmp_path, monkeypatch):
    in_slurm("SLURM_PROCID", "1")
    monkeypatch.setattr(ranks, "GRACE", 0)
    monkeypatch.setattr(job, "record_error", lambda *_: "a file is missing")

    def work():
        raise ValueError("a file is missing")

    record_start(tmp_path, monitor="val/elbo", mode="max", epochs=1, overrides=[])
    with acquire_run(RunDir(tmp_path)), pytest.raises(ValueError, match="missing"):
        job.run_unless_done(work, tmp_path, OmegaConf.create(), [])
    assert "ValueError: a file is missing" in (tmp_path / "log.txt").read_text()


def test_the_newest_state_is_ours_or_lightnings(tmp_path):
    assert newest_state(tmp_path) is None
    last, hpc = tmp_path / "checkpoints" / "last.ckpt", tmp_path / "hpc_ckpt_1.ckpt"
    last.parent.mkdir()
    for path, when in ((last, 10), (hpc, 20), (tmp_path / "hpc_ckpt_2.ckpt", 15)):
        path.touch()
        os.utime(path, (when, when))
    assert newest_state(tmp_path) == hpc
    os.utime(last, (30, 30))
    assert newest_state(tmp_path) == last
