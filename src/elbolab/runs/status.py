"""How a run stands: what `elbolab train` writes of itself into its directory, and how anybody reads it.

The schema of ``status.json``::

    {"state": "running" | "finished" | "pruned" | "interrupted" | "failed",
     "error": message or null, "value": number or null, "monitor": name, "mode": "max" | "min",
     "overrides": [text], "epochs": number or null, "started": ISO time, "ended": ISO time or null,
     "before": seconds of earlier attempts, "host": name, "pid": number, "attempt": text or null}

It is written beside and moved into its place, so whoever reads it reads all of it. Nothing heavy is imported here:
a sweep's table and `elbolab runs` look at many directories, again and again.
"""

import csv
import fcntl
import json
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from elbolab.common.files import FULL, overwrite_json, write_json
from elbolab.config.errors import describe_error
from elbolab.config.paths import config_dir

STATUS = "status.json"

DONE = ("finished", "pruned")
"""States of runs that are not done again."""

Status = dict[str, Any]
"""The content of ``status.json``."""


class State(NamedTuple):
    """How a run stands.

    Attributes:
        state: ``waiting`` (nothing there yet), ``running``, ``finished``, ``pruned`` (its search ended it early),
            ``interrupted``, ``killed`` (it says that it runs, and nobody does) or ``failed``.
        error: what went wrong; None where nothing did.
        value: the best value of the monitored quantity, once done.
        monitor: the name of that quantity; None before the run began.
        epoch: the epoch that the curves have come to, counted from one.
        epochs: how many there will be.
        best: the best value so far.
        seconds: how long it has taken, earlier attempts included.
        overrides: those of the command that began it.
    """

    state: str
    error: str | None = None
    value: float | None = None
    monitor: str | None = None
    epoch: int | None = None
    epochs: int | None = None
    best: float | None = None
    seconds: float | None = None
    overrides: tuple[str, ...] = ()


def state_of(folder: Path) -> State:
    """The state of the run in a directory, which need not exist; runs of before wrote no status."""
    status = read_status(folder)
    if status is None:
        is_measured, has_begun = ((folder / name).is_file() for name in ("evaluation.json", "config.yaml"))
        return State("finished" if is_measured else "killed" if has_begun else "waiting")
    rows = read_curves(folder, ["epoch", status["monitor"]])
    epochs = [int(row["epoch"]) for row in rows if row["epoch"]]
    best = best_of((row[status["monitor"]] for row in rows), status["mode"])
    return State(
        state=_state(folder, status),
        error=status["error"],
        value=status["value"],
        monitor=status["monitor"],
        epoch=epochs[-1] + 1 if epochs else None,
        epochs=status["epochs"],
        best=best if status["value"] is None else status["value"],
        seconds=seconds_of(folder, status),
        overrides=tuple(status["overrides"]),
    )


def _state(folder: Path, status: Status) -> str:
    killed = status["state"] == "running" and not is_held(folder)
    if killed and (now := read_status(folder)) is not None:  # it may have ended between the two looks
        return "killed" if now["state"] == "running" else now["state"]
    return status["state"]


def can_go_on(folder: Path) -> bool:
    """Whether a run has begun and left a state from which it goes on; one that failed begins again."""
    status = read_status(folder)
    if status is not None and status["state"] == "failed":
        return False
    return (folder / "config.yaml").is_file() and newest_state(folder) is not None


def newest_state(folder: Path) -> Path | None:
    """The checkpoint to go on from: ours, or a later one that Lightning has saved for a job of SLURM; None of none."""
    saved = [folder / "checkpoints" / "last.ckpt", *folder.glob("hpc_ckpt_*.ckpt")]
    return max(filter(Path.is_file, saved), key=lambda path: path.stat().st_mtime_ns, default=None)


