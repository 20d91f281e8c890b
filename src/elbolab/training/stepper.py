"""One optimiser step after another over a block. It sees a variant only as players.

The same `step` runs eagerly everywhere: forward, backward into this player's parameters alone, average over ranks,
clip or skip, update, EMA. Metrics stay on the device until the block ends.
"""

from collections.abc import Callable
from math import inf, isfinite, isnan
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn
from torch.distributed import all_reduce
from torch.optim import Optimizer

from elbolab.data.blocks import Block
from elbolab.nets.precision import autocast_nets
from elbolab.training.ema import Ema
from elbolab.training.schedules import Schedule


class Loss(NamedTuple):
    """What a player minimises.

    Attributes:
        value: the scalar that is differentiated.
        metrics: scalars to log beside it.
    """

    value: Tensor
    metrics: dict[str, Tensor]


class Player(NamedTuple):
    """One loss, the parameters that it moves, and how.

    Attributes:
        loss: batch -> Loss.
        parameters: those that receive its gradient; no other parameter does.
        optimizer: parameters -> optimiser.
        name: what tells its metrics from those of other players, ``critic`` say.
    """

    loss: Callable[[Any], Loss]
    parameters: list[nn.Parameter]
    optimizer: Callable[[list[nn.Parameter]], Optimizer]
    name: str = ""


class Guard(NamedTuple):
    """What happens between gradient and update.

    Attributes:
        clip_norm: gradients are scaled down to this norm, None: never.
        skip_norm: a step whose gradient norm exceeds this, or is not finite, is left out, None: never.
        skip_patience: after so many skips in a row the step is taken (with a finite gradient), so that a run whose
            norms have grown for good does not stand still.
        accumulate: parts that a batch is processed in, to save memory; the gradient is that of the whole batch for
            every loss that is a mean over data. Free bits and optimal scales, which clamp or fit a mean, see parts, as
            they see the batch of each rank.
    """

    clip_norm: float | None = None
    skip_norm: float | None = None
    skip_patience: int = 10
    accumulate: int = 1


def check_guard(guard: Guard) -> Guard:
    """``guard`` itself.

    Raises:
        ValueError: a bound that is not positive.
    """
    for name, bound in (("clip_norm", guard.clip_norm), ("skip_norm", guard.skip_norm)):
        if bound is not None and not bound > 0:
            raise ValueError(f"model.{name}={bound}: a bound on the gradient norm is positive; null switches it off")
    if guard.accumulate < 1 or guard.skip_patience < 0:
        raise ValueError(
            f"model.accumulate={guard.accumulate} is at least 1, skip_patience={guard.skip_patience} at least 0"
        )
    return guard


class NotFinite(ValueError):
    """Training has left the finite numbers."""


