"""One progress bar for a whole run."""

import sys
import time
from typing import Any, final

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from tqdm import tqdm
from typing_extensions import override

from elbolab.callbacks.notebook import NotebookLine, in_notebook
from elbolab.common.terminal import redraws

WITH_END = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"
WITHOUT_END = "{desc} {n_fmt} steps [{elapsed}{postfix}]"
NOTEBOOK_COLUMNS = 120
"""Width of the bar in a notebook, whose cells do not report their own width."""


@final
class Clock:
    """Steps per second of training alone, averaged over the last blocks.

    GPU calls are asynchronous: a block of steps has finished only when its metrics are logged, after its
    ``on_train_batch_end``. So a block is timed from the end of the previous block to its own end. The clock stops when
    validation starts.

    Args:
        memory: weight of the past in the running averages.
    """

    def __init__(self, memory: float = 0.9) -> None:
        self.memory = memory
        self.laps = 0
        self.steps = self.seconds = 0.0
        self.last: tuple[int, float] | None = None

    def start(self, step: int) -> None:
        """Starts the clock at ``step``; does nothing while the clock runs."""
        self.last = self.last or (step, time.monotonic())

    def lap(self, step: int) -> None:
        """Records the end of a block, after which ``step`` steps have been taken in total."""
        assert self.last is not None
        now = time.monotonic()
        kept = 0.0 if self.laps == 1 else self.memory  # the first block also pays for what is made once
        self.laps += 1
        self.steps = kept * self.steps + step - self.last[0]
        self.seconds = kept * self.seconds + now - self.last[1]
        self.last = (step, now)

    def stop(self) -> None:
        """Stops the clock when training pauses, after its last block has finished."""
        if self.last is not None:
            self.seconds += time.monotonic() - self.last[1]
            self.last = None

    def steps_per_second(self) -> float | None:
        """The running average; None before the first block has ended."""
        return self.steps / self.seconds if self.seconds > 0 else None


def total_steps(trainer: Trainer) -> int | None:
    """Optimiser steps of the whole run; None if the run has no end or the end is not known."""
    ends, data = [trainer.max_steps], trainer.datamodule  # type: ignore[attr-defined]
    if trainer.max_epochs is not None and data is not None:
        ends.append(trainer.max_epochs * data.steps_per_epoch)
    return min((end for end in ends if end > 0), default=None)


def format_epoch(epoch: int, trainer: Trainer) -> str:
    """``epoch 3/13``, or ``epoch 3`` of a run whose steps alone are limited."""
    return f"epoch {epoch}" + (f"/{trainer.max_epochs}" if (trainer.max_epochs or 0) > 0 else "")


@final
class Progress(ProgressBar):
    """A bar over optimiser steps, in a terminal or a notebook; where nothing can be drawn over, plain lines.

    A line comes at validations, the first and the end of the run always among them, and once in a while without one.
    A redraw and a line read metrics from the device and so wait for it; between them nothing is read.

    Args:
        show: draw the bar; None draws it in a notebook, and when stderr is a terminal that redraws.
        refresh_seconds: least time between two redraws.
        line_seconds: least time between two lines.
        silent_seconds: time without a line after which one comes without a validation.
    """

    def __init__(
        self,
        show: bool | None = None,
        refresh_seconds: float = 0.2,
        line_seconds: float = 5.0,
        silent_seconds: float = 60.0,
    ) -> None:
        super().__init__()
        self.show = (in_notebook() or redraws(sys.stderr)) if show is None else show
        self.refresh_seconds = refresh_seconds
        self.line_seconds, self.silent_seconds = line_seconds, silent_seconds
        self.enabled = True
        self.bar: tqdm | None = None
        self.clock = Clock()
        self.epoch = 1
        self.shown_step, self.shown_time = 0, 0.0
        self.is_first = True

    @override
    def disable(self) -> None:
        self.enabled = False

    @override
    def enable(self) -> None:
        self.enabled = True

    @override
    def print(self, *args: Any, **kwargs: Any) -> None:
        tqdm.write(" ".join(map(str, args)), file=sys.stderr)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.clock = Clock()
        self.epoch = trainer.current_epoch + 1
        self.shown_step, self.shown_time, self.is_first = trainer.global_step, time.monotonic(), True
        if self.enabled and self.show:
            self.bar = tqdm(
                desc=format_epoch(self.epoch, trainer),
                total=total_steps(trainer),
                initial=trainer.global_step,
                unit="step",
                file=NotebookLine() if in_notebook() else sys.stderr,
                ncols=NOTEBOOK_COLUMNS if in_notebook() else None,
                dynamic_ncols=not in_notebook(),
                bar_format=WITH_END if total_steps(trainer) else WITHOUT_END,
            )
            self._show(trainer)

    @override
    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.epoch = trainer.current_epoch + 1  # which Lightning raises again before the training ends

    @override
    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.clock.start(trainer.global_step)

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.clock.lap(trainer.global_step)
        self._show(trainer, self.silent_seconds if self.bar is None else self.refresh_seconds)

    @override
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.clock.stop()

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.sanity_checking:
            self._show(trainer, 0.0 if self.is_first or self.bar is not None else self.line_seconds)
            self.is_first = False

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.enable_validation and self.bar is None:
            self._show(trainer, 0.0 if self.is_first else self.line_seconds)
            self.is_first = False

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.bar is not None or self.shown_step != trainer.global_step:
            self._show(trainer)
        self._close()

    @override
    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._close()  # ends the bar's line, so that the error starts on its own

    def _show(self, trainer: Trainer, least_seconds: float = 0.0) -> None:
        """Redraws the bar, or prints a line on the first rank, unless the last is younger than ``least_seconds``."""
        now = time.monotonic()
        if now - self.shown_time < least_seconds:
            return
        self.shown_step, self.shown_time = trainer.global_step, now
        epoch = format_epoch(self.epoch, trainer)
        if self.bar is not None:
            self.bar.n = trainer.global_step
            self.bar.set_description_str(epoch, refresh=False)
            self.bar.set_postfix_str(", ".join(self._numbers(trainer)), refresh=False)
            self.bar.refresh()
        elif self.enabled:
            total = total_steps(trainer)
            steps = f"step {trainer.global_step}" + (f"/{total}" if total else "")
            print(", ".join([epoch, steps, *self._numbers(trainer)]), file=sys.stderr, flush=True)

    def _numbers(self, trainer: Trainer) -> list[str]:
        metrics, data = trainer.callback_metrics, trainer.datamodule  # type: ignore[attr-defined]
        bound = "elbo" if "train/elbo" in metrics else "loss"
        names = dict.fromkeys((f"train/{bound}", "train/rate", f"val/{bound}", "val/elbo"))
        labels = {name: name.removeprefix("train/").replace("/", " ") for name in names if name in metrics}
        numbers = [f"{label} {float(metrics[name]):.2f}" for name, label in labels.items()]
        rate = self.clock.steps_per_second()
        if rate is not None and data is not None:
            numbers.append(f"{rate * data.batch_size * trainer.world_size:,.0f} images/s")
        return numbers

    def _close(self) -> None:
        self.clock.stop()
        if self.bar is not None:
            self.bar.close()
            self.bar = None
