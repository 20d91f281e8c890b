"""Which data a measurement is made of, and which of them each rank of a distributed run measures."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from elbolab.batch import Batch
from elbolab.common.rng import generator
from elbolab.densities.latents import Undefined

Item = TypeVar("Item")


def take_first(batches: Iterable[Batch], limit: int | None) -> Iterator[Batch]:
    """The first ``limit`` data of the batches, the last batch cut; all of them for None."""
    left = limit
    for batch in batches:
        if left is not None and left <= len(batch.x):
            yield _select(batch, slice(left))
            return
        yield batch
        left = None if left is None else left - len(batch.x)


def choose_data(batches: Iterable[Batch], limit: int, seed: int) -> Iterator[Batch]:
    """A seeded choice of ``limit`` of the data, in their order; all of them where there are no more than that.

    The data are read twice, first to count them. The first ``limit`` would not do: many files are sorted by class.
    """
    rows = choose_rows(sum(len(batch.x) for batch in batches), limit, seed)
    start = 0
    for batch in batches:
        here = rows[(rows >= start) & (rows < start + len(batch.x))] - start
        start += len(batch.x)
        if len(here) > 0:
            yield _select(batch, here.to(batch.x.device))


def choose_rows(count: int, limit: int, seed: int) -> Tensor:
    """At most ``limit`` of ``count`` rows, in order, int64: a seeded choice without repetition where there are more."""
    if count <= limit:
        return torch.arange(count)
    order = torch.randperm(count, generator=generator("choice of rows", seed))
    return order[:limit].sort().values


def _select(batch: Batch, rows: slice | Tensor) -> Batch:
    """Some rows of everything that is known of the data."""
    given = tuple(condition[rows] for condition in batch.given)
    y, factors = (None if values is None else values[rows] for values in (batch.y, batch.factors))
    return Batch(batch.x[rows], given, y, factors)


def world_and_rank() -> tuple[int, int]:
    """Number of ranks and this one's number; (1, 0) outside a distributed run."""
    return (dist.get_world_size(), dist.get_rank()) if dist.is_available() and dist.is_initialized() else (1, 0)


def share_out(measure: Callable[[int, Item], dict[str, Tensor]], items: Iterable[Item]) -> dict[str, Tensor]:
    """What ``measure`` (number, item) finds of every datum of every item, in order; item i is rank i % world's.

    Args:
        measure: (number of the item, item) -> values per datum by name, (G,) each.
        items: groups of data, the same on every rank.

    Raises:
        Exception: that of ``measure``; all ranks raise where one does, or they would wait for each other.
    """
    world, rank = world_and_rank()
    found: dict[int, dict[str, Tensor]] = {}
    failure: Exception | None = None
    try:
        found = {i: measure(i, item) for i, item in enumerate(items) if i % world == rank}
    except Exception as error:
        if world == 1:
            raise
        failure = error
    if world > 1:  # results travel by pickle, which takes tensors of the CPU
        mine = {i: {name: value.cpu() for name, value in row.items()} for i, row in found.items()}
        parts: list[Any] = [None] * world
        dist.all_gather_object(parts, (mine, failure and (isinstance(failure, Undefined), repr(failure))))
        if failure is not None:
            raise failure
        for is_undefined, text in filter(None, (failed for _, failed in parts)):
            raise Undefined(text) if is_undefined else RuntimeError(f"on another rank: {text}")
        found = {i: row for part, _ in parts for i, row in part.items()}
    return {name: torch.cat([found[i][name] for i in range(len(found))]) for name in found[0]}
