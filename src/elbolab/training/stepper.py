"""One optimiser step after another over a block. It sees a variant only as players.

The same `take` runs eagerly everywhere, or is captured once and replayed: finish the batch, forward, backward into this
player's parameters alone, average over ranks, clip or skip, update, EMA. Nothing in it waits for the device.
"""

from math import isnan
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.distributed import all_reduce
from torch.optim import Optimizer

from elbolab.common.refusal import Refusal, change, choose
from elbolab.data.blocks import Block
from elbolab.nets.precision import autocast_nets
from elbolab.training.contract import check_loss
from elbolab.training.ema import Ema
from elbolab.training.engine import Engine
from elbolab.training.guard import Guard, LossNotFinite, check_patience, guarded_step
from elbolab.training.optimizers import prepare, set_learning_rate
from elbolab.training.player import Player
from elbolab.training.schedules import Schedule
from elbolab.training.trees import size_of, split_batch


@final
class Tally:
    """Metrics of a block's steps, summed on the device and read once: means over data.

    A few small kernels a step; the same tensors in every block, so that a captured step finds them. Where it is
    ``forgiving``, numbers that are not finite are left out: those of steps that were skipped.
    """

    def __init__(self, forgiving: bool) -> None:
        self.forgiving = forgiving
        self.names: list[str] = []
        self.sums: Tensor | None = None

    def clear(self) -> None:
        """Forgets the steps so far."""
        if self.sums is not None:
            self.sums.zero_()
            self.good.fill_(True)

    def add(self, metrics: dict[str, Tensor], size: int) -> None:
        """Counts one step's scalars, means over ``size`` data; raises ValueError where they are others than before."""
        row = torch.stack([metric.to(torch.get_default_dtype()) for metric in metrics.values()])
        if self.sums is None:
            self.names = list(metrics)
            self.sums = torch.zeros(3, len(row), dtype=torch.float64, device=row.device)
            self.good = torch.ones_like(row, dtype=torch.bool)  # finite so far, of this block
            self.one = torch.ones_like(row)
        elif self.names != list(metrics):
            raise ValueError(f"a loss returns the same metrics at every step: {self.names}, then {list(metrics)}")
        finite = row.isfinite() if self.forgiving else self.good.logical_and_(row.isfinite())
        self.sums.add_(torch.stack([torch.where(finite, row, 0), finite.to(row.dtype), self.one]), alpha=size)

    def means(self, steps: int, world: int) -> dict[str, float]:
        """The means over the data of all ``steps`` and ranks; waits for the device.

        Raises:
            LossNotFinite: one is not finite.
        """
        assert self.sums is not None, "add() comes first"
        if world > 1:
            all_reduce(self.sums)
        sums, finite, sizes = self.sums
        means = dict(zip(self.names, (sums / finite).tolist(), strict=True))
        if not (self.forgiving or torch.equal(finite, sizes)):
            num_finite = (finite * steps // sizes).int().tolist()  # steps, until one was not
            before = min(num_finite)
            first = tuple(name for name, num in zip(self.names, num_finite, strict=True) if num == before)
            raise LossNotFinite(before + 1, first, means if before else {})
        return {name: mean for name, mean in means.items() if not isnan(mean)}


@final
class Stepper:
    """Takes optimiser steps.

    Args:
        players: who steps, in order.
        optimizers: their optimisers, in the same order, restored where a run goes on.
        step: the int64 step counter, a buffer of the model.
        schedule: factor on every learning rate, None for constant rates.
        guard: clipping, skipping, accumulation.
        ema: the weight average with what it follows, see `averaged`, or None.
        world: number of ranks over which gradients are averaged.
        autocast: dtype of the networks, None for that of their weights.
        engine: what repeats the step over a block.
    """

    def __init__(
        self,
        players: list[Player],
        optimizers: list[Optimizer],
        step: Tensor,
        schedule: Schedule | None,
        guard: Guard,
        ema: tuple[Ema, list[Tensor]] | None,
        world: int,
        autocast: torch.dtype | None,
        engine: Engine,
    ) -> None:
        self.players, self.optimizers = players, optimizers
        self.counter, self.checked = step, False
        self.schedule, self.guard, self.ema = schedule, guard, ema
        self.world, self.autocast, self.engine = world, autocast, engine
        self.tally = Tally(forgiving=guard.skip_norm is not None)
        for optimizer in optimizers:
            prepare(optimizer, scheduled=schedule is not None)

    def run(self, block: Block) -> dict[str, float]:
        """Steps over the batches of ``block``; the metrics' means over their data, read once at the end.

        Raises:
            NotFinite: a loss is not finite, or its gradient has not been for too long.
        """
        self.tally.clear()
        self.engine.run(self.take, block)
        check_patience(self.guard, self.optimizers)
        return self.tally.means(len(block), self.world)

    def take(self, batch: Any) -> None:
        """One step of every player; everything that it leaves behind stays on the device."""
        metrics: dict[str, Tensor] = {}
        if self.schedule is not None:
            factor = self.schedule(self.counter)
            for optimizer in self.optimizers:
                set_learning_rate(optimizer, factor)
        for player, optimizer in zip(self.players, self.optimizers, strict=True):
            optimizer.zero_grad(set_to_none=True)
            found = self._backward(player, batch)
            if self.world > 1:
                average_gradients(player.parameters, self.world)
            found |= guarded_step(self.guard, player.parameters, optimizer)
            metrics |= {f"{player.name}_{k}": v for k, v in found.items()} if player.name else found
        self.checked = True
        self.counter.add_(1)
        if self.ema is not None:
            self.ema[0].update(self.ema[1])
        self.tally.add(metrics, size_of(batch))

    def _backward(self, player: Player, batch: Any) -> dict[str, Tensor]:
        """Gradients of the batch's mean loss, in parts when asked; the parts' metrics weighted by their data."""
        if self.guard.accumulate == 1:
            return self._backward_part(player, batch, 1.0)
        parts = split_batch(batch, self.guard.accumulate)
        shares = [size_of(part) / size_of(batch) for part in parts]
        rows = [self._backward_part(player, part, share) for part, share in zip(parts, shares, strict=True)]
        return {name: torch.stack([r[name] * s for r, s in zip(rows, shares, strict=True)]).sum() for name in rows[0]}

    def _backward_part(self, player: Player, batch: Any, share: float) -> dict[str, Tensor]:
        with autocast_nets(self.autocast):
            loss = player.loss(batch)
        if not self.checked:
            check_loss(loss, player)
        if self.guard.accumulate > 1 and not loss.additive:
            raise Refusal(
                f"model.accumulate={self.guard.accumulate} processes a batch in parts, and this loss is no mean over "
                "the data of a batch",
                change("model.accumulate", 1),
                choose("cost", "rate", "none"),
                choose("likelihood", "gaussian_learned"),
                change("model.label_informed", "false"),
            )
        (loss.value if share == 1.0 else loss.value * share).backward(inputs=player.parameters)
        return {"loss": loss.value.detach()} | {name: metric.detach() for name, metric in loss.metrics.items()}


def average_gradients(parameters: list[nn.Parameter], world: int) -> None:
    """The mean over ranks by one flat all-reduce; a parameter without gradient on this rank counts as zero."""
    for p in parameters:
        if p.grad is None:
            p.grad = torch.zeros_like(p)
    grads = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.flatten() for g in grads])
    all_reduce(flat)
    torch._foreach_copy_(
        grads, [f.view_as(g) for f, g in zip(flat.div_(world).split([g.numel() for g in grads]), grads, strict=True)]
    )
