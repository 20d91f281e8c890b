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
from typing_extensions import override

from elbolab.batch import Batch, Pace, Spec, name_by_number, shorten
from elbolab.common.refusal import Refusal, change
from elbolab.common.rng import generator
from elbolab.data.blocks import BlockLoader, Loader, Order, Ordering
from elbolab.data.fetch import Finish, Rows
from elbolab.data.fingerprint import Fingerprint, compute_fingerprint
from elbolab.data.given import choose_given, take_apart
from elbolab.data.labelled import DEFAULT_SIZE, FinishPair, PairedOrder, check_labelling, choose_labelled
from elbolab.data.stream import StreamLoader, is_resident
from elbolab.reading.options import check_whole
from elbolab.reading.splits import Arrays, Splits
from elbolab.reading.values import check_splits


class DataModule(L.LightningDataModule, ABC):
    """A data set that yields blocks of batches; constructing it reads nothing.

    A data set of your own says what its data are and where the arrays come from, and that is all:

    >>> import numpy as np
    >>> from elbolab.batch import Spec, Support
    >>> from elbolab.reading.splits import Arrays, Splits
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
        given: what the model is conditioned on: ``none``; ``labels`` as one-hot vectors; ``factors``, one-hot too;
            ``own``, the conditions that the data bring along; or ``quadrants`` of an image; see `elbolab.data.given`.
        quadrants: how many quarters of an image are seen with ``given=quadrants``, 1, 2 or 3; the others are the data.
        resident: ``auto`` keeps the data on the device where they fit into half its free memory and streams them
            otherwise; true or false insists.
        num_workers: processes that gather streamed data; resident data need none.
        root: folder of the data files; None for this user's cache folder. Embedded and generated data need none.
        train_limit: use the first so many training data only; None for all.
        num_labelled: semi-supervised training on so many labelled data, equally many of each class; None for all data
            as they are. The training loader then yields `Semi`; other loaders yield `Batch`, labels included.
        label_seed: seed of the choice of labelled data, which depends on it and on the data alone.
        labelled_batch_size: labelled data in a training batch on each device, L; None for 100, or all where they are
            fewer.

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
        quadrants: int | None = None,
        resident: bool | str = "auto",
        num_workers: int = 0,
        root: str | Path | None = None,
        train_limit: int | None = None,
        num_labelled: int | None = None,
        label_seed: int = 0,
        labelled_batch_size: int | None = None,
    ) -> None:
        super().__init__()
        check_whole(1, batch_size=batch_size, eval_batch_size=eval_batch_size, train_limit=train_limit)
        check_whole(1, num_labelled=num_labelled, labelled_batch_size=labelled_batch_size)
        check_whole(0, seed=seed, num_workers=num_workers, label_seed=label_seed)
        if resident != "auto" and not isinstance(resident, bool):
            raise ValueError(f"data.resident={resident}: choose auto, true or false")
        self.batch_size = self.batch_size_asked = batch_size
        self.eval_batch_size, self.seed, self.resident, self.num_workers = eval_batch_size, seed, resident, num_workers
        self.given, self.root, self.train_limit = choose_given(given, quadrants), root, train_limit
        self.num_labelled, self.label_seed, self.labelled_batch_size = num_labelled, label_seed, labelled_batch_size
        self._labelled_size = labelled_batch_size or min(num_labelled or 0, DEFAULT_SIZE)
        self.pace = Pace()
        self._rows: dict[tuple[str, torch.device], Rows] = {}

    @abstractmethod
    def header(self) -> Spec:
        """What the data are as they are stored, from constants or a file's header.

        Its ``given`` are the shapes of the conditions that the data bring along, `Arrays.given`.
        """

    @abstractmethod
    def load(self) -> Splits:
        """Reads the three splits, memory-mapped where they are large."""

    @final
    @cached_property
    def spec(self) -> Spec:
        """What a model must know of the data; raises ValueError where they have not what conditions or labels ask."""
        spec = self.given.spec(self._header, type(self).__name__)
        check_labelling(self.num_labelled, self.labelled_batch_size, spec, type(self).__name__)
        return spec

    @final
    @cached_property
    def _header(self) -> Spec:
        return self.header()

    @final
    @cached_property
    def splits(self) -> Splits:
        """The arrays, read and checked once; a batch holds no more than all training data."""
        splits = self.load()
        if self.train_limit is not None:
            splits = splits._replace(train=splits.train.select(slice(self.train_limit)))
        check_splits(splits, self._header)
        self.batch_size = min(self.batch_size, len(splits.train))
        return splits

    @final
    @property
    def full_spec(self) -> Spec:
        """The spec with the number of training data, for which they are read."""
        return self.spec._replace(num_train=len(self.splits.train))

    @final
    def arrays(self, split: str) -> Arrays:
        """One split, ``train``, ``val`` or ``test``, or the ``labelled`` part of the first, as it is stored.

        Raises:
            ValueError: there is no such split, or no part of ``train`` is labelled more than the rest.
        """
        if split == "labelled":
            which = self._which_labelled
            return self.splits.train.select(which)
        if split not in Splits._fields:
            raise ValueError(f"no split {split!r}: choose {', '.join(Splits._fields)}")
        return self.splits._asdict()[split]

    @final
    @property
    def steps_per_epoch(self) -> int:
        """Training steps of one epoch on each rank, after limits."""
        return len(self._training_order())

    @final
    @override
    def train_dataloader(self) -> Loader:
        order, finish = self._training_order(), self.finish("train", self._device())
        if self.num_labelled is None:
            return self._loader("train", order, finish)
        share = self.num_labelled / len(self.splits.train)
        return self._loader("train", order, FinishPair(finish, self._labelled_size, share))

    @final
    @override
    def val_dataloader(self) -> Loader:
        return self._evaluation_loader("val", self.pace.limit_val)

    @final
    @override
    def test_dataloader(self) -> Loader:
        return self._evaluation_loader("test", None)

    @final
    def batches(self, split: str, device: torch.device | str = "cpu", limit: int | None = None) -> "Batches":
        """All batches of a split, on one process, in fixed order and the same at every iteration.

        Args:
            split: ``train``, ``val``, ``test`` or ``labelled``, the training data whose labels a semi-supervised model
                sees; binary training data are drawn once, from a seed of their own.
            device: where the batches are made.
            limit: number of batches, None for all.
        """
        return Batches(self, split, torch.device(device), limit)

    @final
    def spread(self, num: int, device: torch.device, world: int = 1, rank: int = 0) -> Iterator[Batch]:
        """At most ``num`` training data, at equal distances over all of them, in batches: this rank's part."""
        arrays = self.arrays("train")
        finish = self.finish("train", device, generator("spread data", rank, device=device))
        count = min(num, len(arrays))
        chosen = np.arange(count) * len(arrays) // count
        for start in range(rank * self.eval_batch_size, count, world * self.eval_batch_size):
            yield finish(Rows.of(arrays.rows(chosen[start : start + self.eval_batch_size])))

    @final
    def train_mean(self) -> Tensor:
        """Mean of the training data as models see them, in the shape and scale of the spec's ``x``."""
        train = self.splits.train
        total = sum(x.sum(0, dtype=np.float64) for x in train.chunks())
        scale = 1 if train.levels is None else train.levels - 1
        mean = torch.as_tensor(total / (scale * len(train)), dtype=torch.get_default_dtype())
        return mean if self.spec.canvas is None else take_apart(self.spec.canvas, mean[None])[0][0]

    @final
    @cached_property
    def fingerprint(self) -> Fingerprint:
        """What tells these data from others; reads them, 0.1 s for MNIST."""
        return compute_fingerprint(self.splits, torch.empty(0).numpy().dtype, self.unscaled())

    def unscaled(self) -> Splits | None:
        """The splits as their file has them, before `load` standardises them; None where it does not."""
        return None

    @final
    def describe(self) -> str:
        """A line for people, and below it what is unusual of the data."""
        sizes = " / ".join(f"{len(arrays):,}" for arrays in self.splits)
        spec, classes, y = self.spec, self.spec.classes, self.splits.train.y
        levels = "" if spec.levels is None else f", {spec.levels} levels"
        given = "".join(f", given {shape}" for shape in spec.given)
        few = "" if self.num_labelled is None else f", {self.num_labelled:,} labelled"
        scaled = "" if spec.scaling is None else ", standardised"
        named = "" if classes == name_by_number(len(classes)) else f" ({shorten(classes)}, in this order)"
        counted = f", {len(classes)} class{'es' * (len(classes) > 1)}{named}" if classes else ""
        columns = f" ({shorten(spec.columns)})" if spec.columns else ""
        line = f"{type(self).__name__}: {sizes} data of shape {spec.x}{columns}, {spec.support}{scaled}{levels}"
        lines, num = [f"{line}{counted}{few}{given}"], len(self.splits.train)
        if self.batch_size_asked > num:
            asked = f"data.batch_size={self.batch_size_asked}"
            lines.append(f"{asked} is more than the {num} training data: every step sees all of them")
        absent: np.ndarray | list = [] if y is None else np.flatnonzero(np.bincount(y, minlength=len(classes)) == 0)
        if len(absent):
            lines.append(f"no training datum is of class {shorten([classes[k] for k in absent])}")
        return "\n".join(lines)

    @final
    def finish(self, split: str, device: torch.device, noise: torch.Generator | None = None) -> Finish:
        """What makes batches of stored rows; binary draws come from ``noise``, None for the device's own generator."""
        return Finish(self.arrays(split), self.given.on(self._header, device), device, noise)

    @final
    def rows(self, split: str, device: torch.device) -> Rows:
        """A split on a device, copied there once."""
        if (split, device) not in self._rows:
            self._rows[split, device] = Rows.of(self.arrays(split)).to(device)
        return self._rows[split, device]

    def _loader(self, split: str, order: Ordering, finish: Finish | FinishPair) -> Loader:
        arrays, device = self.arrays(split), self._device()
        if not is_resident(arrays, device, self.resident):
            return StreamLoader(order, self.pace.block, arrays, finish, self.num_workers)
        rows = self.rows(split, device)
        return BlockLoader(order, self.pace.block, lambda indices: finish(rows.select(indices)), device)

    @cached_property
    def _which_labelled(self) -> np.ndarray:
        """Which training data are labelled, (num_labelled,) indices."""
        classes = self.spec.classes  # says first what cannot be had
        if self.num_labelled is None:
            raise Refusal("no training data are labelled more than others", change("data.num_labelled", 100))
        y = self.splits.train.y
        assert y is not None
        return choose_labelled(y, classes, self.num_labelled, self.label_seed)

    def _training_order(self) -> Ordering:
        world, rank = self._ranks()
        order = Order(len(self.splits.train), self.batch_size, self.seed, True, world, rank, self.pace.limit_train)
        if self.num_labelled is None:
            return order
        return PairedOrder(order, self._which_labelled, self._labelled_size)

    def _evaluation_loader(self, split: str, limit: int | None) -> Loader:
        """At least one batch for every rank, where there are as many data: a rank without any would be waited for."""
        (world, rank), num = self._ranks(), len(self.arrays(split))
        batch_size = min(self.eval_batch_size, max(1, num // world))
        limit = None if limit is None else max(limit, world)
        order = Order(num, batch_size, self.seed, False, world, rank, limit)
        return self._loader(split, order, self.finish(split, self._device()))

    def _ranks(self) -> tuple[int, int]:
        return (1, 0) if self.trainer is None else (self.trainer.world_size, self.trainer.global_rank)

    def _device(self) -> torch.device:
        return torch.device("cpu") if self.trainer is None else self.trainer.strategy.root_device


@final
class Batches(Iterable[Batch]):
    """Batches of one split in fixed order; see `DataModule.batches`, which has the same arguments."""

    def __init__(self, data: DataModule, split: str, device: torch.device, limit: int | None) -> None:
        self.data, self.split, self.device = data, split, device
        self.arrays = data.arrays(split)
        self.order = Order(len(self.arrays), data.eval_batch_size, data.seed, False, limit=limit)

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[Batch]:
        noise = generator("evaluated data", device=self.device)
        finish = self.data.finish(self.split, self.device, noise)
        for indices in self.order.batches(epoch=0):
            yield finish(Rows.of(self.arrays.rows(indices.numpy())))
