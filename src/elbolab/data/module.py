"""The LightningDataModule that every data set is.

Shapes: B = batch size of one device, C = classes, ``*event`` = one datum's shape.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import final

import lightning as L
import numpy as np
import torch
from torch import Tensor

from elbolab.batch import Batch, Pace, Spec
from elbolab.data.blocks import BlockLoader, Loader, Order, generator
from elbolab.data.fetch import Finish, Rows
from elbolab.data.options import check_whole
from elbolab.data.residence import resides
from elbolab.data.splits import Arrays, Splits, check
from elbolab.data.stream import StreamLoader


class DataModule(L.LightningDataModule, ABC):
    """A data set that yields blocks of batches; constructing it reads nothing.

    A data set of your own says what its data are and where the arrays come from, and that is all:

    >>> import numpy as np
    >>> from elbolab.batch import Spec, Support
    >>> from elbolab.data.splits import Arrays, Splits
    >>> class Dice(DataModule):
    ...     def header(self):
    ...         return Spec(x=(2,), support=Support.REAL)
    ...     def load(self):
    ...         x = np.random.default_rng(0).integers(1, 7, (1200, 2)).astype("float32")
    ...         return Splits(train=Arrays(x[:1000]), val=Arrays(x[1000:1100]), test=Arrays(x[1100:]))
    >>> dice = Dice(batch_size=100)
    >>> dice.steps_per_epoch, next(iter(dice.batches("test"))).x.shape
    (10, torch.Size([100, 2]))

    Args:
        batch_size: data in a training batch on each device, B.
        eval_batch_size: data in a validation or test batch on each device.
        seed: seed of the shuffle; the order of epoch e depends on (seed, e) alone.
        given: what the model is conditioned on: ``none``, or ``labels`` as one-hot vectors.
        resident: ``auto`` keeps the data on the device where they fit into half its free memory and streams them
            otherwise; true or false insists.
        num_workers: processes that gather streamed data; resident data need none.
        root: folder of the data files; None for this user's cache folder. Embedded and generated data need none.
        train_limit: use the first so many training data only; None for all.

    Attributes:
        pace: how training wants its blocks; set it before loaders are made.
    """

    allow_zero_length_dataloader_with_multiple_devices = True

    def __init__(
        self,
        batch_size: int = 128,
        eval_batch_size: int = 1000,
        seed: int = 0,
        given: str = "none",
        resident: bool | str = "auto",
        num_workers: int = 0,
        root: str | Path | None = None,
        train_limit: int | None = None,
    ) -> None:
        super().__init__()
        check_whole(1, batch_size=batch_size, eval_batch_size=eval_batch_size, train_limit=train_limit)
        check_whole(0, seed=seed, num_workers=num_workers)
        if resident != "auto" and not isinstance(resident, bool):
            raise ValueError(f"data.resident={resident}: choose auto, true or false")
        if given not in ("none", "labels"):
            raise ValueError(f"data.given={given}: choose none or labels")
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.seed = seed
        self.given = given
        self.resident = resident
        self.num_workers = num_workers
        self.root = root
        self.train_limit = train_limit
        self.pace = Pace()
        self._rows: dict[tuple[str, torch.device], Rows] = {}

    @abstractmethod
    def header(self) -> Spec:
        """What a model must know of the data, without conditions: from constants or a file's header."""

    @abstractmethod
    def load(self) -> Splits:
        """Reads the three splits, memory-mapped where they are large."""

    @final
    @cached_property
    def spec(self) -> Spec:
        """What a model must know of the data, conditions included.

        Raises:
            ValueError: labels are asked of data that have none.
        """
        header = self.header()
        if self.given == "none":
            return header
        if header.num_classes is None:
            raise ValueError(
                f"data.given=labels, but {type(self).__name__} has no labels: choose data.given=none, or labelled data"
            )
        return header._replace(given=((header.num_classes,),))

    @final
    @cached_property
    def splits(self) -> Splits:
        """The arrays, read and checked once."""
        splits = self.load()
        if self.train_limit is not None:
            splits = splits._replace(train=splits.train.select(slice(self.train_limit)))
        check(splits, self.spec, self.batch_size)
        return splits

    @final
    def arrays(self, split: str) -> Arrays:
        """One split, ``train``, ``val`` or ``test``, as it is stored."""
        if split not in Splits._fields:
            raise ValueError(f"no split {split!r}: choose {', '.join(Splits._fields)}")
        return self.splits._asdict()[split]

    @final
    @property
    def steps_per_epoch(self) -> int:
        """Training steps of one epoch on each rank, after limits."""
        return len(self._training_order())

    @final
    def train_dataloader(self) -> Loader:
        """Blocks of shuffled training batches."""
        return self._loader("train", self._training_order())

    @final
    def val_dataloader(self) -> Loader:
        """Blocks of validation batches in fixed order."""
        return self._loader("val", self._evaluation_order("val", self.pace.limit_val))

    @final
    def test_dataloader(self) -> Loader:
        """Blocks of test batches in fixed order."""
        return self._loader("test", self._evaluation_order("test", None))

    @final
    def batches(self, split: str, device: torch.device | str = "cpu", limit: int | None = None) -> "Batches":
        """All batches of a split, on one process, in fixed order and the same at every iteration.

        Args:
            split: ``train``, ``val`` or ``test``; binary training data are drawn once, from a seed of their own.
            device: where the batches are made.
            limit: number of batches, None for all.
        """
        return Batches(self, split, torch.device(device), limit)

    @final
    def train_mean(self) -> Tensor:
        """Mean of the training data (*event), in the scale in which models see them."""
        train = self.splits.train
        total = sum(x.sum(0, dtype=np.float64) for x in train.chunks())
        scale = 1 if train.levels is None else train.levels - 1
        return torch.as_tensor(total / (scale * len(train)), dtype=torch.get_default_dtype())

    @final
    def describe(self) -> str:
        """One line for people."""
        sizes = " / ".join(f"{len(arrays):,}" for arrays in self.splits)
        levels = "" if self.spec.levels is None else f", {self.spec.levels} levels"
        labels = "" if self.spec.num_classes is None else f", {self.spec.num_classes} classes"
        return f"{type(self).__name__}: {sizes} data of shape {self.spec.x}, {self.spec.support}{levels}{labels}"

    @final
    def finish(self, split: str, device: torch.device, noise: torch.Generator | None = None) -> Finish:
        """What makes batches of stored rows; binary draws come from ``noise``, None for the device's own generator."""
        return Finish(self.arrays(split), self.spec.given, device, noise)

    @final
    def rows(self, split: str, device: torch.device) -> Rows:
        """A split on a device, copied there once."""
        if (split, device) not in self._rows:
            self._rows[split, device] = Rows.of(self.arrays(split)).to(device)
        return self._rows[split, device]

    def _loader(self, split: str, order: Order) -> Loader:
        arrays, device = self.arrays(split), self._device()
        finish = self.finish(split, device)
        if not resides(arrays, device, self.resident):
            return StreamLoader(order, self.pace.block, arrays, finish, self.num_workers)
        rows = self.rows(split, device)
        return BlockLoader(order, self.pace.block, lambda indices: finish(rows.select(indices)), device)

    def _training_order(self) -> Order:
        world, rank = self._ranks()
        return Order(len(self.splits.train), self.batch_size, self.seed, True, world, rank, self.pace.limit_train)

    def _evaluation_order(self, split: str, limit: int | None) -> Order:
        """At least one batch for every rank, where there are as many data: a rank without any would be waited for."""
        (world, rank), num = self._ranks(), len(self.arrays(split))
        batch_size = min(self.eval_batch_size, max(1, num // world))
        limit = None if limit is None else max(limit, world)
        return Order(num, batch_size, self.seed, False, world, rank, limit)

    def _ranks(self) -> tuple[int, int]:
        return (1, 0) if self.trainer is None else (self.trainer.world_size, self.trainer.global_rank)

    def _device(self) -> torch.device:
        return torch.device("cpu") if self.trainer is None else self.trainer.strategy.root_device


@final
class Batches(Iterable[Batch]):
    """Batches of one split in fixed order; see `DataModule.batches`.

    Args:
        data: the data set.
        split: ``train``, ``val`` or ``test``.
        device: where the batches are made.
        limit: number of batches, None for all.
    """

    def __init__(self, data: DataModule, split: str, device: torch.device, limit: int | None) -> None:
        self.data = data
        self.split = split
        self.device = device
        num = len(data.arrays(split))
        self.order = Order(num, data.eval_batch_size, data.seed, False, limit=limit)

    def __len__(self) -> int:
        """Number of batches."""
        return len(self.order)

    def __iter__(self) -> Iterator[Batch]:
        """Fetches one batch after another, each time with the same noise."""
        noise = generator(0, device=self.device)
        finish = self.data.finish(self.split, self.device, noise)
        for indices in self.order.batches(epoch=0):
            yield finish(Rows.of(self.data.arrays(self.split).rows(indices.numpy())))
