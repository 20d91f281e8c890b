"""What repeats a step over a block: Python, or a graph of the device that was captured from it once.

A small model's step is hundreds of kernels of a few microseconds, launched one by one by Python, which is slower than
they are. A captured step is launched whole. It is the same step: what `Stepper.take` does to one batch.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, final

import torch
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from torch.optim import Optimizer

from elbolab.data.blocks import Block
from elbolab.training.graphs import CudaGraphs, Graphs
from elbolab.training.trees import leaves, mapped

Take = Callable[[Any], None]
"""One step on one batch."""

say = rank_zero_only(logging.getLogger(__name__).info)

ENGINES = ("auto", "captured", "eager")
"""The values of ``trainer.engine``."""


class Engine(ABC):
    """Repeats a step over the batches of a block."""

    @abstractmethod
    def run(self, take: Take, block: Block) -> None:
        """Calls ``take``, or replays it, once for every batch."""


@final
class Eager(Engine):
    """Every step is Python."""

    def run(self, take: Take, block: Block) -> None:
        """One call a batch."""
        for batch in block:
            take(batch)


@final
class Captured(Engine):
    """Steps are captured once for every shape of a batch, finishing the batch included, and then replayed.

    The first steps are taken eagerly. They are steps of the training like all others, so there is nothing to undo; they
    create what optimisers create lazily, and show whether the step waits for the device: then all stay eager.

    Args:
        graphs: the device's graphs.
        must: whether a step that cannot be captured is an error.
        warm_up: eager steps in a row that did not wait, before the first capture; a further shape needs one.
        trials: eager steps after which one that still waits always will.

    Raises:
        ValueError: in `run`: the step waits for the device, and ``must`` holds; or its capture fails.
    """

    def __init__(self, graphs: Graphs, must: bool = False, warm_up: int = 3, trials: int = 20) -> None:
        self.graphs, self.must, self.warm_up, self.trials = graphs, must, warm_up, trials
        self.calm = 0
        self.seen: set[tuple] = set()
        self.replays: dict[tuple, Callable[[Any], None]] = {}

    def run(self, take: Take, block: Block) -> None:
        """Replays what is captured, on the device's capture stream."""
        with self.graphs.stream():
            for read in block.reads():
                self._one(take, block.finish, read)

    def _one(self, take: Take, finish: Callable[[Any], Any], read: Any) -> None:
        shape = tuple((leaf.shape, leaf.dtype) for leaf in leaves(read))
        if shape not in self.replays and shape in self.seen and self.calm >= self.warm_up:
            self.replays[shape] = self._capture(take, finish, read)
        if shape in self.replays:
            self.replays[shape](read)
        elif self.trials > 0:
            self._try(take, finish, read)
            self.seen.add(shape)
        else:
            take(finish(read))

    def _capture(self, take: Take, finish: Callable[[Any], Any], read: Any) -> Callable[[Any], None]:
        """A replay that first copies what was read to where the graph looks for it."""
        inputs = self._copied(read)
        try:
            replay = self.graphs.capture(lambda: take(finish(inputs)))
        except RuntimeError as error:  # the device's noise is no longer what it was, so there is no going on eagerly
            raise ValueError(f"the step cannot be captured: {error}; set trainer.engine=eager") from error

        def one(read: Any) -> None:
            for there, here in zip(leaves(inputs), leaves(read), strict=True):
                there.copy_(here, non_blocking=True)
            replay()

        return one

    def _copied(self, read: Any) -> Any:
        return mapped(lambda leaf: self.graphs.like(leaf).copy_(leaf), read)

    def _try(self, take: Take, finish: Callable[[Any], Any], read: Any) -> None:
        """An eager step that is watched for what a graph cannot hold."""
        inputs = self._copied(read)  # before watching: reading may wait, it is no part of the step
        with self.graphs.waits() as waits:
            take(finish(inputs))
        self.calm = 0 if waits else self.calm + 1
        self.trials -= bool(waits)
        if self.trials == 0:
            reason = f"the step waits for the device: {waits[0]}"
            if self.must:
                raise ValueError(f"trainer.engine=captured: {reason}; keep it there, or set trainer.engine=auto")
            say("engine: eager steps, because %s", reason)


def choose_engine(wish: str, device: torch.device, optimizers: list[Optimizer], world: int) -> Engine:
    """The engine of ``trainer.engine``; says once why ``auto`` does not capture.

    Raises:
        ValueError: captured steps are insisted on where there can be none; says why.
    """
    reason = obstacle(wish, device, optimizers, world)
    if wish == "eager":
        return Eager()
    if reason is None:
        return Captured(CudaGraphs(device), must=wish == "captured")
    if wish == "captured":
        raise ValueError(f"trainer.engine=captured: {reason}; set trainer.engine=auto")
    say("engine: eager steps, because %s", reason)
    return Eager()


def obstacle(wish: str, device: torch.device, optimizers: list[Optimizer], world: int) -> str | None:
    """Why steps cannot be captured, None where they can."""
    if device.type != "cuda":
        return "only a CUDA device captures them"
    if world > 1 and wish == "auto":
        return "gradients are averaged over ranks (trainer.engine=captured puts that into the graph, with NCCL)"
    if world > 1 and torch.distributed.get_backend() != "nccl":
        return f"the backend {torch.distributed.get_backend()} cannot be captured, NCCL can"
    for optimizer in optimizers:
        if not all("capturable" in group or group.get("fused") for group in optimizer.param_groups):  # see `prepare`
            return f"{type(optimizer).__name__} can be neither fused nor capturable"
    return None
