"""Weights & Biases for everybody: with an account or without one, never a question, never a hang."""

import logging
import os
import secrets
import shlex
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch.loggers import Logger, WandbLogger
from lightning.pytorch.utilities.rank_zero import rank_zero_only

if TYPE_CHECKING:  # importing wandb costs half a second, and most runs do without
    from wandb import Run

log = logging.getLogger(__name__)

X_AXIS = "trainer/global_step"  # the name that WandbLogger gives to Lightning's step
SUMMARIES = {"val/elbo": "max,last", "val/loss": "min,last", "train/loss": "min,last"}


def wandb_logger(
    project: str,
    save_dir: str | Path,
    *,
    entity: str | None = None,
    group: str | None = None,
    job_type: str | None = None,
    tags: Sequence[str] = (),
    name: str | None = None,
    notes: str | None = None,
    offline: bool = False,
    log_model: bool = False,
    config: Mapping[str, Any] | None = None,
    init_timeout: float = 20.0,
    finish_timeout: float = 120.0,
) -> WandbLogger:
    """A logger whose run has begun: online where somebody is logged in and the server answers, else offline.

    ``WANDB_MODE``, ``WANDB_BASE_URL`` and the other variables of W&B hold. The run's id is kept in
    ``save_dir/wandb_id.txt``, so that a resumed run goes on in the same W&B run.

    Args:
        project: W&B project.
        save_dir: the run directory.
        entity: W&B user or team, None for the default one.
        group: joins the runs of one sweep.
        job_type: ``train``, ``evaluate``, ...
        tags: tags of the run.
        name: name of the run, None for one that W&B invents.
        notes: a longer description.
        offline: record without trying the server.
        log_model: upload checkpoints; needs a run that is online.
        config: the resolved configuration, plain types.
        init_timeout: seconds after which a server that does not begin the run is given up.
        finish_timeout: seconds after which an upload at the end is given up; what is left stays on disk.
    """
    if rank_zero_only.rank != 0:  # type: ignore[attr-defined]
        return WandbLogger(project=project, save_dir=save_dir)
    Path(save_dir).mkdir(parents=True, exist_ok=True)
    run = _begin(
        offline,
        init_timeout,
        finish_timeout,
        project=project,
        entity=entity,
        group=group,
        job_type=job_type,
        tags=list(tags),
        name=name,
        notes=notes,
        dir=os.fspath(save_dir),
        id=_run_id(Path(save_dir) / "wandb_id.txt"),
        resume="allow",
        config=dict(config or {}),
    )
    _define_metrics(run)
    if log_model and run.offline:
        log.warning("W&B: checkpoints are uploaded by online runs only; logger.wandb.log_model=true has no effect")
    return WandbLogger(
        project=project, save_dir=save_dir, experiment=run, offline=run.offline, log_model=log_model and not run.offline
    )


def _define_metrics(run: "Run") -> None:
    """Curves against optimiser steps, and what a table of runs shows of them."""
    run.define_metric(X_AXIS)
    run.define_metric("*", step_metric=X_AXIS, step_sync=True)
    for metric, summary in SUMMARIES.items():
        run.define_metric(metric, step_metric=X_AXIS, step_sync=True, summary=summary)


def closing_line(run: "Run") -> str:
    """Where a run can be looked at, or how it gets there."""
    if run.disabled:
        return "W&B: disabled, nothing was recorded"
    if run.offline:
        newest = Path(run.settings.sync_dir)
        parts = sorted({newest, *newest.parent.glob(f"offline-run-*-{run.id}")})  # one for each resume
        return f"W&B: recorded offline; upload with: wandb sync {shlex.join(map(str, parts))}"
    return f"W&B: {run.url}"


def finish(loggers: Iterable[Logger], exit_code: int = 0) -> list[str]:
    """Ends the W&B runs among ``loggers``, so that the next job of a sweep begins its own; their closing lines."""
    first = rank_zero_only.rank == 0  # type: ignore[attr-defined]
    runs = [logger.experiment for logger in loggers if first and isinstance(logger, WandbLogger)]
    lines = [closing_line(run) for run in runs]
    for run in runs:
        run.finish(exit_code=exit_code)
    return lines


def _begin(offline: bool, init_timeout: float, finish_timeout: float, **settings: Any) -> "Run":
    """Begins the run online if that can be done, else offline with a line that says why."""
    import wandb

    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # W&B's own telemetry complains into the run's log
    silent = wandb.Settings(silent=True, console="off", init_timeout=init_timeout, finish_timeout=finish_timeout)
    mode = "offline" if offline else wandb.setup(silent).settings.mode
    if mode in ("offline", "disabled"):
        return wandb.init(mode=mode, settings=silent, **settings)
    try:
        _reach(wandb.setup().settings.base_url)
        with _nobody_to_ask():
            return wandb.init(mode="online", settings=silent, **settings)
    except (wandb.errors.Error, OSError) as error:
        log.warning("W&B: recording offline, because %s", _reason(error))
        wandb.teardown()  # else its service holds on to the id of the run that it could not begin
        return wandb.init(mode="offline", settings=silent, **settings)


def _reason(error: Exception) -> str:
    import wandb

    if isinstance(error, wandb.errors.UsageError):
        return "nobody is logged in (wandb login, or WANDB_API_KEY)"
    return str(error).splitlines()[0].strip() if str(error) else "the server did not answer"


def _reach(url: str, seconds: float = 3.0) -> None:
    """Raises ConnectionError where no server answers at ``url``; W&B itself gives up 10 s after ``init_timeout``."""
    try:
        urllib.request.urlopen(url, timeout=seconds).close()
    except urllib.error.HTTPError:
        pass  # it answers
    except urllib.error.URLError as error:
        if not isinstance(error.reason, ssl.SSLError):
            raise ConnectionError(f"{url} does not answer ({error.reason})") from None


@contextmanager
def _nobody_to_ask() -> Iterator[None]:
    """W&B asks for a key where stdin is a terminal."""
    stdin = sys.stdin
    with open(os.devnull) as sys.stdin:
        try:
            yield
        finally:
            sys.stdin = stdin


def _run_id(path: Path) -> str:
    """The id in ``path``, else a new one that is kept there."""
    if not path.exists():
        path.write_text(secrets.token_hex(4) + "\n")
    return path.read_text().strip()
