"""One datum, as often as a batch is to have draws of its latents."""

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from typing_extensions import override

from elbolab.batch import Spec, Support
from elbolab.data.module import DataModule
from elbolab.reading.options import check_whole
from elbolab.reading.splits import Arrays, Splits


@final
class Observation(DataModule):
    """The same real numbers, over and over: the evidence of variational inference about a single datum.

    Args:
        x: the numbers.
        train_size: number of training data, and so ``val_size`` and ``test_size``.
        base: arguments of `DataModule`.
    """

    def __init__(
        self, x: Sequence[float], train_size: int = 20000, val_size: int = 2000, test_size: int = 2000, **base: Any
    ) -> None:
        super().__init__(**base)
        if len(x) == 0:
            raise ValueError("data.x=[]: at least one number")
        check_whole(1, train_size=train_size, val_size=val_size, test_size=test_size)
        self.x, self.sizes = np.asarray(x, np.float32), (train_size, val_size, test_size)

    @override
    def header(self) -> Spec:
        return Spec((len(self.x),), Support.REAL)

    @override
    def load(self) -> Splits:
        return Splits(*(Arrays(np.tile(self.x, (size, 1)), None) for size in self.sizes))
