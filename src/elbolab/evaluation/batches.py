"""Which data a measurement is made of."""

from collections.abc import Iterable, Iterator

from torch import Tensor

from elbolab.batch import Batch


def first(batches: Iterable[Batch], limit: int | None) -> Iterator[Batch]:
    """The first ``limit`` data of the batches, the last batch cut; all of them for None."""
    left = limit
    for batch in batches:
        if left is not None and left <= len(batch.x):
            yield _cut(batch, left)
            return
        yield batch
        left = None if left is None else left - len(batch.x)


def _cut(batch: Batch, count: int) -> Batch:
    given = tuple(condition[:count] for condition in batch.given)
    return Batch(batch.x[:count], given, _rows(batch.y, count), _rows(batch.factors, count))


def _rows(values: Tensor | None, count: int) -> Tensor | None:
    return None if values is None else values[:count]
