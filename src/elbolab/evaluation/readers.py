"""A classifier of real data that reads what models make: one network, a softmax for every factor.

Shapes: N = data, F = factors, A = the sum of their sizes.
"""

from collections.abc import Callable, Iterable
from math import ceil

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elbolab.batch import Batch, Shape
from elbolab.common.rng import seed_device, seed_of
from elbolab.nets.conv import Conv
from elbolab.nets.mlp import MLP

Reader = Callable[[Tensor], Tensor]
"""Data (N, *event) -> the value that each factor is read as, (N, F)."""

STEPS, EPOCHS, BATCH, RATE = 4_000, 20, 64, 2e-3
"""Training of the classifier: so many steps, or epochs where the data are few; Adam, half a cosine down to 0."""


def fit_reader(train: Iterable[Batch], sizes: Shape, *, seed: int, device: torch.device) -> Reader:
    """Trains a classifier of the factors, with noise of its own.

    Args:
        train: data with their factors.
        sizes: numbers of values of the factors.
        seed: of weights and order.
        device: where the data are.
    """
    batches = list(train)
    x = torch.cat([batch.x for batch in batches])
    values = torch.cat([batch.factors for batch in batches if batch.factors is not None])
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        seed_device(device, seed_of("reader of edits", seed))
        net = _build_net(tuple(x.shape[1:]), sum(sizes)).to(device, x.dtype)
        _train_net(net, x, values, sizes)

    @torch.no_grad()
    def reader(x: Tensor) -> Tensor:
        return torch.stack([part.argmax(1) for part in net(x).split(list(sizes), 1)], 1)

    return reader


def _build_net(event: Shape, num_logits: int) -> nn.Module:
    """Convolutions for images from 16 x 16 on, dense layers for the rest."""
    if len(event) == 3 and min(event[1:]) >= 16:
        return Conv((event,), (num_logits,), [16, 32, 32], 4, [256], "ReLU", "torch")
    return MLP((event,), (num_logits,), [256], "ReLU", "torch")


def _train_net(net: nn.Module, x: Tensor, values: Tensor, sizes: Shape) -> None:
    num_steps = min(STEPS, EPOCHS * ceil(len(x) / BATCH))
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, num_steps)
    with torch.enable_grad():
        for _ in range(num_steps):
            rows = torch.randint(len(x), (min(BATCH, len(x)),), device=x.device)
            parts = net(x[rows]).split(list(sizes), 1)
            costs = [F.cross_entropy(part, value) for part, value in zip(parts, values[rows].unbind(1), strict=True)]
            optimizer.zero_grad()
            torch.stack(costs).sum().backward()
            optimizer.step()
            schedule.step()
