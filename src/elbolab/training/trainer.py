"""A Lightning Trainer whose numbers are optimiser steps, under manual optimisation in blocks."""

from typing import Any, Literal, final

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, Timer
from lightning.pytorch.loggers import Logger
from typing_extensions import override

from elbolab.batch import Pace
from elbolab.training.engine import ENGINES
from elbolab.training.saving import WholeFiles
from elbolab.training.strategy import FlatDDP

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


@final
class Pacing(Callback):
    """Hands the pace to the data and the precision to the model before loaders and steppers are made.

    Args:
        pace: batches a block, and limits.
        val_every_n_steps: optimiser steps between validations, None: at epoch ends.
        autocast: dtype of the networks, None for that of their weights.
        engine: ``auto``, ``captured`` or ``eager``.
    """

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


def block_size(log_every_n_steps: int, val_every_n_steps: int | None) -> int:
    """K: the logging interval, or the largest smaller number that divides the validation interval.

    Raises:
        ValueError: an interval below 1.
    """
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
    deterministic: bool | Literal["warn"] = False,
    callbacks: list[Callback] | None = None,
    logger: list[Logger] | None = None,
    plugins: list[Any] | None = None,
    **lightning: Any,
) -> L.Trainer:
    """A Trainer in which every interval, limit and length is in optimiser steps.

    Args:
        max_epochs: length in epochs, None: no limit.
        max_steps: length in optimiser steps, -1: no limit.
        max_time: length in time, as Lightning's.
        log_every_n_steps: K, the steps that one block holds; metrics are logged once a block.
        val_every_n_steps: steps between validations within an epoch, None: at epoch ends.
        check_val_every_n_epoch: epochs between validations.
        limit_train_batches: steps an epoch has at most.
        limit_val_batches: validation batches at most.
        accelerator: ``"auto"`` (a CUDA device when there is one), ``"gpu"`` or ``"cpu"``.
        devices: as Lightning's.
        num_nodes: as Lightning's.
        strategy: ``"auto"``, ``"ddp"`` or ``"ddp_fork"`` (for tests and notebooks).
        precision: ``"32-true"``, ``"64-true"`` or ``"bf16-mixed"``: autocast around the networks alone.
        engine: ``"captured"``: steps are recorded once (a CUDA graph, or a CPU's tensor operations) and replayed;
            ``"eager"``; ``"auto"``: captured where that can be.
        deterministic: as Lightning's.
        callbacks: callbacks.
        logger: loggers.
        plugins: Lightning's, but for the one that writes checkpoints, which is ours.
        **lightning: anything else that Lightning's Trainer takes; its model summary, a table of one row, is off.

    Raises:
        ValueError: an option that does nothing under manual optimisation (names the one that does), no length, or an
            unknown precision, strategy or engine.
    """
    for name in REFUSED.keys() & lightning.keys():
        raise ValueError(f"trainer.{name} does nothing under manual optimisation: use {REFUSED[name]}")
    check_limits(limit_train_batches, limit_val_batches)
    check_length(max_epochs, max_steps, max_time, check_val_every_n_epoch)
    check_choices(precision, engine, strategy)
    size = block_size(log_every_n_steps, val_every_n_steps)
    pace = Pace(size, limit_train_batches, limit_val_batches)
    pacing = Pacing(pace, val_every_n_steps, AUTOCAST.get(precision), engine)
    is_alone = devices == num_nodes == 1
    return L.Trainer(
        max_epochs=max_epochs if max_epochs is not None else -1,
        max_steps=max_steps,
        log_every_n_steps=1,
        val_check_interval=None if val_every_n_steps is None else val_every_n_steps // size,
        check_val_every_n_epoch=check_val_every_n_epoch,
        num_sanity_val_steps=0,
        accelerator=device_type(accelerator),
        devices=devices,
        num_nodes=num_nodes,
        strategy=make_strategy("ddp" if strategy == "auto" and not is_alone else strategy),
        precision="32-true" if precision in AUTOCAST else precision,  # type: ignore[arg-type]
        deterministic=deterministic,  # type: ignore[arg-type]
        callbacks=[pacing, Timer(max_time), *(callbacks or [])],
        logger=logger or False,
        use_distributed_sampler=False,
        plugins=[*(plugins or []), WholeFiles()],
        **{"enable_model_summary": False} | lightning,
    )


def check_limits(train: int | None, val: int | None) -> None:
    """Raises ValueError unless both limits are counts, or None for all."""
    for name, limit in (("train", train), ("val", val)):
        if limit is not None and (not isinstance(limit, int) or limit < 1):
            raise ValueError(f"trainer.limit_{name}_batches={limit}: a whole number of steps, at least 1; null for all")


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


def check_choices(precision: str, engine: str, strategy: str) -> None:
    """Raises ValueError where a word is none of those of its option; before anything is written."""
    if precision not in ("32-true", "64-true", *AUTOCAST):
        raise ValueError(f"trainer.precision={precision}: choose 32-true, 64-true or bf16-mixed")
    if engine not in ENGINES:
        raise ValueError(f"trainer.engine={engine}: choose {', '.join(ENGINES)}")
    if strategy not in ("auto", *STARTS):
        raise ValueError(f"trainer.strategy={strategy}: choose auto, ddp, ddp_fork or ddp_spawn")


def device_type(accelerator: str) -> str:
    """``cuda`` or ``cpu``. Lightning's own ``auto`` would take an Apple GPU, which has no float64 to sum reports in.

    Raises:
        ValueError: another accelerator.
    """
    kinds = {"auto": "cuda" if torch.cuda.is_available() else "cpu", "gpu": "cuda", "cuda": "cuda", "cpu": "cpu"}
    if accelerator not in kinds:
        raise ValueError(f"no device {accelerator!r}: choose auto, gpu or cpu (trainer.accelerator, or device)")
    return kinds[accelerator]


def make_strategy(name: str) -> str | FlatDDP:
    """DDP as ours, whose gradients the stepper averages; ``auto`` is Lightning's own choice."""
    return FlatDDP(start_method=STARTS[name]) if name in STARTS else name  # type: ignore[arg-type]
