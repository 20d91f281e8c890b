"""The state every evaluation runs in: evaluation mode, no gradients, its own noise; all of it given back afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import nn

from elbolab.common.rng import seed_device, seed_of


def device_of(module: nn.Module) -> torch.device:
    """Where the module's numbers live; the CPU when it has none."""
    return next((tensor.device for tensor in chain(module.parameters(), module.buffers())), torch.device("cpu"))


@contextmanager
def evaluating(module: nn.Module, purpose: str, *numbers: int) -> Iterator[None]:
    """Evaluation mode, gradients off, full float32, and the noise of the stream (purpose, numbers).

    On leaving, every submodule's training flag and the generators of the CPU and of the module's device are as before.
    Gradients are off by `no_grad`, not `inference_mode`: data or buffers cached on first use must serve training after.
    """
    flags = [(part, part.training) for part in module.modules()]
    device = device_of(module)
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.no_grad(), full_float32():
            module.eval()
            seed_device(device, seed_of(purpose, *numbers))
            yield
    finally:
        for part, training in flags:
            part.training = training


@contextmanager
def full_float32() -> Iterator[None]:
    """Products of float32 numbers as they are: by default cuDNN rounds what it convolves to TF32's 10 bits."""
    try:
        before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    except RuntimeError:  # somebody has used torch's newer switches, which do not mix with the older ones
        with _full_by_backend():
            yield
        return
    try:
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


@contextmanager
def _full_by_backend() -> Iterator[None]:
    cuda, cudnn, cpu = (getattr(torch.backends, name) for name in ("cuda", "cudnn", "mkldnn"))
    users = (cuda.matmul, cudnn.conv, cudnn.rnn, cpu.matmul, cpu.conv)
    before = [user.fp32_precision for user in users]
    try:
        for user in users:
            user.fp32_precision = "ieee"
        yield
    finally:
        for user, precision in zip(users, before, strict=True):
            user.fp32_precision = precision
