"""A job of a sweep in a process of its own: ``python -m elbolab.sweeps.own_process TASK``.

For jobs on several devices: Lightning starts the other ranks with the arguments of the first, and a rank that reads
the same task joins it, in the same directory. SIGTERM is heeded at the end of a block, by all ranks: in Lightning's
handler this rank would wait for one that waits for it.
"""

import os
import pickle
import signal
import sys
import threading
from pathlib import Path

from elbolab.sweeps.worker import end_at_once


def main() -> None:
    """Does the job in the file."""
    if "LOCAL_RANK" not in os.environ:  # the other ranks go with the first
        threading.Thread(target=_end_with_parent, daemon=True).start()
    from elbolab.common.stopping import listening
    from elbolab.training.stop_signals import NOTICE

    with listening(), NOTICE.heeded((signal.SIGTERM,), lambda number: None):
        pickle.loads(Path(sys.argv[1]).read_bytes())()


def _end_with_parent() -> None:
    os.read(0, 1)
    end_at_once()


if __name__ == "__main__":
    main()
