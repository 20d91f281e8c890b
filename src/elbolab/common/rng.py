"""Random streams and random state.

A source of noise is a *named stream*: a purpose and numbers (a seed, the number of a group), hashed together. No stream
is the bare seed, which ``torch.manual_seed(0)`` or ``numpy.random.default_rng(0)`` of whoever made the data would give:
noise that is the data's own numbers correlates with them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor


def seed_of(purpose: str, *numbers: int) -> int:
    """The seed of the stream of that name, a whole number below 2^63 that any generator of torch or numpy takes."""
    name = "/".join([purpose, *(str(int(number)) for number in numbers)])
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest()) >> 1


def generator(purpose: str, *numbers: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator of torch at the start of the stream of that name."""
    return torch.Generator(device).manual_seed(seed_of(purpose, *numbers))


def numpy_generator(purpose: str, *numbers: int) -> np.random.Generator:
    """A generator of numpy at the start of the stream of that name."""
    return np.random.default_rng(seed_of(purpose, *numbers))


def sklearn_seed(purpose: str, *numbers: int) -> int:
    """The stream's ``random_state`` for scikit-learn, which takes numbers below 2^32 alone."""
    return seed_of(purpose, *numbers) >> 31


def training_generator(*words: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator seeded with a hash of ``words``, so that neighbouring seeds and epochs are unrelated.

    The streams of training: the order of the data and the noise of a rank. They have no purpose in their name, since
    every published training curve would change with it.
    """
    state = np.random.SeedSequence(words).generate_state(1, np.uint64)[0]
    return torch.Generator(device).manual_seed(int(state >> np.uint64(1)))


def seed_device(device: torch.device, seed: int) -> None:
    """Seeds torch's generators of the CPU and of ``device``, and no other: `torch.manual_seed` would reach them all."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


def rng_state(device: torch.device) -> dict[str, Tensor]:
    """Torch's random state on the CPU and, for a CUDA device, on it. Plain tensors, safe in a checkpoint."""
    on_device = {"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {}
    return {"cpu": torch.get_rng_state()} | on_device


def restore_rng(state: dict[str, Tensor], device: torch.device) -> None:
    """The inverse of `rng_state`; a state saved on another kind of device restores what it has."""
    torch.set_rng_state(state["cpu"].cpu())
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)


@contextmanager
def isolated_rng(device: torch.device, seed: int | None = None) -> Iterator[None]:
    """Whatever is drawn within leaves the random state of the CPU and of ``device`` outside as it was.

    What is drawn is the stream of ``seed``, a `seed_of`; with None it goes on from the state outside.
    """
    state = rng_state(device)
    try:
        if seed is not None:
            seed_device(device, seed)
        yield
    finally:
        restore_rng(state, device)
