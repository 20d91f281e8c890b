from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from elbolab.batch import Pace, Spec, Support
from elbolab.data.module import DataModule
from elbolab.loggers import wandb_server as ours
from elbolab.loggers.board import Board
from elbolab.loggers.wandb import WandbBoard
from elbolab.reading.splits import Arrays, Splits
from elbolab.training.trainer import count


class Dice(DataModule):
    """Ten training steps an epoch, in blocks of four: the logged steps are 3, 7, 9, 13, 17, 19, ..."""

    def header(self):
        return Spec(x=(2,), support=Support.REAL)

    def load(self):
        x = np.random.default_rng(0).integers(1, 7, (1200, 2)).astype("float32")
        return Splits(train=Arrays(x[:1000]), val=Arrays(x[1000:1100]), test=Arrays(x[1100:]))


class Walker(L.LightningModule):
    """The step count is its loss, so that every logged number tells where it came from."""

    automatic_optimization = False

    def __init__(self, quantity: str = "elbo"):
        super().__init__()
        self.densities = torch.nn.Dropout(0.5)
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.quantity = quantity

    def configure_optimizers(self):
        return torch.optim.SGD([self.weight], lr=1.0)

    def training_step(self, block, _):
        left = self.trainer.max_steps - self.global_step if self.trainer.max_steps > 0 else len(block)
        num = min(len(block), left)
        count(self.trainer, num)
        torch.rand(num)
        names = {"elbo": ("elbo", "rate")}.get(self.quantity, (self.quantity,))
        step = torch.tensor(float(self.global_step))
        self.log_dict({f"train/{name}": step for name in names}, batch_size=1, prog_bar=True)

    def validation_step(self, block, _):
        self.log(f"val/{self.quantity}", torch.tensor(float(self.global_step) + 0.5), batch_size=1)


class Shown(Board):
    """A dashboard that remembers; it fails where it is told to."""

    label, key = "Shown", "logger.shown"

    def __init__(self, folder="nowhere", artifacts=(), fails=()):
        super().__init__(folder, artifacts)
        self.fails, self._own = fails, self
        self.rows, self.images, self.heats, self.told = [], [], [], []

    def begin(self, goals):
        self.told.append(("begin", dict(goals)))

    def tell(self, *words):
        if words[0] in self.fails:
            raise ConnectionError(f"no {words[0]}\nbecause")
        self.told.append(words)

    def _config(self, config):
        self.tell("config", config)

    def _curves(self, metrics, step):
        self.tell("curves")
        self.rows.append((step, metrics))

    def _rewind(self, step):
        self.tell("rewind", step)

    def _flush(self):
        self.tell("flush")

    def _images(self, images, step):
        self.images += [(name, step) for name in images]

    def _heat(self, name, row, step):
        self.heats.append((name, row, step))

    def _summary(self, numbers, step):
        self.tell("summary", numbers, step)

    def _files(self, kind, paths):
        self.tell("files", kind, paths)

    def _close(self, failed):
        self.tell("close", failed)
        return "Shown: there"


@dataclass
class Run:
    """Fits a `Walker` in one directory, again and again."""

    folder: Path
    kwargs: dict[str, Any] = field(default_factory=dict)

    def fit(self, *callbacks: Callback, loggers, resume=None, quantity="elbo", block=4, **kwargs):
        data = Dice(batch_size=100)
        data.pace = Pace(block=block)
        trainer = L.Trainer(
            accelerator="cpu",
            logger=loggers,
            callbacks=list(callbacks),
            log_every_n_steps=1,
            enable_model_summary=False,
            enable_checkpointing=any(isinstance(callback, ModelCheckpoint) for callback in callbacks),
            **{"enable_progress_bar": False, "num_sanity_val_steps": 1, "max_epochs": 2, **kwargs},
        )
        trainer.fit(Walker(quantity), data, ckpt_path=resume)
        return trainer


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


@pytest.fixture
def nobody(tmp_path, monkeypatch):
    """W&B as on a machine without account and network; it reads its environment at its first use."""
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("NETRC", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(ours, "reach", partial(ours.reach, seconds=60.0))  # a busy machine answers itself late
    ours.forget()
    yield
    ours.forget()


def board_of(folder, **options):
    options = {"init_timeout": 60.0, "finish_timeout": 60.0} | options  # of a busy machine too
    board = WandbBoard("elbolab", folder, group="sweep", job_type="train", tags=["a"], name="first", **options)
    board.begin({"val/mse": "min"})
    return board
