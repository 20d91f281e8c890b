"""``metrics.csv``: the curves of a run in one wide table that survives a kill and a resume."""

import csv
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, final

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.rank_zero import rank_zero_only

Row = dict[str, str]


@final
class Table:
    """A wide table in a CSV file that SIGKILL cannot tear.

    A row is one `write`; a change of columns and a rewind go to a second file that takes the first one's place.
    Opening drops an incomplete last line.

    Args:
        path: the file; it need not exist.

    Raises:
        ValueError: the file is there, but has no column ``step``.
    """

    def __init__(self, path: Path):
        self.path = path
        self.columns = ["step", "epoch"]
        self._replace(self.rows())

    def rows(self) -> list[Row]:
        """Every complete row of the file; its columns become this table's."""
        text = self.path.read_text() if self.path.exists() else ""
        reader = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1]))
        if reader.fieldnames is None:
            return []
        if "step" not in reader.fieldnames:
            raise ValueError(f"{self.path} has no column 'step', so it is no metrics.csv of elbolab: move it away")
        self.columns = list(reader.fieldnames)
        return list(reader)

    def put(self, row: Row) -> None:
        """Appends ``row``; where the last row has the same step, completes that one instead."""
        joins = self._last.get("step") == row["step"]
        old, new = (self._last, self._last | row) if joins else ({}, row)
        unseen = [name for name in new if name not in self.columns]
        # In place only if the old line is covered whole: values only ever join a row, so a shorter line is rare.
        if unseen or (joins and len(self._line(new)) < len(self._line(old))):
            kept = self.rows()
            self.columns += unseen
            self._replace([*(kept[:-1] if joins else kept), new])
        else:
            self._write(new, self._start if joins else self._end)

    def rewind(self, step: int) -> None:
        """Drops the rows at and beyond ``step``."""
        rows = self.rows()
        kept = [row for row in rows if int(row["step"]) < step]
        if len(kept) < len(rows):
            self._replace(kept)

    def _line(self, row: Row) -> bytes:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerow(row.get(name, "") for name in self.columns)
        return out.getvalue().encode()

    def _write(self, row: Row, start: int) -> None:
        line = self._line(row)
        with self.path.open("r+b", buffering=0) as file:
            file.seek(start)
            file.write(line)
        self._last, self._start, self._end = row, start, start + len(line)

    def _replace(self, rows: list[Row]) -> None:
        lines = [self._line({name: name for name in self.columns}), *map(self._line, rows)]
        beside = self.path.with_suffix(".csv.tmp")
        beside.write_bytes(b"".join(lines))
        os.replace(beside, self.path)
        self._last: Row = rows[-1] if rows else {}
        self._end = sum(map(len, lines))
        self._start = self._end - len(lines[-1])


@final
class AppendingCSVLogger(Logger):
    """Writes ``metrics.csv``: columns step, epoch, then every metric in the order of its first appearance.

    A row is on disk when `log_metrics` returns. Lightning's own CSVLogger empties its file when a run is resumed;
    this one is rewound by `InStep`.

    Args:
        save_dir: the run directory.
    """

    def __init__(self, save_dir: str | os.PathLike):
        super().__init__()
        self._folder = Path(save_dir)
        self._table: Table | None = None

    @property
    def table(self) -> Table:
        """The table, opened at first use, and so by rank zero alone."""
        if self._table is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._table = Table(self._folder / "metrics.csv")
        return self._table

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Puts the metrics into the row of ``step``, the zero-based index of the last optimiser step.

        Raises:
            ValueError: without a step.
        """
        if step is None:
            raise ValueError("a row of metrics.csv needs its step: log_metrics(metrics, step=...)")
        self.table.put({"step": str(step)} | {name: _number(value) for name, value in metrics.items()})

    @rank_zero_only
    def rewind(self, global_step: int) -> None:
        """Drops the rows of optimiser steps that a run at ``global_step`` has yet to take; at 0, all of them."""
        self.table.rewind(global_step)

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: the run directory holds the resolved config."""

    @property
    def save_dir(self) -> str:
        """The run directory."""
        return str(self._folder)

    @property
    def name(self) -> str:
        """Empty: the file lies in the run directory itself."""
        return ""

    @property
    def version(self) -> str:
        """Empty, as the name."""
        return ""


@final
class InStep(Callback):
    """Keeps ``metrics.csv`` in step with the checkpoints, so that a resumed run leaves no gap and no double row.

    Lightning logs a block after the callbacks that may save a checkpoint have seen it: a run killed in between would
    resume past a row that was never written. So the row is written before the checkpoint; Lightning then completes it.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Drops what an earlier run wrote past the step from which this one goes on."""
        for logger in _tables(trainer):
            logger.rewind(trainer.global_step)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Writes the training metrics of the block that the checkpoint ends with."""
        logged = trainer.logged_metrics  # on every rank: it may be a collective
        metrics = {name: float(value) for name, value in logged.items() if name.startswith("train/")}
        for logger in _tables(trainer):
            if metrics:
                logger.log_metrics(metrics | {"epoch": trainer.current_epoch}, trainer.global_step - 1)


def _tables(trainer: Trainer) -> Iterable[AppendingCSVLogger]:
    return (logger for logger in trainer.loggers if isinstance(logger, AppendingCSVLogger))


def _number(value: float) -> str:
    """The shortest text that reads back as the same number; whole numbers without a point."""
    number = float(value)
    return str(int(number)) if number.is_integer() else repr(number)
