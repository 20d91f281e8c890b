"""A user's own data: ``data=arrays data.path=x.npz``.

Shapes: n = data, F = factors.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from typing_extensions import override

from elbolab.batch import Spec, Support
from elbolab.common.refusal import Refusal, change
from elbolab.data.binarize import binarize_spec, binarize_splits, check_binarize
from elbolab.data.contents import CHOICES, Contents, read_contents
from elbolab.data.module import DataModule
from elbolab.data.standardise import choose_scaling, standardise_splits
from elbolab.reading.options import check_names, check_number, check_whole
from elbolab.reading.splits import Splits, split_at_random
from elbolab.reading.tables import Columns
from elbolab.reading.values import choose_support, measure_values

warn = rank_zero_only(logging.getLogger(__name__).warning)


@final
class OwnArrays(DataModule):
    """Images or vectors of a file or folder; the README beside this file says which are read, and as what.

    Names say what an array is, and values what they are: only 0 and 1 are binary, integers from 0 to 255 are grey
    levels, which ``binarize`` may turn into binary data, floats from 0 to 1 lie in the unit interval, and others on the
    real line. All splits have one type and one scale.

    Args:
        path: the file or folder.
        val_fraction: part of the data, or of ``train`` where there is no ``val``, that validates.
        test_fraction: part of the data, or of ``train`` where there is no ``test``, that tests.
        split_seed: seed of the splits that are not the file's own.
        binarize: ``none``, or ``dynamic``, ``fixed`` or ``threshold`` for grey levels; see `elbolab.data.binarize`.
        binarize_seed: seed of data that are binarised once.
        standardise: subtract from each column of real-valued vectors (each channel of images) the mean of the training
            data, and divide by their standard deviation; the spec keeps both. Nats stay in the units of the file.
        channels: where images have their channels, ``first``, ``last``, or ``auto`` to tell by the sizes of the axes.
        labels: of a table, the column of class labels; ``none`` where a column that is called so is data.
        factors: of a table, columns of ground-truth factors.
        conditions: of a table, columns of conditions for ``given=own``, numbers as they are, text as one-hot vectors.
        ignore: arrays of a file, or columns of a table, that are left out.
        keep: of a table, columns that are data though they are called ``class``, ``id`` or ``fold``, say.
        base: arguments of `DataModule`.
    """

    def __init__(
        self,
        path: str | Path,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        split_seed: int = 0,
        binarize: str = "none",
        binarize_seed: int = 777,
        standardise: bool = False,
        channels: str = "auto",
        labels: str | None = None,
        factors: Sequence[str] | None = None,
        conditions: Sequence[str] | None = None,
        ignore: Sequence[str] | None = None,
        keep: Sequence[str] | None = None,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        check_binarize(binarize, binarize_seed)
        if channels not in CHOICES:
            raise ValueError(f"data.channels={channels}: choose {', '.join(CHOICES)}")
        if conditions and base.get("given") != "own":
            raise Refusal(f"data.conditions={list(conditions)} has no effect", change("data.given", "own"))
        check_whole(0, split_seed=split_seed)
        check_number(0, 1, val_fraction=val_fraction, test_fraction=test_fraction)
        if min(val_fraction, test_fraction) == 0 or val_fraction + test_fraction >= 1:
            fractions = f"data.val_fraction={val_fraction}, data.test_fraction={test_fraction}"
            raise ValueError(f"{fractions}: both are positive and leave something to train on")
        self.path = Path(str(path)).expanduser()  # a folder may be called 5, which YAML takes for a number
        self.val_fraction, self.test_fraction, self.split_seed = val_fraction, test_fraction, split_seed
        self.binarize, self.binarize_seed = binarize, binarize_seed
        self.standardise, self.channels = standardise, channels
        self.columns = Columns(
            None if labels is None else str(labels),
            check_names("factors", factors),
            check_names("conditions", conditions),
            check_names("ignore", ignore),
            check_names("keep", keep),
        )

    @override
    def header(self) -> Spec:
        support, levels = self._range
        spec = self._contents.spec._replace(support=support, levels=levels)
        if self.binarize != "none" and levels != 256:
            hint = ", which numpy.rint(255 * x) as uint8 would be" * (support is Support.UNIT)
            reason = f"only integers from 0 to 255 are binarised{hint}, and these are {support.words}"
            raise Refusal(f"data.binarize={self.binarize}: {reason}", change("data.binarize", "none"))
        if (unscaled := self.unscaled()) is not None:
            spec = spec._replace(scaling=choose_scaling(unscaled.train, f"data.path={self.path}", spec.columns))
        return binarize_spec(self.binarize, spec)

    @override
    def load(self) -> Splits:
        scaling = self._header.scaling
        splits = self._unscaled if scaling is None else standardise_splits(self._unscaled, scaling)
        return binarize_splits(self.binarize, splits, self.binarize_seed)

    @override
    def unscaled(self) -> Splits | None:
        if not self.standardise:
            return None
        return self._unscaled._replace(train=self._unscaled.train.select(slice(self.train_limit)))

    @cached_property
    def _unscaled(self) -> Splits:
        """The splits in the units of the file; those that it does not have are cut from the others.

        Test data are cut also where there are validation data alone, which have been chosen on.
        """
        _, levels = self._range
        there = {}
        for split, arrays in self._contents.arrays.items():  # integers and bits as bytes, floats as they are
            x = arrays.x if levels is None or arrays.x.dtype == np.uint8 else np.asarray(arrays.x, dtype=np.uint8)
            there[split] = replace(arrays, x=x, levels=levels)
        whole = there.pop("train" if "train" in there else "")
        if len(there) == 2:
            return Splits(whole, **there)
        fractions = {"val": self.val_fraction, "test": self.test_fraction}
        val_size, test_size = (
            0 if split in there else max(1, round(len(whole) * part)) for split, part in fractions.items()
        )
        if "val" in there:
            warn("data.path=%s has no test data: %d of train are held out to test", self.path, test_size)
        return split_at_random(whole, val_size, test_size, self.split_seed)._replace(**there)

    @cached_property
    def _contents(self) -> Contents:
        return read_contents(self.path, self.columns, self.channels)

    @cached_property
    def _range(self) -> tuple[Support, int | None]:
        """Support and levels. Looks at every value before the data are split, so that messages name the file's rows."""
        where = f"data.path={self.path}"
        arrays, names, _ = self._contents
        values = [measure_values(names[split], part, where, self.standardise) for split, part in arrays.items()]
        return choose_support(values, where, standardise=self.standardise)
