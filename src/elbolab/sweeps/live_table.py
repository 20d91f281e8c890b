"""A sweep's jobs while they run: a live table on a terminal, elsewhere a line for each change.

It reads their directories, as `elbolab runs` does from another terminal, and so holds for every launcher.
"""

import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import final

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from elbolab.common.did_you_mean import last_parts
from elbolab.common.terminal import redraws
from elbolab.common.text import format_duration
from elbolab.runs.labels import shorten
from elbolab.runs.status import DONE, State
from elbolab.runs.sweep_dir import Job, Sweep, find_swept_values, name_of

POLL = 0.5  # seconds between two looks

ORDER = ("running", "failed", "killed", "interrupted", "pruned", "finished", "waiting")
"""States in the order in which jobs are shown if there are more jobs than lines."""


@contextmanager
def show_jobs(sweep: Sweep, *, live: bool) -> Iterator[None]:
    """Shows the jobs until it is left: in a table if ``live`` and stderr is a terminal that redraws."""
    watcher, stop = Watcher(sweep), threading.Event()
    if done := sum(state in DONE for state in watcher.printed.values()):
        print(f"{done} of {len(watcher.printed)} jobs are finished already, in {sweep.folder}", file=sys.stderr)
    display = Live(console=Console(stderr=True), auto_refresh=False) if live and redraws(sys.stderr) else None

    def follow() -> None:
        is_last = False
        while not is_last:
            is_last = stop.wait(POLL)
            watcher.look()
            if display is None:
                watcher.print_changes()
            else:
                room = display.console.height - 6
                display.update(draw_table(watcher.jobs, watcher.states, room), refresh=True)

    thread = threading.Thread(target=follow, daemon=True)
    with display or nullcontext():
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@final
class Watcher:
    """The jobs of a sweep and their states, as last seen."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self.states: dict[int, State] = {}
        self.jobs: list[Job] = []
        self.printed = {num: state.state for num, state in sweep.states().items()}

    def look(self) -> None:
        """Reads the directories of jobs that may have changed."""
        self.jobs = self.sweep.jobs()
        for job in self.jobs:
            if job.num not in self.states or self.states[job.num].state not in DONE:
                try:
                    self.states[job.num] = self.sweep.state(job)
                except ValueError as error:  # the job will stumble over the same file
                    self.states[job.num] = State("failed", str(error))

    def print_changes(self) -> None:
        """Prints a line on stderr for each job whose state has changed."""
        names = find_swept_values(self.jobs)
        for job in self.jobs:
            state = self.states[job.num]
            if self.printed.get(job.num, "waiting") != state.state:
                self.printed[job.num] = state.state
                print(f"{name_of(job, names[job.num])}: {describe_state(state)}", file=sys.stderr, flush=True)


def describe_state(state: State) -> str:
    """``finished, val/elbo -101.20, 12 s``."""
    parts = [state.state]
    if state.best is not None:
        parts.append(f"{state.monitor} {state.best:.2f}")
    if state.state != "running" and state.seconds is not None:
        parts.append(format_duration(state.seconds))
    return ", ".join(parts) + (f": {state.error}" if state.error else "")


def draw_table(jobs: Sequence[Job], states: Mapping[int, State], rows: int) -> Table:
    """A table with one line per job; if it has room for ``rows`` jobs only, running and failed jobs come first.

    An error message is cut to one line, so that a few errors do not push the running jobs off the screen; the summary
    at the end of the sweep prints every message in full.
    """
    swept = find_swept_values(jobs)
    keys = list(dict.fromkeys(key for values in swept.values() for key in values))
    counts = Counter(states[job.num].state for job in jobs)
    caption = ", ".join(f"{counts[state]} {state}" for state in ORDER if counts[state])
    monitors = {state.monitor for state in states.values() if state.monitor is not None}
    is_one = len(monitors) == 1  # which the heading names, and the cells need not
    heading = ["job", *last_parts(keys), "state", "epoch", f"best {min(monitors)}" if is_one else "best", "time"]
    table = Table(*heading, caption=caption, box=None, caption_justify="left")
    for job in sorted(sorted(jobs, key=lambda job: ORDER.index(states[job.num].state))[: max(rows, 1)]):
        state = states[job.num]
        cells = [
            str(job.num),
            *(shorten(swept[job.num].get(key, "")) for key in keys),
            state.state + (f": {state.error}" if state.error else ""),
            "" if state.epoch is None else str(state.epoch) + ("" if state.epochs is None else f"/{state.epochs}"),
            "" if state.best is None else f"{'' if is_one else f'{state.monitor} '}{state.best:.2f}",
            "" if state.seconds is None else format_duration(state.seconds),
        ]
        table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in cells))
    return table
