"""elbolab itself: a fit of its model, on its data module, by its trainer."""

import sys
from functools import partial

from torch import Tensor
from torch.optim import Adam

from elbolab.batch import Batch
from elbolab.benchmark.cases import LEARNING_RATE, Case
from elbolab.benchmark.contender import SILENT, Contender, Timed
from elbolab.benchmark.measure import Watch
from elbolab.evaluation.likelihood import importance_log_likelihood
from elbolab.models.vae import VAE
from elbolab.training.trainer import make_trainer

BLOCK = 50
"""Steps in a block, K: the trainer's default."""

CAPTURED_AFTER = 10
"""Steps within which a capture is over, so that none is ever timed."""


def train(case: Case, batch: int, steps: int, watch: Watch, num_samples: int = 1) -> None:
    """A fit without validation; the first blocks warm up, and capture where steps are captured.

    A block is no longer than what is timed, so that the warm-up of slow steps is short.
    """
    data = case.data(batch)
    block = min(BLOCK, steps, data.steps_per_epoch)
    warm_up = block * min(-(-CAPTURED_AFTER // block), data.steps_per_epoch // block)
    trainer = make_trainer(
        max_steps=warm_up + steps,
        log_every_n_steps=block,
        check_val_every_n_epoch=sys.maxsize,
        accelerator=case.device.type,
        engine="auto" if case.device.type == "cuda" else "captured",  # what auto soon is on a CPU, from the start
        callbacks=[Timed(watch, warm_up, steps)],
        **SILENT,
    )
    optimizer = partial(Adam, lr=LEARNING_RATE, fused=True)
    trainer.fit(VAE(num_samples=num_samples, densities=case.densities(), optimizer=optimizer), data)


def nll(case: Case, images: Tensor, num_samples: int, watch: Watch) -> float:
    """The estimate that every evaluation uses."""
    densities = case.densities()
    importance_log_likelihood(densities, [Batch(images[:1])], num_samples=num_samples, seed=0)
    watch.start()
    marginal = importance_log_likelihood(densities, [Batch(images)], num_samples=num_samples, seed=0)
    watch.stop()
    return float(marginal.log_px.mean())


CONTENDER = Contender("elbolab", train, nll)
