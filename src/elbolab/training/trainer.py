"""A Lightning Trainer whose numbers are optimiser steps, under manual optimisation in blocks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, final

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, Timer
from lightning.pytorch.strategies import DDPStrategy
from torch.distributed import DistError, broadcast
from typing_extensions import override

from elbolab.batch import Pace
from elbolab.training.newest import WholeFiles

REFUSED = {
    "gradient_clip_val": "model.clip_norm",
    "gradient_clip_algorithm": "model.clip_norm",
    "accumulate_grad_batches": "model.accumulate",
    "limit_test_batches": "evaluation.limit",
    "overfit_batches": "trainer.limit_train_batches and data.train_limit",
    "use_distributed_sampler": "data (its loaders shard over ranks themselves)",
    "val_check_interval": "trainer.val_every_n_steps",
}
"""Options of Lightning's Trainer that fail or do nothing under manual optimisation, and what takes their place."""

AUTOCAST = {"bf16-mixed": torch.bfloat16}
STARTS = {"ddp": "popen", "ddp_fork": "fork", "ddp_spawn": "spawn"}
"""How the ranks of each strategy begin."""

BROKEN = "gloo/transport"
"""Gloo's errors have no type of their own."""

CHOICES = {
    "precision": ("32-true", "64-true", *AUTOCAST),
    "engine": ("auto", "captured", "eager"),
    "strategy": ("auto", *STARTS),
}


@final
class Pacing(Callback):
    """Hands the pace to the data, and engine and dtype of the networks to the model, before loaders are made."""

    def __init__(self, pace: Pace, val_every_n_steps: int | None, autocast: torch.dtype | None, engine: str) -> None:
        self.pace, self.val_every_n_steps, self.autocast, self.engine = pace, val_every_n_steps, autocast, engine

    @override
    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]
        data.pace = self.pace
        pl_module.autocast = self.autocast  # type: ignore[assignment]
        pl_module.engine = self.engine  # type: ignore[assignment]
        every = self.val_every_n_steps
        if stage == "fit" and every is not None and every > data.steps_per_epoch:
            raise ValueError(
                f"trainer.val_every_n_steps={every} is longer than an epoch ({data.steps_per_epoch} steps): "
                "use trainer.check_val_every_n_epoch"
            )


@final
class FlatDDP(DDPStrategy):
    """DDP without torch's reducer, which expects one backward pass per step.

    Two players, or a block of several steps, need more backward passes. All ranks start from the weights of rank 0, and
    every update uses the mean gradient over the ranks, so their weights stay equal.
    """

    @override
    def configure_ddp(self) -> None:
        """Leaves the module unwrapped; copies rank 0's parameters and buffers to every rank."""
        module = self.lightning_module
        assert module is not None
        for tensor in (*module.parameters(), *module.buffers()):
            broadcast(tensor.data, src=0)


@final
class Alone(ConnectionError):
    """Another rank has died; what this one has saved is still good."""


@contextmanager
def together() -> Iterator[None]:
    """What runs within needs all ranks; raises Alone where another has died: the next collective fails."""
    try:
        yield
    except RuntimeError as error:
        if not (isinstance(error, DistError) or isinstance(error.__cause__, DistError) or BROKEN in str(error)):
            raise
        raise Alone("another rank has died: log.txt shows why, or the cluster does (out of memory?)") from error


def count(trainer: L.Trainer, num: int) -> None:
    """Counts ``num`` optimiser steps taken by one `training_step`: the one use of private parts of Lightning's.

    `trainer.global_step` and `max_steps` follow the first counter, the loggers' x axis the second; Lightning itself
    adds one to the second after every `training_step`.
    """
    loop = trainer.fit_loop.epoch_loop
    progress = loop.manual_optimization.optim_step_progress
    for tracker in (progress.total, progress.current):
        tracker.ready += num
        tracker.completed += num
    loop._batches_that_stepped += num - 1


def block_size(log_every_n_steps: int, val_every_n_steps: int | None) -> int:
    """K: the logging interval, or the largest smaller number that divides the validation interval."""
    if log_every_n_steps < 1 or (val_every_n_steps is not None and val_every_n_steps < 1):
        raise ValueError(f"intervals are at least 1 step ({log_every_n_steps=}, {val_every_n_steps=})")
    if val_every_n_steps is None:
        return log_every_n_steps
    return max(k for k in range(1, log_every_n_steps + 1) if val_every_n_steps % k == 0)


