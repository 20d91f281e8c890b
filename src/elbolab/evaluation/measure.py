"""The interface of measures and of the data they read; each has a YAML file in ``conf/evaluation/measure``."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self, final

import torch

from elbolab.batch import Batch
from elbolab.densities.base import Densities
from elbolab.evaluation.batches import take_first
from elbolab.evaluation.quantity import Quantity


class Source(Protocol):
    """The source of the data; every data module is one.

    Attributes:
        num_labelled: size of the part ``labelled`` of the training data, None if there is no such part.
    """

    num_labelled: int | None

    def batches(self, split: str, device: torch.device | str) -> Iterable[Batch]:
        """All batches of a split, the same at every iteration."""


@final
@dataclass
class First:
    """The first ``limit`` data of ``batches``, as often as they are asked for."""

    batches: Iterable[Batch]
    limit: int | None

    def __iter__(self) -> Iterator[Batch]:
        return take_first(self.batches, self.limit)


@final
class Data:
    """The data of an evaluation, on the device of the model.

    Args:
        source: source of the data.
        device: device of the model.
        limit: measure the first so many data of a split; None for all.

    Attributes:
        num_labelled: ``num_labelled`` of the source.
    """

    def __init__(self, source: Source, device: torch.device | str, limit: int | None = None) -> None:
        self.source, self.device, self.limit = source, device, limit
        self.num_labelled = source.num_labelled

    def measured(self, split: str) -> Iterable[Batch]:
        """The first ``limit`` data of a split, which are measured; the same at every iteration."""
        return First(self.batches(split), self.limit)

    def batches(self, split: str) -> Iterable[Batch]:
        """All batches of a split, for measures that fit a classifier or choose a setting on the data.

        The split may also be ``labelled``, the labelled part of the training data.
        """
        return self.source.batches(split, self.device)


class Measure(ABC):
    """A measurement of a model: the same model, data and seed give the same quantities.

    Attributes:
        is_shared: whether all ranks of a distributed run work on it together, as those do that read data by
            `share_out`; of the others rank 0 has all the work.
        on_demand: whether ``evaluation=default`` leaves it out: who has asked for it is told where it is undefined.
        counts: the options that are numbers of data, samples, ...: at least 1, or None.
    """

    is_shared: ClassVar[bool] = False
    on_demand: ClassVar[bool] = False
    counts: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        """Checks the counts of a measure that is a dataclass."""
        check_counts(self, *self.counts)

    @final
    def reduce(self) -> Self:
        """The same measure with at most 2 of all that it counts."""
        reduced = copy(self)
        vars(reduced).update({name: min(2, number) for name in self.counts if (number := getattr(self, name))})
        return reduced

    @abstractmethod
    def __call__(self, densities: Densities, data: Data, split: str, seed: int) -> Mapping[str, Quantity]:
        """Measures quantities of the model, by name, with all noise of a seed; those undefined for it are absent.

        Raises:
            Undefined: nothing can be said of this model, or of these data.
        """


def check_counts(measure: object, *names: str) -> None:
    """Raises ValueError where one of these options is a number below 1; None is no number."""
    for name in names:
        number = getattr(measure, name)
        if number is not None and number < 1:
            raise ValueError(f"{type(measure).__name__}.{name}={number}: must be at least 1")
