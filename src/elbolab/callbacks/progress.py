"""One progress bar for a whole run."""

import sys
import time
from typing import Any, final

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from tqdm import tqdm
from typing_extensions import override

from elbolab.callbacks.notebook import NotebookLine, in_notebook
from elbolab.common.screen import redraws

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


def data_of(trainer: Trainer) -> Any:
    """The data module; None where loaders were given without one."""
    return trainer.datamodule  # type: ignore[attr-defined]


def total_steps(trainer: Trainer) -> int | None:
    """Optimiser steps of the whole run; None if the run has no end or the end is not known."""
    ends, data = [trainer.max_steps] if trainer.max_steps > 0 else [], data_of(trainer)
    if trainer.max_epochs is not None and trainer.max_epochs > 0 and data is not None:
        ends.append(trainer.max_epochs * data.steps_per_epoch)
    return min(ends) if ends else None


def epoch_of(trainer: Trainer) -> str:
    """``epoch 3/13``, counted from one."""
    epoch = trainer.current_epoch + 1
    if trainer.max_epochs is None or trainer.max_epochs < 1:
        return f"epoch {epoch}"
    return f"epoch {min(epoch, trainer.max_epochs)}/{trainer.max_epochs}"  # Lightning ends one epoch too far


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
        self.drawn = 0.0
        self.told_step, self.told_time = 0, 0.0
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
        self.told_step, self.told_time, self.is_first = trainer.global_step, time.monotonic(), True
        if self.enabled and self.show:
            self.bar = tqdm(
                desc=epoch_of(trainer),
                total=total_steps(trainer),
                initial=trainer.global_step,
                unit="step",
                file=NotebookLine() if in_notebook() else sys.stderr,
                ncols=NOTEBOOK_COLUMNS if in_notebook() else None,
                dynamic_ncols=not in_notebook(),
                bar_format=WITH_END if total_steps(trainer) else WITHOUT_END,
            )
            self._draw(trainer)

    @override
    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.clock.start(trainer.global_step)

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.clock.lap(trainer.global_step)
        now = time.monotonic()
        if self.bar is not None and now - self.drawn >= self.refresh_seconds:
            self._draw(trainer)
        elif self.bar is None and now - self.told_time >= self.silent_seconds:
            self._tell(trainer)

    @override
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.clock.stop()

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draws the new validation ELBO, or prints a line if the last is not of just now."""
        if not trainer.sanity_checking:
            self._report(trainer)

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The line of a run that has no validation."""
        if not trainer.enable_validation and self.bar is None:
            self._report(trainer)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.bar is not None:
            self._draw(trainer)
        elif self.told_step != trainer.global_step:
            self._tell(trainer)
        self._close()

    @override
    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Ends the bar's line, so that the error starts on its own."""
        self._close()

    def _report(self, trainer: Trainer) -> None:
        if self.bar is not None:
            self._draw(trainer)
        elif self.is_first or time.monotonic() - self.told_time >= self.line_seconds:
            self.is_first = False
            self._tell(trainer)

    def _tell(self, trainer: Trainer) -> None:
        """A line; none on other ranks than the first."""
        self.told_step, self.told_time = trainer.global_step, time.monotonic()
        if self.enabled:
            total = total_steps(trainer)
            steps = f"step {trainer.global_step}" + (f"/{total}" if total else "")
            told = ", ".join([epoch_of(trainer), steps, *self._numbers(trainer)])
            print(told, file=sys.stderr, flush=True)

    def _draw(self, trainer: Trainer) -> None:
        assert self.bar is not None
        self.bar.n = trainer.global_step
        self.bar.set_description_str(epoch_of(trainer), refresh=False)
        self.bar.set_postfix_str(", ".join(self._numbers(trainer)), refresh=False)
        self.bar.refresh()
        self.drawn = time.monotonic()

    def _numbers(self, trainer: Trainer) -> list[str]:
        metrics = trainer.callback_metrics
        trained = "elbo" if "train/elbo" in metrics else "loss"
        names = dict.fromkeys((f"train/{trained}", "train/rate", f"val/{trained}", "val/elbo"))
        labels = {name: name.removeprefix("train/").replace("/", " ") for name in names if name in metrics}
        numbers = [f"{label} {float(metrics[name]):.2f}" for name, label in labels.items()]
        return [*numbers, *self._images_per_second(trainer)]

    def _images_per_second(self, trainer: Trainer) -> list[str]:
        rate, data = self.clock.steps_per_second(), data_of(trainer)
        if rate is None or data is None:
            return []
        return [f"{rate * data.batch_size * trainer.world_size:,.0f} images/s"]

    def _close(self) -> None:
        self.clock.stop()
        if self.bar is not None:
            self.bar.close()
            self.bar = None