@final
class Stepper:
    """Takes optimiser steps.

    Args:
        players: who steps, in order.
        optimizers: their optimisers, in the same order.
        step: the int64 step counter, a buffer of the model.
        schedule: factor on every learning rate, None for constant rates.
        guard: clipping, skipping, accumulation.
        ema: the weight average with the weights that it follows, or None.
        world: number of ranks over which gradients are averaged.
        autocast: dtype of the networks, None for that of their weights.
    """

    def __init__(
        self,
        players: list[Player],
        optimizers: list[Optimizer],
        step: Tensor,
        schedule: Schedule | None,
        guard: Guard,
        ema: tuple[Ema, list[nn.Parameter]] | None,
        world: int,
        autocast: torch.dtype | None,
    ) -> None:
        self.players, self.optimizers = players, optimizers
        self.counter = step
        self.schedule, self.guard, self.ema = schedule, guard, ema
        self.world, self.autocast = world, autocast

    def run(self, block: Block | list) -> dict[str, float]:
        """Steps over the batches of ``block``; the metrics' means over them, read once at the end.

        Raises:
            NotFinite: a loss is not finite; names the steps.
        """
        names: list[str] = []
        rows = []
        for batch in block:
            metrics = self.step(batch)
            names = list(metrics)
            rows.append(torch.stack([value.float() for value in metrics.values()]))
        means = dict(zip(names, self._means(torch.stack(rows)).tolist(), strict=True))
        if self.guard.skip_norm is not None:  # a number that no step of the block had; patience ends such runs
            means = {name: mean for name, mean in means.items() if not isnan(mean)}
        if not all(-inf < mean < inf for mean in means.values()):
            raise NotFinite(f"{', '.join(f'{k}={v:g}' for k, v in means.items())}")
        return means

    def _means(self, rows: Tensor) -> Tensor:
        """Columns of (steps, metrics) averaged over the steps of all ranks; skipping leaves wild numbers out."""
        counted = rows.isfinite() if self.guard.skip_norm is not None else torch.ones_like(rows, dtype=torch.bool)
        sums = torch.stack([torch.where(counted, rows, 0).sum(0), counted.float().sum(0)])
        if self.world > 1:
            all_reduce(sums)
        return sums[0] / sums[1]

    def step(self, batch: Any) -> dict[str, Tensor]:
        """One step of every player; metrics as scalars on the device."""
        metrics: dict[str, Tensor] = {}
        self._set_learning_rates()
        for player, optimizer in zip(self.players, self.optimizers, strict=True):
            optimizer.zero_grad(set_to_none=True)
            found = self._backward(player, batch)
            if self.world > 1:
                average_gradients(player.parameters, self.world)
            found |= self._update(player, optimizer)
            metrics |= {f"{player.name}_{k}": v for k, v in found.items()} if player.name else found
        self.counter.add_(1)
        if self.ema is not None:
            self.ema[0].update(self.ema[1])
        return metrics

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
        (loss.value if share == 1.0 else loss.value * share).backward(inputs=player.parameters)
        return {"loss": loss.value.detach()} | {name: metric.detach() for name, metric in loss.metrics.items()}

    def _update(self, player: Player, optimizer: Optimizer) -> dict[str, Tensor]:
        guard = self.guard
        if guard.clip_norm is None and guard.skip_norm is None:
            optimizer.step()
            return {}
        norm = nn.utils.clip_grad_norm_(player.parameters, guard.clip_norm or inf)
        if guard.skip_norm is None:
            optimizer.step()
            return {"grad_norm": norm}
        skip = self._skips(norm, guard.skip_norm, optimizer.param_groups[0])
        if not skip:
            optimizer.step()
        return {"grad_norm": norm, "skipped": torch.full_like(norm, float(skip))}

    def _skips(self, norm: Tensor, limit: float, group: dict[str, Any]) -> bool:
        """Whether to leave this step out; a host sync, paid only where skipping is asked for.

        The skips in a row are counted in the optimiser's ``group``, so that every player has its own and a checkpoint
        carries it.
        """
        size, in_a_row = float(norm), group.get("skipped", 0)
        patient, finite = in_a_row < self.guard.skip_patience, isfinite(size)
        if not finite and not patient:
            raise NotFinite(f"the gradient was not finite in {self.guard.skip_patience} steps in a row")
        skip = not finite or (size > limit and patient)
        group["skipped"] = in_a_row + 1 if skip else 0
        return skip

    def _set_learning_rates(self) -> None:
        if self.schedule is None:
            return
        factor = self.schedule(self.counter)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                set_learning_rate(group, factor)


def set_learning_rate(group: dict[str, Any], factor: Tensor) -> None:
    """Base rate times factor: in place where the optimiser takes a tensor, else as a number."""
    if isinstance(group["lr"], Tensor):
        group["lr"].copy_(group["base_lr"] * factor)
    else:
        group["lr"] = float(group["base_lr"] * factor)


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


def split_batch(batch: Any, parts: int) -> list[Any]:
    """A (nested) named tuple of tensors in ``parts`` parts along the first dimension.

    Raises:
        ValueError: a tensor has fewer rows than parts.
    """
    columns = [_split(field, parts) for field in batch]
    return [type(batch)(*(column[i] for column in columns)) for i in range(parts)]


def _split(field: Any, parts: int) -> list[Any]:
    match field:
        case None:
            return [None] * parts
        case Tensor() if len(field) < parts:
            raise ValueError(f"model.accumulate={parts}: a batch of {len(field)} has not so many parts")
        case Tensor():
            return list(field.tensor_split(parts))
        case tuple() if type(field) is tuple:
            return [tuple(row) for row in zip(*(_split(item, parts) for item in field), strict=True)] or [()] * parts
        case _:
            return split_batch(field, parts)


def size_of(batch: Any) -> int:
    """Data in a (nested) batch: those of its first tensor."""
    first = batch[0]
    return len(first) if isinstance(first, Tensor) else size_of(first)
