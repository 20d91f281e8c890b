"""pythae's VAE and trainer around the same networks, with its own defaults. Importing this needs pythae.

pythae neither draws binary data anew nor reads bytes: it trains on images that were binarised once, which is less work.
"""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from math import ceil
from tempfile import TemporaryDirectory
from typing import Any, final

import torch
from torch import Tensor, nn
from typing_extensions import override

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own affair
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

from elbolab.benchmark.cases import LEARNING_RATE, Case
from elbolab.benchmark.contender import WARM_UP
from elbolab.benchmark.measure import Watch

MOST_SAMPLES = 500
"""Samples of one image that `get_nll` is told to take at once."""


@final
class Encoder(BaseEncoder):
    """Our encoder behind its interface."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    @override
    def forward(self, x: Tensor) -> ModelOutput:
        loc, log_variance = self.net(x).chunk(2, dim=1)
        return ModelOutput(embedding=loc, log_covariance=log_variance)


@final
class Decoder(BaseDecoder):
    """Our decoder behind its interface, which wants probabilities."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    @override
    def forward(self, z: Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.net(z).sigmoid())


@final
class Enough(Exception):
    """Ends a training that has no other way to end within an epoch."""


@final
class TimedTraining(TrainingCallback):
    """Starts and stops a watch by counting steps, after the warm-up."""

    def __init__(self, watch: Watch, steps: int) -> None:
        self.watch, self.last, self.taken = watch, WARM_UP + steps, 0

    @override
    def on_train_step_end(self, *_: Any, **__: Any) -> None:
        self.taken += 1
        if self.taken == WARM_UP:
            self.watch.start()
        if self.taken == self.last:
            self.watch.stop()
            raise Enough


def make_model(case: Case) -> VAE:
    """Its VAE around fresh copies of the networks."""
    nets = case.nets()
    config = VAEConfig(input_dim=case.spec.x, latent_dim=nets.latent_dim, reconstruction_loss="bce")
    return VAE(config, encoder=Encoder(nets.encoder), decoder=Decoder(nets.decoder))


def fit(case: Case, batch: int, steps: int, watch: Watch) -> None:
    """A training that writes nothing that stays."""
    rows = case.rows(batch)
    images = torch.empty(rows.shape)
    for there, here in zip(images.split(batch), rows.split(batch), strict=True):
        there.copy_(case.see(here))  # a batch at a time: all at once would hold three copies, and that is not pythae's
    with quiet(), TemporaryDirectory() as folder:
        config = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=ceil((WARM_UP + steps) * batch / len(images)),
            per_device_train_batch_size=batch,
            learning_rate=LEARNING_RATE,
            no_cuda=case.device.type == "cpu",
        )
        dataset, timed = BaseDataset(images, torch.zeros(len(images))), TimedTraining(watch, steps)
        trainer = BaseTrainer(make_model(case), train_dataset=dataset, training_config=config, callbacks=[timed])
        with suppress(Enough):
            trainer.train()


@torch.no_grad()
def estimate(case: Case, images: Tensor, num_samples: int, watch: Watch) -> float:
    """Its `get_nll`, which returns the log-likelihood."""
    chunk = find_chunk(num_samples)
    with quiet():
        model = make_model(case).to(case.device).eval()
        model.get_nll(images[:1], n_samples=num_samples, batch_size=chunk)
        watch.start()
        found = model.get_nll(images, n_samples=num_samples, batch_size=chunk)
        watch.stop()
    return float(found)


def find_chunk(num_samples: int) -> int:
    """The largest chunk that divides K: `get_nll` drops samples that do not fill one."""
    return max(size for size in range(1, min(MOST_SAMPLES, num_samples) + 1) if num_samples % size == 0)


@contextmanager
def quiet() -> Iterator[None]:
    """Without its log, its progress bar and its warnings."""
    loggers = [logging.getLogger(name) for name in list(logging.root.manager.loggerDict) if name.startswith("pythae")]
    before = [logger.level for logger in loggers]
    with redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)
