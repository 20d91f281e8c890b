"""The end of a sweep, successful or not: ``sweep.csv``, the comparison, the errors and how to continue."""

import csv
import io
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

from elbolab.common.files import write_atomically
from elbolab.common.terminal import terminal_width
from elbolab.runs.status import DONE, State
from elbolab.runs.sweep_dir import Job, Sweep, find_swept_values, name_of
from elbolab.sweeps.session import Session

TABLE = "sweep.csv"

Compare = Callable[[Path, list[Job], int | None], Callable[[], str]]
"""(sweep directory, finished jobs, terminal width) -> a function that makes the text; a warm worker may run it."""

EXPLANATIONS = {
    "waiting": "the sweep ended before its turn, or a full disk kept its error from being recorded",
    "running": "another process trains in its directory",
    "interrupted": "it can go on",
    "killed": "its process ended without recording why; log.txt shows how far it came (killed, or a full disk?)",
    "failed": "log.txt shows why",
}
"""By state, what is printed for a job that has recorded no error."""


@final
class Unfinished(ValueError):
    """Some jobs of a sweep have not finished; the message says how to try them again."""


def summarise(session: Session, argv: Sequence[str], compare: Compare) -> None:
    """Writes ``sweep.csv``; prints the comparison of the jobs that have finished, and the errors of the others.

    Without a sweep nothing is written or printed. ``argv`` is the sub-command and its arguments.

    Raises:
        Unfinished: some jobs have not finished.
    """
    session.display.close()
    sweep = session.sweep
    if sweep is None or not (jobs := sweep.jobs()):  # of a search that was refused
        return
    states = sweep.states()
    written = _try_to_write_table(sweep.folder, jobs, states)
    if sweep.is_search:
        text = sweep.conclude()
    else:
        finished = [job for job in jobs if states[job.num].state == "finished"]
        comparison = compare(sweep.folder, finished, terminal_width())
        text = comparison() if session.call_warm is None else session.call_warm(comparison)
    print(text, end="")
    over = (*DONE, "running") if sweep.is_search else DONE  # a running trial may be another worker's
    left = [job for job in jobs if states[job.num].state not in over]
    names = find_swept_values(jobs)
    for job in left:
        state = states[job.num]
        word = {"failed": "failed", "waiting": "has not begun"}.get(state.state, f"was {state.state}")
        print(f"{name_of(job, names[job.num])} {word}: {state.error or EXPLANATIONS[state.state]}")
    print(f"  {written}")
    if left:
        again = command_to_continue(sweep, argv)
        raise Unfinished(f"{len(left)} of {len(jobs)} jobs did not finish; try them again with: {again}")


def stop(session: Session) -> None:
    """Ends the processes and the display of a sweep that the user has stopped, and writes ``sweep.csv``."""
    session.stack.close()
    session.display.close()
    if session.sweep is not None and (jobs := session.sweep.jobs()):
        _try_to_write_table(session.sweep.folder, jobs, session.sweep.states())


def command_to_continue(sweep: Sweep, argv: Sequence[str]) -> str:
    """The command that continues a sweep: the original one, with the sweep's directory added if it is not named."""
    has_folder = any(word.startswith("hydra.sweep.dir=") for word in argv)
    return shlex.join(["elbolab", *argv, *([] if has_folder else [f"hydra.sweep.dir={sweep.folder}"])])


def _try_to_write_table(folder: Path, jobs: Sequence[Job], states: Mapping[int, State]) -> str:
    """Writes the table; returns its path, or why that failed, so that a full disk does not hide the jobs' errors."""
    try:
        write_table(folder, jobs, states)
    except OSError as error:
        return f"{folder / TABLE} cannot be written: {error.strerror}"
    return str(folder / TABLE)


def write_table(folder: Path, jobs: Sequence[Job], states: Mapping[int, State]) -> None:
    """Writes ``sweep.csv``, a row a job: number, swept values, state, error, monitored value, seconds, measures."""
    swept = find_swept_values(jobs)
    rows = [_row(folder / str(job.num), job, swept[job.num], states[job.num]) for job in jobs]
    keys = [key for values in swept.values() for key in values]
    columns = dict.fromkeys(["job", *keys, "state", "error", "monitor", "value", "seconds"])
    text = io.StringIO()
    writer = csv.DictWriter(
        text, list(columns | dict.fromkeys(name for row in rows for name in row)), lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(folder / TABLE, text.getvalue())


def _row(folder: Path, job: Job, swept: Mapping[str, str], state: State) -> dict[str, Any]:
    stands = {
        "state": state.state,
        "error": state.error,
        "monitor": state.monitor,
        "value": state.value,
        "seconds": None if state.seconds is None else round(state.seconds, 1),
    }
    path = folder / "evaluation.json"
    report = json.loads(path.read_text(encoding="utf-8")) if state.state == "finished" and path.is_file() else {}
    measured = {f"{split}/{name}": quantity["value"] for split in report for name, quantity in report[split].items()}
    return {"job": job.num, **swept, **stands, **measured}
