"""A plain PyTorch loop, competently written, and nothing else: data on the device, no logging, no checks.

Shapes: n = images, B = batch.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.optim import Adam, Optimizer

from elbolab.benchmark.bound import log_likelihood, negative_elbo
from elbolab.benchmark.cases import LEARNING_RATE, Case, Nets
from elbolab.benchmark.contender import WARM_UP, Contender
from elbolab.benchmark.measure import Watch

Step = Callable[[Tensor], None]
"""One step on the images of the given indices (B,)."""

CHUNK = {"cpu": 500, "cuda": 5000}
"""Samples of one image at once: what the caches of a CPU, or the kernels of a GPU, like."""


def train(case: Case, batch: int, steps: int, watch: Watch) -> None:
    """Eager steps."""
    rows, nets = case.rows(batch).to(case.device), case.nets()
    optimizer = Adam(nets.parameters(), lr=LEARNING_RATE, fused=True)
    repeat(make_step(case, rows, nets, optimizer), shuffle_batches(len(rows), batch, case.device), steps, watch)


def make_step(case: Case, rows: Tensor, nets: Nets, optimizer: Optimizer) -> Step:
    """Index, scale, binarise, forward, backward, update."""

    def step(indices: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        negative_elbo(nets, case.see(rows.index_select(0, indices))).backward()
        optimizer.step()

    return step


def shuffle_batches(num: int, batch: int, device: torch.device) -> Iterator[Tensor]:
    """Indices (B,) of epoch after epoch, each a new permutation."""
    while True:
        yield from torch.randperm(num, device=device).split(batch)


def repeat(step: Step, order: Iterator[Tensor], steps: int, watch: Watch) -> None:
    """Warms up, then takes ``steps`` steps while the watch runs."""
    for _ in range(WARM_UP):
        step(next(order))
    watch.start()
    for _ in range(steps):
        step(next(order))
    watch.stop()


@torch.no_grad()
def nll(case: Case, images: Tensor, num_samples: int, watch: Watch) -> float:
    """One image after another."""
    nets, chunk = case.nets(), CHUNK[case.device.type]
    log_likelihood(nets, images[:1], num_samples, chunk)
    watch.start()
    found = torch.stack([log_likelihood(nets, image, num_samples, chunk) for image in images.split(1)])
    watch.stop()
    return float(found.mean())


CONTENDER = Contender("raw_eager", train, nll)
