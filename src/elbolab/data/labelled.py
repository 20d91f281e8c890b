"""Semi-supervised data: a few data with labels, and batches of pairs.

Shapes: n = data, C = classes, L = labelled data in a batch of one device, B = other data in it, W = ranks, N = steps an
epoch on one rank.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from elbolab.batch import Batch, Semi, Spec
from elbolab.common.refusal import Refusal, change
from elbolab.common.rng import training_generator
from elbolab.data.blocks import Order, Ordering
from elbolab.data.fetch import Finish, Rows

DEFAULT_SIZE = 100
"""Labelled data in a batch where there are as many."""
STREAM = 1
"""Tells the permutations of labelled data from those of all data."""


def check_labelling(num: int | None, batch_size: int | None, spec: Spec, name: str) -> None:
    """Raises ValueError where ``num`` labelled data, ``batch_size`` of them in a batch, cannot be had of such data."""
    if num is None:
        if batch_size is not None:
            raise Refusal(f"data.labelled_batch_size={batch_size} has no effect", change("data.num_labelled", 100))
        return
    if spec.num_classes is None:
        raise Refusal(f"data.num_labelled={num}, but {name} has no labels", change("data.num_labelled", None))
    if spec.given:
        why = "a semi-supervised model finds the labels in its batches, and data without labels have no conditions"
        raise Refusal(f"data.num_labelled={num}: {why}", change("data.given", "none"))
    if num % spec.num_classes:
        below = num - num % spec.num_classes
        sizes = " or ".join(str(size) for size in (below, below + spec.num_classes) if size)
        why = f"{spec.num_classes} classes have equally many labelled data each"
        raise ValueError(f"data.num_labelled={num}: {why}; choose {sizes}")


def choose_labelled(y: np.ndarray, classes: tuple[str, ...], num: int, seed: int) -> np.ndarray:
    """Indices (num,), in ascending order, of a subset that has equally many data of each class.

    It depends on the data and on ``seed`` alone; a larger one of the same seed contains it. Its streams are named by
    the seed and the class, without a purpose: the published results on 100 labels are of these choices.
    """
    each, counts = num // len(classes), np.bincount(y, minlength=len(classes))
    rarest = classes[counts.argmin()]
    if counts.min() == 0:
        fix = "leave its data out, or give the training split some"
        raise ValueError(f"data.num_labelled={num}: class {rarest} has no data in the training split: {fix}")
    if counts.min() < each:
        there = f"class {rarest} has {counts.min()} in the training split: choose at most {counts.min() * len(classes)}"
        raise ValueError(f"data.num_labelled={num} takes {each} data of each class, and {there}")
    rngs = (np.random.default_rng((seed, k)) for k in range(len(classes)))
    return np.sort(np.concatenate([rng.permutation(np.flatnonzero(y == k))[:each] for k, rng in enumerate(rngs)]))


@final
@dataclass(frozen=True)
class PairedOrder(Ordering):
    """Every step of an order with L labelled data behind its own.

    The labelled data come from permutations of all of them, one behind the other without end, of which a step takes the
    next L * W and every rank an equal part: all are used equally often, and W ranks step as one process with L * W. The
    place in this stream is the number of steps since training began, full epochs taken. ``labelled`` are their indices
    among all data, and ``size`` is L.
    """

    order: Order
    labelled: np.ndarray
    size: int

    @override
    def __len__(self) -> int:
        return len(self.order)

    @override
    def positions(self) -> list[int]:
        return self.order.positions()

    @override
    def batches(self, epoch: int, device: torch.device | str = "cpu") -> list[Tensor]:
        """Indices of each batch of one epoch, N tensors (B + L,), the labelled data at the end."""
        num, steps, each = len(self.labelled), len(self), self.size * self.order.world
        start = epoch * steps * each
        permutations = range(start // num, -(-(start + steps * each) // num))
        parts = [torch.randperm(num, generator=training_generator(self.order.seed, k, STREAM)) for k in permutations]
        stream = torch.cat(parts)[start % num :][: steps * each].view(steps, self.order.world, self.size)
        labelled = torch.from_numpy(self.labelled)[stream[:, self.order.rank]].to(device)
        return [torch.cat(parts) for parts in zip(self.order.batches(epoch, device), labelled, strict=True)]


@final
class FinishPair:
    """Stored rows, of which the last L are labelled -> a semi-supervised batch, by work of the device alone.

    Args:
        finish: stored rows -> batch.
        size: labelled data in a batch, L.
        share: labelled data per training datum.
    """

    def __init__(self, finish: Finish, size: int, share: float) -> None:
        self.finish, self.device = finish, finish.device
        self.size, self.share = size, share

    def __call__(self, rows: Rows) -> Semi:
        """Finishes all together, so that each use of a datum has noise of its own, and forgets the others' labels."""
        x, _, y, factors = self.finish(rows)
        assert y is not None
        factors = None if factors is None else factors[-self.size :]
        labelled = Batch(x[-self.size :], y=y[-self.size :], factors=factors)
        return Semi.of(labelled, Batch(x[: -self.size]), self.share)
