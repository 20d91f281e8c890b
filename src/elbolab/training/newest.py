"""The newest state of a run, saved often and whole."""

import io
import os
import time
from pathlib import Path
from typing import Any, final
from zipfile import is_zipfile

import lightning as L
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import Checkpoint
from typing_extensions import override

from elbolab.common.files import replacing
from elbolab.training.guard import WeightNotFinite
from elbolab.training.stop_signals import NOTICE


@final
class Newest(Checkpoint):
    """Saves ``folder/last.ckpt`` at the first block end at or after every multiple of a period, and after validation.

    As a `Checkpoint` it comes after the other callbacks, so the state holds what they have just seen; list it last.
    Lightning's ModelCheckpoint counts blocks where steps are meant and never saves by time under manual optimisation. A
    state that is not finite is never saved. Where notice to leave is given (`stop_signals`), the state is
    saved at the end of the block, or of the validation that follows it, and the run left before the next block: what is
    logged of this one is logged by then.

    Args:
        folder: where checkpoints go.
        every_n_steps: period in optimiser steps, None: never by steps.
        every_seconds: period in seconds, None: never by time.
    """

    def __init__(self, folder: str, every_n_steps: int | None = None, every_seconds: float | None = 60.0) -> None:
        if (every_n_steps is not None and every_n_steps < 1) or (every_seconds is not None and every_seconds < 0):
            raise ValueError(f"callbacks.newest: {every_n_steps=} is at least 1, {every_seconds=} not negative")
        self.path = Path(folder) / "last.ckpt"
        self.every_n_steps, self.every_seconds = every_n_steps, every_seconds
        self.saved_step, self.saved_time = 0, time.monotonic()
        self.asked: int | None = None

    @override
    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Tells ModelCheckpoint where the run directory is now: it forgets the best score of one that has moved."""
        new = str(self.path.parent)
        for state in checkpoint["callbacks"].values():
            if (old := state.get("dirpath")) is not None:
                state |= {k: move_path(v, old, new) for k, v in state.items() if isinstance(v, str)}
                kept = state.get("best_k_models", {})
                state["best_k_models"] = {move_path(k, old, new): v for k, v in kept.items()}

    @override
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.saved_step, self.saved_time = trainer.global_step, time.monotonic()
        NOTICE.listen()

    @override
    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if self.asked is not None:
            NOTICE.leave(self.asked)

    @override
    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if validates_next(trainer, batch_idx):  # Lightning would skip it as it resumes: `on_validation_end` saves
            return
        steps, seconds = self.every_n_steps, self.every_seconds
        due = steps is not None and trainer.global_step // steps > self.saved_step // steps
        due = due or (seconds is not None and time.monotonic() - self.saved_time >= seconds)
        last_epoch = trainer.max_epochs is not None and 0 < trainer.max_epochs <= trainer.current_epoch + 1
        # a state saved after the run's last block, at the epoch's end, would not resume exactly
        due = due or 0 < trainer.max_steps <= trainer.global_step or (last_epoch and trainer.is_last_batch)
        due, self.asked = trainer.strategy.broadcast((due, NOTICE.given))  # the first rank decides for all
        if due or self.asked is not None:
            self.save(trainer, pl_module)

    @override
    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self.save(trainer, pl_module)
            self.asked = trainer.strategy.broadcast(NOTICE.given)

    def save(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Replaces the file, which stays the last good one where that cannot be written, or a weight is not finite.

        Raises:
            WeightNotFinite: one is not.
            OSError: it cannot be written.
        """
        names, weights = zip(*pl_module.named_parameters(), strict=True)
        finite = torch.stack([torch.isfinite(weight).all() for weight in weights]).tolist()
        if not all(finite):
            raise WeightNotFinite(f"after step {trainer.global_step}: {names[finite.index(False)]} is not finite")
        trainer.save_checkpoint(self.path)
        self.saved_step, self.saved_time = trainer.global_step, time.monotonic()


@final
class WholeFiles(TorchCheckpointIO):
    """Every checkpoint is written beside its place and moved there: a kill or a full disk leaves the one before.

    Lightning's own goes by way of the system's folder for temporary files. Where that is of another file system, as on
    most clusters, its last step is a copy, which either of them cuts short.
    """

    @override
    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)  # torch's own errors do not say that a disk is full
        with replacing(Path(path)) as beside:
            beside.write_bytes(buffer.getbuffer())

    @override
    def load_checkpoint(self, path: str | Path, map_location: Any = None, weights_only: bool | None = None) -> Any:
        # a machine that loses its power keeps the name and loses what was written
        if Path(path).is_file() and not is_zipfile(path):
            raise ValueError(f"{path} is damaged and cannot be gone on with: remove it, and the run begins anew")
        return super().load_checkpoint(path, map_location, weights_only)


def validates_next(trainer: L.Trainer, batch_idx: int) -> bool:
    """Whether Lightning validates after this block."""
    if not trainer.enable_validation or (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1):
        return False
    every = trainer.val_check_batch
    return every is not None and (batch_idx + 1) % every == 0


def move_path(path: str, old: str, new: str) -> str:
    """``path`` with its folder ``old`` replaced by ``new``; any other path as it is."""
    return new + path[len(old) :] if path == old or path.startswith(old + os.sep) else path
