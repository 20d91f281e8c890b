"""The UCI digits that scikit-learn carries."""

from typing import Any, final

import numpy as np
from typing_extensions import override

from elbolab.batch import Spec, Support, name_by_number
from elbolab.data.binarize import binarize_spec, binarize_splits, check_binarize
from elbolab.data.module import DataModule
from elbolab.reading.options import check_whole
from elbolab.reading.splits import Arrays, Splits, split_at_random


@final
class Digits(DataModule):
    """1,797 handwritten digits, 8 x 8, in 17 grey levels (Alpaydin and Kaynak 1998): 1,297 / 200 / 300.

    Args:
        binarize: ``dynamic``, ``fixed``, ``threshold`` or ``none`` for grey values; see `elbolab.data.binarize`.
        binarize_seed: seed of data that are binarised once.
        split_seed: seed of the splits.
        base: arguments of `DataModule`.
    """

    def __init__(self, binarize: str = "dynamic", binarize_seed: int = 777, split_seed: int = 0, **base: Any) -> None:
        super().__init__(**base)
        check_binarize(binarize, binarize_seed)
        check_whole(0, split_seed=split_seed)
        self.binarize, self.binarize_seed, self.split_seed = binarize, binarize_seed, split_seed

    @override
    def header(self) -> Spec:
        return binarize_spec(self.binarize, Spec((1, 8, 8), Support.UNIT, levels=17, classes=name_by_number(10)))

    @override
    def load(self) -> Splits:
        from sklearn.datasets import load_digits

        digits = load_digits()
        grey = Arrays(digits.images[:, None].astype(np.uint8), digits.target, levels=17)
        return binarize_splits(self.binarize, split_at_random(grey, 200, 300, self.split_seed), self.binarize_seed)
