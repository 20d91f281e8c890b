"""Grey 28 x 28 pictures of 10 classes in the files of MNIST and its relatives."""

from abc import ABC, abstractmethod
from typing import Any, final

from elbolab.batch import Spec, Support, numbered
from elbolab.data.binarize import binarized, binarized_spec, check_binarize
from elbolab.data.module import DataModule
from elbolab.data.options import check_whole
from elbolab.data.splits import Arrays, Splits

BOUNDS = {"standard": (50_000, 50_000), "burda": (59_600, 59_600), "all": (60_000, 50_000)}
"""Where the training data end and where the validation data, which end at 60,000, begin."""


class MNISTLike(DataModule, ABC):
    """60,000 + 10,000 grey pictures, 28 x 28, of 10 classes; the last 10,000 are the test set.

    Args:
        split: ``standard`` trains on the first 50,000 and validates on the next 10,000; ``burda`` on 59,600 and 400
            (Burda, Grosse and Salakhutdinov 2016); ``all`` trains on all 60,000 and validates on the last 10,000 of
            them, which are training data: for PCA and other fits that need no validation. None sees the test set.
        binarize: ``dynamic``, ``fixed``, ``threshold`` or ``none`` for grey values; see `elbolab.data.binarize`.
        binarize_seed: seed of data that are binarised once, apart from the run's seed; 777 as Tomczak and Welling
            (2018) used.
        base: arguments of `DataModule`.

    Raises:
        ValueError: an unknown split or binarisation; on reading, a missing or corrupt file.

    Attributes:
        classes: what the labels 0 to 9 stand for.
    """

    classes = numbered(10)

    def __init__(
        self, split: str = "standard", binarize: str = "dynamic", binarize_seed: int = 777, **base: Any
    ) -> None:
        super().__init__(**base)
        check_binarize(binarize)
        check_whole(0, binarize_seed=binarize_seed)
        if split not in BOUNDS:
            raise ValueError(f"data.split={split}: choose {', '.join(BOUNDS)}")
        self.split = split
        self.binarize = binarize
        self.binarize_seed = binarize_seed

    @abstractmethod
    def read(self, part: str) -> Arrays:
        """Pictures (n, 1, 28, 28) in 256 levels and labels of ``train`` or ``t10k``, as the files name them."""

    @final
    def header(self) -> Spec:
        """One channel, 28 x 28, binary unless grey values are asked for."""
        return binarized_spec(self.binarize, Spec((1, 28, 28), Support.UNIT, levels=256, classes=self.classes))

    @final
    def load(self) -> Splits:
        """Reads, splits and binarises."""
        train, test = self.read("train"), self.read("t10k")
        train_end, val_start = BOUNDS[self.split]
        splits = Splits(train.rows(slice(train_end)), train.rows(slice(val_start, None)), test)
        return binarized(self.binarize, splits, self.binarize_seed)
