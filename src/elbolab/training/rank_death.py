"""The death of a rank, as the others see it: their next collective fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

from torch.distributed import DistError

BROKEN = "gloo/transport"
"""Gloo's errors have no type of their own."""


@final
class Alone(ConnectionError):
    """Another rank has died; what this one has saved is still good."""


@contextmanager
def together() -> Iterator[None]:
    """What runs within needs all ranks.

    Raises:
        Alone: another has died.
    """
    try:
        yield
    except RuntimeError as error:
        if not (isinstance(error, DistError) or BROKEN in str(error)):
            raise
        raise Alone("another rank has died: log.txt shows why, or the cluster does (out of memory?)") from error
