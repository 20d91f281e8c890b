"""The state every evaluation runs in: evaluation mode, no gradients, its own noise; all of it given back afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import nn

from elbolab.data.blocks import generator


def device_of(module: nn.Module) -> torch.device:
    """Where the module's numbers live; the CPU when it has none."""
    return next((tensor.device for tensor in chain(module.parameters(), module.buffers())), torch.device("cpu"))


@contextmanager
def evaluating(module: nn.Module, seed: int) -> Iterator[None]:
    """Evaluation mode, gradients off, and noise that depends on ``seed`` alone.

    On leaving, every submodule's training flag and the generators of the CPU and of the module's device are as before.
    Gradients are off by `no_grad`, not `inference_mode`: data or buffers cached on first use must serve training after.
    """
    flags = [(part, part.training) for part in module.modules()]
    device = device_of(module)
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.no_grad():
            module.eval()
            seed_noise(device, seed)
            yield
    finally:
        for part, training in flags:
            part.training = training


def seed_noise(device: torch.device, *words: int) -> None:
    """Seeds the CPU and ``device`` by ``words``, and no other device: `torch.manual_seed` would reach every one."""
    seed = generator(*words).initial_seed() if len(words) > 1 else words[0]
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
