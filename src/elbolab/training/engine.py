"""What repeats a step over a block: Python, or what was captured from it once.

A small model's step is hundreds of kernels of a few microseconds, launched one by one by Python, which is slower than
they are. A captured step, a graph of a CUDA device or a record of a CPU's tensor operations, is launched whole. It is
the same step: what `Stepper.take` does to one batch. What else Python does in it is done no more: a step is a function
of its batch and of tensors.
"""

import logging
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, final

import numpy as np
import torch
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from torch import nn
from torch.optim import Optimizer
from typing_extensions import override

from elbolab.common.refusal import Refusal, change
from elbolab.data.blocks import Block
from elbolab.training.graphs import CudaGraphs, Graphs, Unrepeatable
from elbolab.training.recorded import Recorder
from elbolab.training.trees import leaves, map_tensors

Take = Callable[[Any], None]
"""One step on one batch."""

say = rank_zero_only(logging.getLogger(__name__).info)

RECORDED_AFTER = 100
"""Steps that a CPU takes before ``auto`` records one: recording costs as much time as some fifty of them."""

CHANGES_BORNE = 5
"""How often captures may end as settings change between blocks, before the steps stay eager."""


class Engine(ABC):
    """What calls a step, or replays it, once for every batch of a block."""

    @abstractmethod
    def run(self, take: Take, block: Block) -> None:
        """Takes the steps."""


@final
class Eager(Engine):
    """Every step is Python."""

    @override
    def run(self, take: Take, block: Block) -> None:
        for batch in block:
            take(batch)


@final
class Captured(Engine):
    """Steps are captured once for every shape of a batch, finishing the batch included, and then replayed.

    The first steps are taken eagerly. They are steps of the training like all others, so there is nothing to undo; they
    create what optimisers create lazily, and show whether the step can be captured: if not, all stay eager. Where it
    must be, or a capture fails halfway, `run` refuses.

    Args:
        graphs: the device's graphs.
        must: whether a step that cannot be captured is an error.
        warm_up: eager steps in a row that did not wait, before the first capture; a further shape needs one.
        trials: eager steps after which one that still waits always will.
        settings: what a capture holds fast although it is no tensor, read at every block: captures end with a change.
    """

    def __init__(
        self, graphs: Graphs, must: bool = False, warm_up: int = 3, trials: int = 20, settings: Callable = tuple
    ) -> None:
        self.graphs, self.must, self.warm_up, self.trials = graphs, must, warm_up, trials
        self.settings, self.held, self.changes = settings, None, CHANGES_BORNE
        self.calm = 0
        self.seen: set[tuple] = set()
        self.replays: dict[tuple, Callable[[Any], None]] = {}

    @override
    def run(self, take: Take, block: Block) -> None:
        self._drop_outdated()
        with self.graphs.stream():
            for read in block.reads():
                self._step(take, block.finish, read)

    def _step(self, take: Take, finish: Callable[[Any], Any], read: Any) -> None:
        shape = tuple((leaf.shape, leaf.dtype) for leaf in leaves(read))
        if shape not in self.replays and shape in self.seen and self.calm >= self.warm_up:
            self._capture(shape, take, finish, read)
        elif shape in self.replays:
            try:
                self.replays[shape](read)
            except Unrepeatable as error:
                del self.replays[shape]
                self._give_up(str(error))
        elif self.trials > 0:
            self._try(take, finish, read)
            self.seen.add(shape)
        else:
            take(finish(read))

    def _drop_outdated(self) -> None:
        """Drops captures of steps that are no more: a callback has frozen parameters, or changed a rate."""
        if not self.replays or self.settings() == self.held:
            return
        self.replays.clear()
        self.changes -= 1
        if self.changes == 0 and not self.must:
            self._give_up("numbers that modules or optimisers keep change between blocks (keep them in buffers)")

    def _capture(self, shape: tuple, take: Take, finish: Callable[[Any], Any], read: Any) -> None:
        """Takes the step and keeps a replay, which first copies what was read to where the record looks for it."""
        inputs = self._copy(read)
        try:
            replay = self.graphs.capture(lambda: take(finish(inputs)))
        except Unrepeatable as error:
            self._give_up(str(error))
            return
        except RuntimeError as error:  # the device's noise is no longer what it was, so there is no going on eagerly
            raise Refusal(f"the step cannot be captured: {error}", change("trainer.engine", "eager")) from error

        def copy_and_replay(read: Any) -> None:
            for there, here in zip(leaves(inputs), leaves(read), strict=True):
                there.copy_(here, non_blocking=True)
            replay()

        self.replays[shape] = copy_and_replay
        self.held = self.settings()  # with the state that the optimiser has made in its first steps

    def _copy(self, read: Any) -> Any:
        return map_tensors(lambda leaf: self.graphs.like(leaf).copy_(leaf), read)

    def _try(self, take: Take, finish: Callable[[Any], Any], read: Any) -> None:
        """An eager step that is watched for what a graph cannot hold."""
        inputs = self._copy(read)  # before watching: reading may wait, it is no part of the step
        with self.graphs.waits() as reasons, _foreign_noise(reasons):
            take(finish(inputs))
        self.calm = 0 if reasons else self.calm + 1
        self.trials -= bool(reasons)
        if self.trials == 0:
            self._give_up(reasons[0])

    def _give_up(self, reason: str) -> None:
        """No more captures; shapes that have one keep it."""
        self.trials = self.calm = 0
        self.seen.clear()
        _refuse_or_say(self.must, reason)


