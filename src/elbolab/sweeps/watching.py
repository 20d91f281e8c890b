"""A sweep's jobs while they run: a live table on a terminal, elsewhere a line for each change.

It reads their directories, as `elbolab runs` does from another terminal, and so holds for every launcher.
"""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, final

from elbolab.common.did_you_mean import last_parts
from elbolab.common.screen import redraws
from elbolab.common.text import format_duration
from elbolab.runs.labels import shorten
from elbolab.runs.status import DONE, State
from elbolab.runs.sweep_dir import Job, Sweep, find_swept_values, name_of

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

SECONDS = 0.5
"""Between two looks."""

ORDER = ("running", "failed", "killed", "interrupted", "pruned", "finished", "waiting")
"""States in the order in which jobs are shown if there are more jobs than lines."""


@contextmanager
def watching(sweep: Sweep, *, live: bool) -> Iterator[None]:
    """Shows the jobs until it is left.

    Args:
        sweep: the sweep.
        live: draw a table if stderr is a terminal that redraws.
    """
    stop = threading.Event()
    watcher = Watcher(sweep)
    if done := sum(state in DONE for state in watcher.told.values()):
        print(f"{done} of {len(watcher.told)} jobs are finished already, in {sweep.folder}", file=sys.stderr)
    display, show = _table(watcher) if live and redraws(sys.stderr) else (nullcontext(), watcher.tell)
    thread = threading.Thread(target=_watch, args=(watcher, show, stop), daemon=True)
    with display:
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def _watch(watcher: "Watcher", show: Callable[[], None], stop: threading.Event) -> None:
    is_last = False
    while not is_last:
        is_last = stop.wait(SECONDS)
        watcher.look()
        show()


@final
class Watcher:
    """The jobs of a sweep and their states, as last seen.

    Args:
        sweep: the sweep.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self.states: dict[int, State] = {}
        self.jobs: list[Job] = []
        self.told = {num: state.state for num, state in sweep.states().items()}

    def look(self) -> None:
        """Reads the directories of jobs that may have changed."""
        self.jobs = self.sweep.jobs()
        for job in self.jobs:
            if job.num not in self.states or self.states[job.num].state not in DONE:
                self.states[job.num] = self._state(job)

    def _state(self, job: Job) -> State:
        try:
            return self.sweep.state(job)
        except ValueError as error:  # the job will stumble over the same file
            return State("failed", str(error))

    def tell(self) -> None:
        """A line on stderr for each job whose state has changed."""
        names = find_swept_values(self.jobs)
        for job in self.jobs:
            state = self.states[job.num]
            if self.told.get(job.num, "waiting") != state.state:
                self.told[job.num] = state.state
                print(f"{name_of(job, names[job.num])}: {line(state)}", file=sys.stderr, flush=True)


def line(state: State) -> str:
    """``finished, val/elbo -101.20, 12 s``."""
    parts = [state.state]
    if state.best is not None:
        parts.append(f"{state.monitor} {state.best:.2f}")
    if state.state != "running" and state.seconds is not None:
        parts.append(format_duration(state.seconds))
    return ", ".join(parts) + (f": {state.error}" if state.error else "")


def _table(watcher: Watcher) -> "tuple[AbstractContextManager[Live], Callable[[], None]]":
    from rich.console import Console
    from rich.live import Live

    display = Live(console=Console(stderr=True), auto_refresh=False, transient=False)

    def show() -> None:
        rows = display.console.height - 6
        display.update(table(watcher.jobs, watcher.states, rows), refresh=True)

    return display, show


def table(jobs: Sequence[Job], states: Mapping[int, State], rows: int) -> "Table":
    """A table with one line per job; if it has room for ``rows`` jobs only, running and failed jobs come first.

    An error message is cut to one line, so that a few errors do not push the running jobs off the screen; the summary
    at the end of the sweep prints every message in full.
    """
    from rich.table import Table
    from rich.text import Text

    names = find_swept_values(jobs)
    keys = list(dict.fromkeys(key for told in names.values() for key in told))
    counts = Counter(states[job.num].state for job in jobs)
    caption = ", ".join(f"{counts[state]} {state}" for state in ORDER if counts[state])
    monitors = {state.monitor for state in states.values() if state.monitor is not None}
    is_one = len(monitors) == 1
    heading = ["job", *last_parts(keys), "state", "epoch", f"best {min(monitors)}" if is_one else "best", "time"]
    drawn = Table(*heading, caption=caption, box=None, caption_justify="left")
    shown = sorted(sorted(jobs, key=lambda job: ORDER.index(states[job.num].state))[: max(rows, 1)])
    for job in shown:
        line = cells(job, names[job.num], keys, states[job.num], is_one=is_one)
        drawn.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in line))
    return drawn


def cells(job: Job, told: Mapping[str, str], keys: Sequence[str], state: State, *, is_one: bool) -> list[str]:
    """The cells of a job's line: number, swept values, state with its error, epoch, best value, time.

    ``is_one``: all jobs monitor the same quantity, which the heading names.
    """
    epoch = "" if state.epoch is None else str(state.epoch) + ("" if state.epochs is None else f"/{state.epochs}")
    best = "" if state.best is None else f"{'' if is_one else f'{state.monitor} '}{state.best:.2f}"
    time = "" if state.seconds is None else format_duration(state.seconds)
    said = state.state + (f": {state.error}" if state.error else "")
    return [str(job.num), *(shorten(told.get(key, "")) for key in keys), said, epoch, best, time]
