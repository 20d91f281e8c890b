"""Random state: kept whole for an exact resume, and set aside while something else draws."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def rng_state(device: torch.device) -> dict[str, Tensor]:
    """Torch's random state on the CPU and, for a CUDA device, on it. Plain tensors, safe in a checkpoint."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_rng(state: dict[str, Tensor], device: torch.device) -> None:
    """The inverse of `rng_state`; a state saved on another kind of device restores what it has."""
    torch.set_rng_state(state["cpu"].cpu())
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)


@contextmanager
def isolated_rng(device: torch.device, seed: int | None = None) -> Iterator[None]:
    """Whatever is drawn within leaves the random state outside as it was."""
    state = rng_state(device)
    try:
        if seed is not None:
            torch.manual_seed(seed)
        yield
    finally:
        restore_rng(state, device)
