"""Four binary images of 2 x 2 pixels, each with one pixel that is 1 (Mescheder et al. 2017, section 6.1)."""

from typing import Any, final

import numpy as np
from typing_extensions import override

from elbolab.batch import Spec, Support, name_by_number
from elbolab.data.module import DataModule
from elbolab.reading.options import check_whole
from elbolab.reading.splits import Arrays, Splits

NUM = 4
"""Images that there are; a datum's label is the number of its pixel."""


@final
class FourPoints(DataModule):
    """Every image equally often, in turn: no model can have a log-likelihood above -log 4.

    Args:
        train_size: number of training data, and so ``val_size`` and ``test_size``.
        base: arguments of `DataModule`.
    """

    def __init__(self, train_size: int = 4000, val_size: int = 400, test_size: int = 400, **base: Any) -> None:
        super().__init__(**base)
        check_whole(1, train_size=train_size, val_size=val_size, test_size=test_size)
        self.sizes = train_size, val_size, test_size

    @override
    def header(self) -> Spec:
        return Spec((1, 2, 2), Support.BINARY, levels=2, classes=name_by_number(NUM))

    @override
    def load(self) -> Splits:
        return Splits(*(draw_in_turn(size) for size in self.sizes))


def draw_in_turn(num: int) -> Arrays:
    """``num`` images with their labels."""
    y = np.arange(num) % NUM
    return Arrays(np.eye(NUM, dtype=np.uint8)[y].reshape(num, 1, 2, 2), y, levels=2)