def make_trainer(
    *,
    max_epochs: int | None = None,
    max_steps: int = -1,
    max_time: str | dict[str, int] | None = None,
    log_every_n_steps: int = 50,
    val_every_n_steps: int | None = None,
    check_val_every_n_epoch: int = 1,
    limit_train_batches: int | None = None,
    limit_val_batches: int | None = None,
    accelerator: str = "auto",
    devices: int | str = 1,
    num_nodes: int = 1,
    strategy: str = "auto",
    precision: str = "32-true",
    engine: str = "auto",
    callbacks: Sequence[Callback] = (),
    plugins: Sequence[Any] = (),
    **lightning: Any,
) -> L.Trainer:
    """A Trainer in which every interval, limit and length is in optimiser steps; None is no limit, nor is -1.

    ``log_every_n_steps`` is K, the steps that one block holds; metrics are logged once a block. With
    ``val_every_n_steps`` there are validations within an epoch too. ``precision`` is ``"32-true"``, ``"64-true"`` or
    ``"bf16-mixed"``: autocast around the networks alone. Steps of the ``engine`` ``"captured"`` are recorded once (a
    CUDA graph, or a CPU's tensor operations) and replayed, those of ``"auto"`` where that can be. All other options are
    Lightning's; its model summary, a table of one row, is off.

    Raises:
        ValueError: an option that does nothing under manual optimisation (names the one that does), no length, or an
            unknown precision, strategy or engine.
    """
    for name in REFUSED.keys() & lightning.keys():
        raise ValueError(f"trainer.{name} does nothing under manual optimisation: use {REFUSED[name]}")
    check_length(max_epochs, max_steps, max_time, check_val_every_n_epoch)
    check_choices(precision=precision, engine=engine, strategy=strategy)
    size = block_size(log_every_n_steps, val_every_n_steps)
    pace = make_pace(size, limit_train_batches, limit_val_batches)
    if strategy == "auto" and not devices == num_nodes == 1:
        strategy = "ddp"
    return L.Trainer(
        max_epochs=-1 if max_epochs is None else max_epochs,
        max_steps=max_steps,
        log_every_n_steps=1,
        val_check_interval=None if val_every_n_steps is None else val_every_n_steps // size,
        check_val_every_n_epoch=check_val_every_n_epoch,
        num_sanity_val_steps=0,
        accelerator=device_type(accelerator),
        devices=devices,
        num_nodes=num_nodes,
        strategy=FlatDDP(start_method=STARTS[strategy]) if strategy in STARTS else strategy,  # type: ignore[arg-type]
        precision="32-true" if precision in AUTOCAST else precision,  # type: ignore[arg-type]
        callbacks=[Pacing(pace, val_every_n_steps, AUTOCAST.get(precision), engine), Timer(max_time), *callbacks],
        use_distributed_sampler=False,
        plugins=[*plugins, WholeFiles()],
        **{"enable_model_summary": False, "logger": False} | lightning,
    )


def make_pace(size: int, limit_train_batches: int | None, limit_val_batches: int | None) -> Pace:
    """The pace of blocks of ``size`` steps; raises ValueError unless both limits are counts, or None for all."""
    for name, limit in (("train", limit_train_batches), ("val", limit_val_batches)):
        if limit is not None and (not isinstance(limit, int) or limit < 1):
            raise ValueError(f"trainer.limit_{name}_batches={limit}: a whole number of steps, at least 1; null for all")
    return Pace(size, limit_train_batches, limit_val_batches)


def check_length(
    max_epochs: int | None, max_steps: int, max_time: str | dict[str, int] | None, check_val_every_n_epoch: int
) -> None:
    """Raises ValueError where a run has no step, no end or no validation."""
    if max_epochs == 0 or max_steps == 0:
        raise ValueError(f"trainer.max_epochs={max_epochs}, trainer.max_steps={max_steps}: train for at least one")
    if max_epochs is None and max_steps < 0 and max_time is None:
        raise ValueError("this run has no end: set trainer.max_epochs, trainer.max_steps or trainer.max_time")
    if check_val_every_n_epoch < 1:
        raise ValueError(f"trainer.check_val_every_n_epoch={check_val_every_n_epoch}: at every n-th epoch, n >= 1")


def check_choices(**options: str) -> None:
    """Raises ValueError where a word is none of those of its option; before anything is written."""
    for name, word in options.items():
        if word not in CHOICES[name]:
            raise ValueError(f"trainer.{name}={word}: choose {', '.join(CHOICES[name])}")


def device_type(accelerator: str) -> str:
    """``cuda`` or ``cpu`` of auto, gpu, cuda and cpu.

    Lightning's own ``auto`` would take an Apple GPU, which has no float64 to sum reports in.
    """
    kinds = {"auto": "cuda" if torch.cuda.is_available() else "cpu", "gpu": "cuda", "cuda": "cuda", "cpu": "cpu"}
    if accelerator not in kinds:
        raise ValueError(f"no device {accelerator!r}: choose auto, gpu or cpu (trainer.accelerator, or device)")
    return kinds[accelerator]
