"""What a captured engine asks of a device, and CUDA graphs behind it."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import final

import torch
from torch import Tensor
from typing_extensions import override


class Unrepeatable(Exception):
    """A step has been done, but it is none that can be replayed."""


class Graphs(ABC):
    """What a device that captures can do."""

    @abstractmethod
    def stream(self) -> AbstractContextManager[None]:
        """Where steps run, after all that came before and before all that follows."""

    @abstractmethod
    def like(self, leaf: Tensor) -> Tensor:
        """Fresh memory of the device for tensors such as ``leaf``."""

    @abstractmethod
    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """Does ``work`` once and returns a replay of it; tensors that it reads and writes keep their places.

        Raises:
            Unrepeatable: it is done, and cannot be replayed; a replay may find that out too.
            RuntimeError: recording it has failed halfway.
        """

    @abstractmethod
    def waits(self) -> AbstractContextManager[list[str]]:
        """Collects reasons why what happens within cannot be captured: where the host waits for the device."""


@final
class CudaGraphs(Graphs):
    """Graphs of one CUDA device, which share one pool of memory: they are never replayed side by side."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.side = torch.cuda.Stream(device)
        self.pool = torch.cuda.graph_pool_handle()
        self.warned: dict = {}

    @contextmanager
    @override
    def stream(self) -> Iterator[None]:
        """A stream of its own: the default one cannot be captured."""
        self.side.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self.side):
            yield
        torch.cuda.current_stream(self.device).wait_stream(self.side)

    @override
    def like(self, leaf: Tensor) -> Tensor:
        return torch.empty_like(leaf, device=self.device)

    @override
    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """``thread_local``: what other threads do meanwhile (pinning streamed data, logging) is their own affair."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool, stream=self.side, capture_error_mode="thread_local"):
            work()
        graph.replay()  # capturing has done nothing yet
        return graph.replay

    @contextmanager
    @override
    def waits(self) -> Iterator[list[str]]:
        """Torch warns of calls that synchronise; other warnings pass."""
        found: list[str] = []
        before = torch.cuda.get_sync_debug_mode()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                yield found
            finally:
                torch.cuda.set_sync_debug_mode(before)
        for warning in caught:
            text = str(warning.message)
            if "called a synchronizing" in text:
                found.append(f"the step waits for the device: {warning.filename}:{warning.lineno}")
            elif "prototype feature" not in text:  # torch's notice that it may not see all of them
                place = warning.filename, warning.lineno
                warnings.warn_explicit(warning.message, warning.category, *place, registry=self.warned)
