"""Which data a measurement is made of."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from elbolab.batch import Batch
from elbolab.common.rng import generator


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