@contextmanager
def _foreign_noise(reasons: list[str]) -> Iterator[None]:
    """Adds a reason where Python's or NumPy's generator is drawn from within: a replay would not draw again."""
    before = random.getstate(), np.random.get_state(legacy=False)["state"]["pos"]
    yield
    if before != (random.getstate(), np.random.get_state(legacy=False)["state"]["pos"]):
        reasons.append("the step draws random numbers from Python or NumPy (draw them with torch)")


def settings(model: nn.Module, optimizers: list[Optimizer]) -> tuple:
    """Numbers and flags of modules and optimisers, which tensors these keep, and which parameters are trained."""
    groups = [{k: v for k, v in g.items() if k != "params"} for one in optimizers for g in one.param_groups]
    states = [state for one in optimizers for state in one.state.values()]
    return (
        [_numbers(part) for part in [*map(vars, model.modules()), *groups]],
        [id(value) for state in states for value in state.values() if isinstance(value, torch.Tensor)],
        [parameter.requires_grad for parameter in model.parameters()],
    )


def _numbers(names: dict[str, Any]) -> list[tuple[str, Any]]:
    kinds = (bool, int, float, type(None))
    parts = {name: value if isinstance(value, tuple) else (value,) for name, value in names.items()}
    return [(name, value) for name, value in parts.items() if all(isinstance(part, kinds) for part in value)]


def choose_engine(wish: str, model: nn.Module, device: torch.device, optimizers: list[Optimizer], world: int) -> Engine:
    """The engine of ``trainer.engine``; says once why ``auto`` does not capture, and why ``captured`` cannot."""
    reason = obstacle(wish, model, device, optimizers, world)
    must, held = wish == "captured", partial(settings, model, optimizers)
    if wish == "eager":
        return Eager()
    if reason is not None:
        _refuse_or_say(must, reason)
        return Eager()
    if device.type == "cuda":
        return Captured(CudaGraphs(device), must, settings=held)
    return Captured(Recorder(model), must, settings=held, **({} if must else {"warm_up": RECORDED_AFTER}))


def _refuse_or_say(must: bool, reason: str) -> None:
    if must:
        raise Refusal(f"trainer.engine=captured: {reason}", change("trainer.engine", "auto"))
    say("engine: eager steps, because %s", reason)


def obstacle(wish: str, model: nn.Module, device: torch.device, optimizers: list[Optimizer], world: int) -> str | None:
    """Why steps cannot be captured, None where they can."""
    if device.type not in ("cuda", "cpu"):
        return f"a device of type {device.type} captures none"
    if world > 1 and (wish == "auto" or device.type == "cpu"):
        return "gradients are averaged over ranks (trainer.engine=captured puts that into the graph, with NCCL)"
    if world > 1 and torch.distributed.get_backend() != "nccl":
        return f"the backend {torch.distributed.get_backend()} cannot be captured, NCCL can"
    if torch.is_anomaly_enabled():
        return "detect_anomaly looks at every operation of a step"
    if device.type == "cpu" and any(module._compiled_call_impl is not None for module in model.modules()):
        return "compiled networks (compile=true) cannot be recorded on a CPU"
    for optimizer in optimizers if device.type == "cuda" else ():
        if not all("capturable" in group or group.get("fused") for group in optimizer.param_groups):  # see `prepare`
            return f"{type(optimizer).__name__} can be neither fused nor capturable"
    return None