def read_status(folder: Path) -> Status | None:
    """What the run says of itself; None where it says nothing."""
    try:
        return json.loads((folder / STATUS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{folder / STATUS} is no status of a run ({error}): remove it") from error


def record_start(folder: Path, *, monitor: str, mode: str, epochs: int | None, overrides: Sequence[str]) -> None:
    """Writes that this process now trains in ``folder``, whose lock it holds."""
    earlier = read_status(folder)
    status: Status = {"state": "running", "error": None, "value": None, "monitor": monitor, "mode": mode}
    status |= {"overrides": list(overrides), "epochs": epochs, "started": datetime.now(UTC).isoformat(), "ended": None}
    status |= {"before": 0.0 if earlier is None else seconds_of(folder, earlier), "host": socket.gethostname()}
    write_json(folder / STATUS, status | {"pid": os.getpid(), "attempt": attempt()})


def attempt() -> str | None:
    """What all ranks of a job have in common that a cluster has started, and no other attempt has; else None."""
    if (job := os.environ.get("SLURM_JOB_ID")) is not None:
        return f"{job}.{os.environ.get('SLURM_RESTART_COUNT', 0)}"
    return os.environ.get("SUBMITIT_LOCAL_JOB_ID")


def record_end(folder: Path, state: str, error: str | None = None, value: float | None = None) -> None:
    """Writes how a run has ended whose start was recorded; on a full disk in the place of that."""
    status = read_status(folder)
    assert status is not None, folder
    finite = value if value is not None and isfinite(value) else None
    end = {"state": state, "error": error, "value": finite, "ended": datetime.now(UTC).isoformat()}
    try:
        write_json(folder / STATUS, status | end)
    except OSError as full:
        if full.errno not in FULL:
            raise
        overwrite_json(folder / STATUS, status | end)


def record_failure(folder: Path, error: str, *, monitor: str, mode: str, overrides: Sequence[str]) -> None:
    """Records the failure of a job that died without writing its own status; results of earlier attempts stay valid."""
    status = read_status(folder)
    if status is None:
        record_start(folder, monitor=monitor, mode=mode, epochs=None, overrides=overrides)
    record_end(folder, "failed" if status is None or status["state"] == "failed" else "interrupted", error)


def describe_end(error: BaseException) -> tuple[str, str | None]:
    """The state of a run that an error ended, and the message of the command line; none where somebody stopped it."""
    if not isinstance(error, Exception):
        return "interrupted", None
    return "failed", describe_error(error, [config_dir()], ["train"]) or f"{type(error).__name__}: {error}"


def has_stepped(folder: Path) -> bool:
    """Whether a run has taken steps since it last began: with the first of them it writes its configuration."""
    status, config = read_status(folder), folder / "config.yaml"
    assert status is not None, folder
    return config.is_file() and config.stat().st_mtime >= datetime.fromisoformat(status["started"]).timestamp()


def is_held(folder: Path) -> bool:
    """Whether somebody holds the lock of a run directory; looking takes the lock for a moment."""
    try:
        with (folder / ".lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def seconds_of(folder: Path, status: Status) -> float:
    """How long a run has taken; one that was killed, until it last wrote anything."""
    start, end = datetime.fromisoformat(status["started"]), status["ended"]
    if end is not None:
        last = datetime.fromisoformat(end)
    elif is_held(folder):
        last = datetime.now(UTC)
    else:
        files = (folder / "metrics.csv", folder / "checkpoints" / "last.ckpt")
        written = (path.stat().st_mtime for path in files if path.is_file())
        last = datetime.fromtimestamp(max([start.timestamp(), *written]), UTC)
    return status["before"] + max(0.0, (last - start).total_seconds())


def read_curves(folder: Path, columns: Sequence[str]) -> list[Mapping[str, str]]:
    """Those columns of ``metrics.csv``, complete lines alone; empty text where a row, or the file, has no value."""
    try:
        text = (folder / "metrics.csv").read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    reader = csv.DictReader(text[: text.rfind("\n") + 1].splitlines())
    return [{name: row.get(name) or "" for name in columns} for row in reader]


def best_of(values: Iterable[str], mode: str) -> float | None:
    """The largest or smallest finite number; None without one."""
    numbers = [number for number in map(float, filter(None, values)) if isfinite(number)]
    return (max if mode == "max" else min)(numbers, default=None)
