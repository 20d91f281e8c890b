"""The order of the data, and the blocks of batches that Lightning iterates.

A training step of a small model costs less than Lightning's bookkeeping around it, so Lightning is handed a block of K
batches at a time. Results do not depend on K: the order is a function of (seed, epoch), and a batch is fetched, noise
included, at the moment its step is taken.

Shapes: n = data, B = batch size of one device, W = ranks, N = steps an epoch on one rank, K = batches in a block.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Generic, Self, TypeVar, final

import torch
from torch import Tensor
from typing_extensions import override

from elbolab.common.rng import training_generator

Item = TypeVar("Item")


class Ordering(ABC):
    """Which data make up which batch, on one rank; a function of the epoch and of the options alone."""

    @abstractmethod
    def __len__(self) -> int:
        """Batches of an epoch on this rank, N."""

    @abstractmethod
    def positions(self) -> list[int]:
        """Number in the epoch, counted over all ranks, of each of this rank's batches."""

    @abstractmethod
    def batches(self, epoch: int, device: torch.device | str = "cpu") -> list[Tensor]:
        """Indices of each batch of one epoch, N tensors (B,)."""


@final
@dataclass(frozen=True)
class Order(Ordering):
    """All data, shuffled or in their own order.

    Shuffled (training), a step takes the next B * W data of the epoch's permutation and every rank an equal part of
    them, so that W ranks step as one process with batch size B * W does. The last step takes what is left; where W
    does not divide it, up to W - 1 data are repeated from the start of the permutation (as `DistributedSampler` does).
    Not shuffled (evaluation), batch i goes to rank i % W: the ranks' shards are disjoint and nothing is repeated.
    An epoch has at most ``limit`` training steps, or evaluation batches counted over all ranks.
    """

    n: int
    batch_size: int
    seed: int
    shuffle: bool
    world: int = 1
    rank: int = 0
    limit: int | None = None

    @override
    def __len__(self) -> int:
        count = ceil(self.n / (self.batch_size * (self.world if self.shuffle else 1)))
        count = count if self.limit is None else min(count, self.limit)
        return count if self.shuffle else len(range(self.rank, count, self.world))

    @override
    def positions(self) -> list[int]:
        return [step * self.world + self.rank for step in range(len(self))]

    @override
    def batches(self, epoch: int, device: torch.device | str = "cpu") -> list[Tensor]:
        if not self.shuffle:
            indices = torch.arange(self.n, device=device).split(self.batch_size)
            return list(indices[self.rank :: self.world][: len(self)])
        permutation = torch.randperm(self.n, generator=training_generator(self.seed, epoch)).to(device)
        steps = list(permutation.split(self.batch_size * self.world))
        repeated = torch.arange(-len(steps[-1]) % self.world, device=device) % self.n
        steps[-1] = torch.cat([steps[-1], permutation[repeated]])
        return [step.chunk(self.world)[self.rank] for step in steps[: len(self)]]


@final
class Block(Generic[Item]):
    """K batches, each read and finished at the moment it is iterated.

    Attributes:
        items: what each batch is read from (on the device: its indices).
        finish: what was read -> a `Batch` or a `Semi`, by work on the device alone, so that it can be captured with the
            step.
        positions: number of each batch in the epoch, counted over all ranks; a seed for noise that ranks share.
        read: item -> a tensor, or a (nested) tuple of tensors, that a batch is finished from.
    """

    def __init__(
        self,
        items: Sequence[Item],
        finish: Callable[[Any], Any],
        positions: Sequence[int],
        read: Callable[[Item], Any] = lambda item: item,
    ) -> None:
        self.items, self.positions = list(items), list(positions)
        self.finish, self.read = finish, read

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Any]:
        return map(self.finish, self.reads())

    def reads(self) -> Iterator[Any]:
        """What each batch is finished from, one after another."""
        return map(self.read, self.items)

    def truncate(self, num: int) -> Self:
        """Drops all but the first ``num`` batches, which its loader then counts as unseen; returns itself."""
        del self.items[num:], self.positions[num:]
        return self


