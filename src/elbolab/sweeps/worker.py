"""The program of a worker process of the local launcher.

``python -m elbolab.sweeps.worker warm MODULE`` imports the module of a command once, and runs jobs one after another.
``python -m elbolab.sweeps.worker alone TASK`` runs the one job in a file, which is on several devices: Lightning starts
the other ranks with the arguments of the first, and a rank that reads the same file joins it, in the same directory.

Stdin is the connection to the parent. When it ends without a word the parent is dead; the worker then kills itself and
whatever it has started, at once: what is on disk is whole.
"""

import gc
import os
import pickle
import queue
import signal
import sys
import threading
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path

from elbolab.common.stopping import catch_sigterm
from elbolab.training.stop_signals import NOTICE


def main() -> None:
    """Runs the jobs that the arguments name."""
    kind, source = sys.argv[1:3]  # Lightning adds arguments for the other ranks
    with catch_sigterm():
        if kind == "warm":
            run_jobs(source)
        else:
            run_job_of_ranks(Path(source))


def run_jobs(module: str) -> None:
    """Calls what the parent sends; returns each value, and whether this process is good for more."""
    parent, jobs = listen_to_parent()
    import_module(module)
    gc.freeze()  # to look through what is imported takes 0.3 s of a core, twice a job
    while job := jobs.get():
        value = pickle.loads(job)()
        parent.send((value, is_usable()))
        gc.collect()


def run_job_of_ranks(task: Path) -> None:
    """Runs a job of several ranks.

    SIGTERM is heeded at the end of a block, by all ranks: in Lightning's handler this rank would wait for one that
    waits for it.
    """
    if "LOCAL_RANK" not in os.environ:  # the other ranks go with the first
        listen_to_parent()
    with NOTICE.heeded((signal.SIGTERM,), lambda number: None):
        pickle.loads(task.read_bytes())()


def listen_to_parent() -> tuple[Connection, "queue.SimpleQueue[bytes]"]:
    """The connection to the parent, and what arrives on it: pickled calls, and at last an empty message."""
    parent, jobs = Connection(os.dup(0)), queue.SimpleQueue[bytes]()

    def receive() -> None:
        try:
            while job := parent.recv_bytes():
                jobs.put(job)
        except (EOFError, OSError):  # the parent is dead
            is_first_of_group = os.getpgid(0) == os.getpid()
            (os.killpg if is_first_of_group else os.kill)(os.getpid(), signal.SIGKILL)
        jobs.put(b"")

    threading.Thread(target=receive, daemon=True).start()
    return parent, jobs


def is_usable() -> bool:
    """Whether the next job can be done here: once a kernel has failed, CUDA answers its process no more."""
    torch = sys.modules.get("torch")
    try:
        if torch is not None and torch.cuda.is_initialized():
            torch.cuda.synchronize()
    except RuntimeError:
        return False
    return True


if __name__ == "__main__":
    main()
