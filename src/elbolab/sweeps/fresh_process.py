"""A process that does several jobs after one another: each finds it as the first one did."""

import gc
import os
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch.distributions import Distribution


@contextmanager
def pristine() -> Iterator[None]:
    """Puts back what a job sets for its whole process: the environment, random states, torch's switches, memory.

    A group of processes that the job has joined is left: the next job may be one of a single process.
    """
    environment, filters, switches = dict(os.environ), list(warnings.filters), _switches()
    was_in_group = dist.is_initialized()
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        if dist.is_initialized() and not was_in_group:
            dist.destroy_process_group()
        os.environ.clear()
        os.environ.update(environment)
        warnings.filters[:] = filters  # type: ignore[index]
        _switch(switches)
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        _free()


def _switches() -> dict[str, Any]:
    return {
        "dtype": torch.get_default_dtype(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "warn_only": torch.is_deterministic_algorithms_warn_only_enabled(),
        "precision": torch.get_float32_matmul_precision(),
        "threads": torch.get_num_threads(),
        "anomaly": torch.is_anomaly_enabled(),
        "grad": torch.is_grad_enabled(),
        "cudnn": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        "validate": Distribution._validate_args,
    }


def _switch(to: dict[str, Any]) -> None:
    torch.set_default_dtype(to["dtype"])
    torch.use_deterministic_algorithms(to["deterministic"], warn_only=to["warn_only"])
    torch.set_float32_matmul_precision(to["precision"])
    torch.set_num_threads(to["threads"])
    torch.autograd.set_detect_anomaly(to["anomaly"])
    torch.set_grad_enabled(to["grad"])
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = to["cudnn"]
    Distribution.set_default_validate_args(to["validate"])


def _free() -> None:
    """A run's models and graphs hold each other in cycles, and torch keeps the memory of a device for itself."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
