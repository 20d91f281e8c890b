"""Data that do not fit the device: whether they do, and blocks gathered from CPU arrays by a `DataLoader`.

Shapes: n = data, K = batches in a block.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from typing_extensions import override

from elbolab.common.rng import generator
from elbolab.data.blocks import Block, Loader, Ordering
from elbolab.data.fetch import Finish, Rows
from elbolab.data.labelled import FinishPair
from elbolab.reading.splits import Arrays

SHARE = 0.5
"""Share of the free memory that data may take; the rest is for the model and its samples."""
MEMINFO = Path("/proc/meminfo")


def is_resident(arrays: Arrays, device: torch.device, wish: bool | str) -> bool:
    """Whether a split is kept on ``device`` (True) or streamed (False): ``auto`` looks at the free memory."""
    if isinstance(wish, bool):
        return wish
    in_ram = device.type == "cpu" and not arrays.on_disk
    return in_ram or arrays.nbytes <= SHARE * free_memory(device)


def free_memory(device: torch.device) -> int:
    """Bytes that can be had on ``device``."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if MEMINFO.is_file():
        fields = dict(line.split(":") for line in MEMINFO.read_text(encoding="utf-8").splitlines())
        return int(fields["MemAvailable"].split()[0]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@final
class StreamLoader(Loader):
    """The same blocks in the same order as a `BlockLoader`, read ahead by workers, or without any in this process."""

    def __init__(
        self, order: Ordering, block: int, arrays: Arrays, finish: Finish | FinishPair, num_workers: int
    ) -> None:
        super().__init__(order, block, "cpu")
        self.finish = finish
        self._batches: list[list[int]] = []  # of one epoch; the workers that read it stay for the next
        self._loader: DataLoader = DataLoader(
            RowGatherer(arrays),
            batch_size=None,
            sampler=self._batches,
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            pin_memory=torch.device(finish.device).type == "cuda",
            generator=generator("loader"),  # a DataLoader draws from it; not from the noise of training
        )

    @override
    def blocks(self, batches: list[Tensor], positions: list[int]) -> Iterator[Block]:
        self._batches[:] = [indices.tolist() for indices in batches]
        reader = _Reader(iter(self._loader))
        for start in range(0, len(batches), self.block):
            items = range(start, min(start + self.block, len(batches)))
            yield Block(items, self.finish, positions[start : items.stop], read=reader)


@final
class RowGatherer(Dataset):
    """Rows of the arrays, a whole batch at once."""

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays

    @override
    def __getitem__(self, indices: list[int]) -> Rows:
        return Rows.of(self.arrays.rows(np.asarray(indices)))


class _Reader:
    """The n-th batch of an iterator; the latest may be asked for again, and batches may be left out."""

    def __init__(self, rows: Iterator[Rows]) -> None:
        self.rows = enumerate(rows)
        self.number, self.latest = next(self.rows)

    def __call__(self, number: int) -> Rows:
        assert number >= self.number, "a streamed batch is fetched in order"
        while self.number < number:
            self.number, self.latest = next(self.rows)
        return self.latest
