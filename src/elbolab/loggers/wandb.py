"""W&B logger that works without an account (offline), never prompts, and waits for a server for limited time only."""

import os
import secrets
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from elbolab.common.dotted import flatten
from elbolab.common.kind import curve_of
from elbolab.evaluation.figures.curves import KL_TABLE, read_kl
from elbolab.loggers.board import KL, Board, Images, check_writable, open_image
from elbolab.loggers.table import read_table
from elbolab.loggers.wandb_server import begin, forget

if TYPE_CHECKING:  # importing wandb costs half a second, and most runs do without
    from wandb import Run

X_AXIS = "trainer/global_step"  # the name that Lightning's own WandbLogger gives to it
GOALS = {"higher": "max", "lower": "min", None: None}
"""Summary of a curve that a table of runs shows beside its last value, by the direction that is better."""

ID = "wandb_id.txt"
PICTURES = "wandb/pictures"
"""Folder of a run directory with the pictures that were recorded offline: ``STEP/figures/samples.png``."""

MOST_BINS = 512
"""Bins that W&B draws of a histogram."""


@final
class WandbBoard(Board):
    """A W&B run: online where somebody is logged in and the server answers, else offline.

    ``WANDB_MODE``, ``WANDB_BASE_URL`` and the other variables of W&B hold. The run's id is kept in the run directory,
    so that a resumed run goes on in the same W&B run; under a W&B agent the id is the agent's.

    Args:
        project: W&B project.
        save_dir: the run directory.
        entity, group, job_type, tags, name, notes: those of ``wandb.init``; the runs of a sweep are a group.
        offline: record without trying the server.
        artifacts: files of the run to keep at its end, of `ARTIFACTS`.
        init_timeout: seconds after which a server that does not begin the run is given up.
        finish_timeout: seconds after which an upload at the end is given up; what is left stays on disk.

    Raises:
        ValueError: an unknown artifact.
    """

    label: ClassVar[str] = "W&B"
    key: ClassVar[str] = "logger.wandb"

    def __init__(
        self,
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
        artifacts: Sequence[str] = (),
        init_timeout: float = 20.0,
        finish_timeout: float = 30.0,
    ) -> None:
        super().__init__(save_dir, artifacts)
        self.offline = offline
        self.timeouts = {"init_timeout": init_timeout, "finish_timeout": finish_timeout}
        self.settings: dict[str, Any] = {"project": project, "entity": entity, "group": group, "job_type": job_type}
        self.settings |= {"tags": list(tags), "name": name, "notes": notes, "dir": os.fspath(save_dir)}
        self._is_whole, self._known = False, -1
        self._defined: set[str] = set()

    @override
    def begin(self, goals: Mapping[str, str]) -> None:
        """Begins the W&B run, `experiment`; a key that is refused or a server that does not answer costs seconds.

        Raises:
            ValueError: an unknown ``WANDB_MODE``, or a folder that cannot be written.
        """
        check_writable(f"{self.key}.save_dir", self.folder)
        kept = self.folder / ID
        self._is_whole = not kept.is_file()
        if self._is_whole:
            shutil.rmtree(self.folder / PICTURES, ignore_errors=True)
            identity = os.environ.get("WANDB_RUN_ID") if _has_agent() else None
            kept.write_text(f"{identity or secrets.token_hex(4)}\n", encoding="utf-8")
        identity = kept.read_text(encoding="utf-8").strip()
        try:
            self._own = begin(self.offline, self.timeouts, id=identity, resume="allow", **self.settings)
            self._known = self._own.summary.get(X_AXIS, -1)
            self._handle.define_metric(X_AXIS)
            self._handle.define_metric("*", step_metric=X_AXIS, step_sync=True)
            for name, goal in goals.items():  # the controller of a W&B sweep compares plain numbers
                self._define(name, "last" if _has_agent() else f"{goal},last")
        except ValueError:
            raise
        except Exception as error:
            self.record_failure(error)

    def _define(self, name: str, summary: str) -> None:
        """A curve against optimiser steps, and what a table of runs shows of it."""
        self._handle.define_metric(name, step_metric=X_AXIS, step_sync=True, summary=summary)
        self._defined.add(name)

    @override
    def _config(self, config: Mapping[str, Any]) -> None:
        # an agent's parameters have dotted names, and locked: `model` would hide all that lies below it
        self._handle.config.update(flatten(config) if _has_agent() else dict(config), allow_val_change=True)

    @override
    def _curves(self, metrics: Mapping[str, float], step: int) -> None:
        """Steps that a server knows, which a run that was killed takes again, are not told twice."""
        for name in metrics.keys() - self._defined:
            goal = GOALS[curve_of(name.partition("/")[2]).kind.better]
            if goal is not None:
                self._define(name, f"{goal},last")
        if step > self._known:
            self._handle.log({**metrics, X_AXIS: step})

    @override
    def _rewind(self, step: float) -> None:
        """Tells W&B what the run directory has of earlier steps, and W&B has not.

        A part that is recorded offline begins with nothing, and one that was killed has lost its last seconds; a
        server that knows the run is told what comes after the last step that it knows.
        """
        for row in read_table(self.folder / "metrics.csv")[1]:
            if int(row["step"]) < step:
                numbers = {name: float(value) for name, value in row.items() if value and name != "step"}
                self._curves(numbers, int(row["step"]))
        for at, values in zip(*read_kl(self.folder / KL_TABLE), strict=True):
            if at < step:
                self._heat(KL, values, int(at))
        for folder in sorted((self.folder / PICTURES).glob("*"), key=lambda folder: int(folder.name)):
            if int(folder.name) < step:
                images = {
                    str(path.relative_to(folder).with_suffix("")): open_image(path) for path in folder.rglob("*.png")
                }
                self._images(images, int(folder.name))
        self._is_whole = True

    @override
    def _flush(self) -> None:
        """Does nothing: W&B's service is a separate process, which survives a kill of this one."""

    @override
    def _images(self, images: Images, step: int) -> None:
        import wandb

        if step >= self._known:  # those of the last step that a server knows are drawn after its numbers are told
            self._handle.log({name: wandb.Image(image) for name, image in images.items()} | {X_AXIS: step})
        for name, image in (
            images.items() if self._handle.offline else ()
        ):  # for a part that repeats this one after a kill
            path = self.folder / PICTURES / str(step) / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path)

    @override
    def _heat(self, name: str, row: NDArray, step: int) -> None:
        """Histograms are drawn as a heat map over steps: here a bin is an index, and its height the value."""
        import wandb

        if step <= self._known:
            return
        bins = row[:MOST_BINS]
        histogram = wandb.Histogram(np_histogram=(bins, np.arange(len(bins) + 1)))
        self._handle.log({name: histogram, X_AXIS: step})

    @override
    def _summary(self, numbers: Mapping[str, float], step: int) -> None:
        if not self._is_whole:  # nothing was left to train
            self._rewind(inf)
        nested: dict[str, dict[str, float]] = {}
        for name, value in numbers.items():
            split, _, quantity = name.partition("/")
            nested.setdefault(split, {})[quantity] = value
        self._handle.summary.update(nested)

    @override
    def _files(self, kind: str, paths: Sequence[Path]) -> None:
        import wandb

        artifact = wandb.Artifact(f"{self._handle.id}-{kind}", type=kind)
        for path in paths:
            artifact.add_file(str(path), policy="immutable" if self._handle.offline else "mutable")
        self._handle.log_artifact(artifact)

    @override
    def _close(self, failed: bool) -> str:
        run, line = self._own, closing_line(self._own)
        try:
            run.finish(exit_code=int(failed))
        except BaseException:
            forget()
            raise
        if run.offline and self._is_whole:  # `wandb sync` stops at a part that a kill has torn, and which is repeated
            newest = Path(run.settings.sync_dir)
            for part in newest.parent.glob(f"offline-run-*-{run.id}"):
                if part != newest:
                    part.rename(part.with_name(f"repeated-{part.name}"))
        return line


def closing_line(run: "Run") -> str:
    """The address of a run, or the command that uploads it."""
    if run.disabled:
        return "W&B: disabled, nothing was recorded"
    if run.offline:
        return f"W&B: recorded offline; upload with: wandb sync {shlex.quote(run.settings.sync_dir)}"
    return f"W&B: {run.url}"


def end_live_run(*, failed: bool) -> None:
    """Ends a W&B run that somebody else began, Lightning's own WandbLogger say: the next job would take it over."""
    wandb: Any = sys.modules.get("wandb")
    if wandb is not None and wandb.run is not None:
        try:
            wandb.finish(exit_code=int(failed))
        except Exception:  # its service is gone
            forget()


def _has_agent() -> bool:
    """Whether a W&B agent has started this process."""
    return bool(os.environ.get("WANDB_SWEEP_ID"))