class Loader(ABC):
    """What Lightning iterates: blocks in order, with a position that survives a checkpoint.

    Its length is constant and counts blocks (without a length Lightning reads one block ahead of the checkpoint). The
    epoch comes from Lightning, which calls ``loader.sampler.set_epoch`` after ``iter(loader)``, so it is read when the
    first block is asked for. The position is kept in steps, so a run may resume with another K: `repace_checkpoint`.
    The indices of batches live on ``device``.
    """

    batch_sampler = None

    def __init__(self, order: Ordering, block: int, device: torch.device | str) -> None:
        self.order, self.block, self.device = order, block, device
        self.epoch = self._resume = self._start = self._done = 0
        self._last: Block | None = None

    @abstractmethod
    def blocks(self, batches: list[Tensor], positions: list[int]) -> Iterator[Block]:
        """Blocks of the given index batches, of which the first is the epoch's batch ``positions[0]``."""

    @property
    def sampler(self) -> Self:
        """Where Lightning looks for `set_epoch`."""
        return self

    @property
    def step(self) -> int:
        """Steps of the epoch handed out so far."""
        return self._start if self._last is None else self._start + len(self._last)

    def set_epoch(self, epoch: int) -> None:
        """Chooses the permutation of the next iteration."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Blocks of a whole epoch."""
        return ceil(len(self.order) / self.block)

    def __iter__(self) -> Iterator[Block]:
        """The blocks of the epoch; once after `load_state_dict` only those that are left."""
        start, self._resume = self._resume % max(len(self.order), 1), 0
        self._done = len(self) - ceil((len(self.order) - start) / self.block)
        batches, positions = self.order.batches(self.epoch, self.device), self.order.positions()
        for block in self.blocks(batches[start:], positions[start:]):
            self._start, self._last, self._done = start, block, self._done + 1
            start += len(block)
            yield block

    def state_dict(self) -> dict[str, int]:
        """Position in the epoch: steps done and in all, blocks done, and their size."""
        return {"step": self.step, "steps": len(self.order), "done": self._done, "block": self.block}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Makes the next iteration start at the saved position.

        Raises:
            ValueError: the epoch has another number of steps than when the state was saved.
        """
        step, steps = state["step"], state["steps"]
        if step % steps and steps != len(self.order):
            now = (
                f"which now has {len(self.order)}: resume with the same data, batch size, limits and number of devices"
            )
            raise ValueError(f"the checkpoint stands at step {step} of an epoch of {steps}, {now}")
        left = ceil((len(self.order) - step) / self.block)
        assert len(self) - state["done"] == left, "call `repace_checkpoint` first"
        self._resume = self._start = step
        self._done, self._last = state["done"], None


@final
class BlockLoader(Loader):
    """Blocks of data that live on ``device``, where ``fetch`` makes a batch of indices (B,)."""

    def __init__(
        self, order: Ordering, block: int, fetch: Callable[[Tensor], Any], device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(order, block, device)
        self.fetch = fetch

    @override
    def blocks(self, batches: list[Tensor], positions: list[int]) -> Iterator[Block]:
        for start in range(0, len(batches), self.block):
            part = slice(start, start + self.block)
            yield Block(batches[part], self.fetch, positions[part])


def repace_checkpoint(checkpoint: dict, block: int) -> None:
    """Rewrites Lightning's count of blocks in ``checkpoint`` for blocks of another size.

    Call it in ``on_load_checkpoint`` of a module or callback, before Lightning restores its loops. Lightning resumes
    by the number of blocks done; this makes it the number from which exactly the steps left are left, whatever K was
    and wherever the last block was truncated. A checkpoint that holds no loader's state is left alone.
    """
    loop = checkpoint["loops"]["fit_loop"]
    progress = loop["epoch_loop.batch_progress"]
    for state in loop["state_dict"].get("combined_loader", []):
        length, old_length = (ceil(state["steps"] / size) for size in (block, state["block"]))
        done = length - ceil((state["steps"] - state["step"]) / block)
        epochs = (progress["total"]["ready"] - progress["current"]["ready"]) // old_length
        shifts = {"current": done - state["done"], "total": done - state["done"] + epochs * (length - old_length)}
        for name, shift in shifts.items():
            progress[name].update({counter: count + shift for counter, count in progress[name].items()})
        progress["is_last_batch"] = state["step"] == state["steps"]
        state.update(done=done, block=block)
