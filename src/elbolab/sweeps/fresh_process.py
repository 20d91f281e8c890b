"""A process that does several jobs after one another: each finds it as the first one did."""

import gc
import os
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
import torch.distributed as dist
from torch.backends import cudnn
from torch.distributions import Distribution


@contextmanager
def pristine() -> Iterator[None]:
    """Restores what a job sets for its whole process: the environment, random states, torch's switches, memory.

    A group of processes that the job has joined is left: the next job may be one of a single process.
    """
    environment, filters, was_in_group = dict(os.environ), list(warnings.filters), dist.is_initialized()
    warns_only = torch.is_deterministic_algorithms_warn_only_enabled()
    restore: list[Callable[[], object]] = [
        partial(torch.set_default_dtype, torch.get_default_dtype()),
        partial(torch.use_deterministic_algorithms, torch.are_deterministic_algorithms_enabled(), warn_only=warns_only),
        partial(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision()),
        partial(torch.set_num_threads, torch.get_num_threads()),
        partial(torch.autograd.set_detect_anomaly, torch.is_anomaly_enabled()),
        partial(torch.set_grad_enabled, torch.is_grad_enabled()),
        partial(setattr, cudnn, "benchmark", cudnn.benchmark),
        partial(setattr, cudnn, "deterministic", cudnn.deterministic),
        partial(Distribution.set_default_validate_args, Distribution._validate_args),
        partial(random.setstate, random.getstate()),
        partial(np.random.set_state, np.random.get_state()),
        partial(torch.set_rng_state, torch.get_rng_state()),
    ]
    try:
        yield
    finally:
        if dist.is_initialized() and not was_in_group:
            dist.destroy_process_group()
        os.environ.clear()
        os.environ.update(environment)
        warnings.filters[:] = filters  # type: ignore[index]
        for setting in restore:
            setting()
        gc.collect()  # a run's models and graphs hold each other in cycles
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
