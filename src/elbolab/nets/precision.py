"""Mixed precision where it is safe: around a network, never around a density.

Autocast around a whole model makes q's parameters bfloat16, which costs tens of nats at small scales. So a training
step names the dtype once, `autocast_nets`, and only `run` reads it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn

_DTYPE: ContextVar[torch.dtype | None] = ContextVar("autocast_dtype", default=None)


@contextmanager
def autocast_nets(dtype: torch.dtype | None) -> Iterator[None]:
    """Within this context networks compute in ``dtype`` (None: in the dtype of their weights)."""
    token = _DTYPE.set(dtype)
    try:
        yield
    finally:
        _DTYPE.reset(token)


def run(net: nn.Module, *inputs: Tensor) -> Tensor:
    """``net(*inputs)``, under autocast when `autocast_nets` asks for it, returned in the inputs' dtype."""
    dtype = _DTYPE.get()
    if dtype is None:
        return net(*inputs)
    with torch.autocast(inputs[0].device.type, dtype=dtype):
        raw = net(*inputs)
    return raw.to(inputs[0].dtype)
