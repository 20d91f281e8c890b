"""Worker processes by themselves, doing things that need no imports: how they are kept, die and end."""

import os
import signal
import subprocess
import sys
from functools import partial

import pytest
from tests.processes import children, is_alive, wait_until

from elbolab.sweeps.local import Worker, WorkerDied
from elbolab.sweeps.shares import Share


@pytest.fixture
def worker():
    """One with an environment of its own, ended at last."""
    made = Worker(Share([], {"SHARE": "3"}), "colorsys")
    yield made
    made.end()
    made.wait()


def test_a_warm_process_is_kept_and_has_its_share_and_a_session_of_its_own(worker, tmp_path):
    worker.run_warm(partial(int, 3), tmp_path / "log.txt")
    pid = worker.call(os.getpid)
    assert (worker.call(os.getpid), worker.warm[0].pid) == (pid, pid)
    assert worker.call(partial(os.getenv, "SHARE")) == "3"
    assert worker.call(partial(os.getsid, 0)) == pid != os.getsid(0)
    assert worker.call(partial(eval, "'colorsys' in __import__('sys').modules"))


def test_a_process_that_dies_takes_what_it_has_started_with_it_and_another_follows(worker, tmp_path):
    worker.run_warm(partial(exec, "import subprocess; child = subprocess.Popen(['sleep', '100'])"), tmp_path / "log")
    (child,) = children(worker.warm[0].pid)
    first = worker.call(os.getpid)
    with pytest.raises(WorkerDied, match="exit code 7"):
        worker.call(partial(os._exit, 7))
    wait_until(lambda: not is_alive(child), 20)
    worker.run_warm(partial(int, 3), tmp_path / "log")
    assert worker.call(os.getpid) != first


def test_a_process_whose_gpu_has_failed_is_replaced(worker, tmp_path):
    broken = (
        "import sys, types\n"
        "def fail(): raise RuntimeError('device-side assert')\n"
        "cuda = types.SimpleNamespace(is_initialized=lambda: True, synchronize=fail)\n"
        "sys.modules['torch'] = types.SimpleNamespace(cuda=cuda)"
    )
    worker.run_warm(partial(exec, broken), tmp_path / "log")
    assert not worker.is_warm()


def test_a_worker_is_asked_to_end_and_does(tmp_path):
    worker = Worker(Share([], {}), "colorsys")
    worker.run_warm(partial(int, 3), tmp_path / "log")
    process = worker.warm[0]
    worker.end()
    worker.wait()
    assert process.returncode == 0
    assert not worker.is_warm()


PARENT = """
import sys, time
from functools import partial
from pathlib import Path
from elbolab.sweeps.local import Worker
from elbolab.sweeps.shares import Share
worker = Worker(Share([], {}), "colorsys")
worker.run_warm(partial(int, 3), Path("log"))
print(worker.warm[0].pid, flush=True)
worker.run_%s(partial(time.sleep, 100), Path("log"))
"""


@pytest.mark.parametrize("kind", ["warm", "alone"])
def test_a_worker_at_work_dies_with_its_parent(kind, tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", PARENT % kind], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    pids = [int(parent.stdout.readline())]
    if kind == "alone":
        wait_until(lambda: len(children(parent.pid)) == 2, 60)
        pids = children(parent.pid)
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    wait_until(lambda: not any(map(is_alive, pids)), 20)


def test_a_job_alone_has_a_process_of_its_own(worker, tmp_path):
    worker.run_alone(partial(os.mkdir, tmp_path / "made"), tmp_path / "log")
    assert (tmp_path / "made").is_dir()
    assert not worker.is_warm()
    with pytest.raises(WorkerDied, match="exit code 7"):
        worker.run_alone(partial(os._exit, 7), tmp_path / "log")
