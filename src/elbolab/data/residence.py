"""Whether data can live on a device."""

import os
from pathlib import Path

import torch

from elbolab.data.splits import Arrays

SHARE = 0.5
"""Share of the free memory that data may take; the rest is for the model and its samples."""
MEMINFO = Path("/proc/meminfo")


def resides(arrays: Arrays, device: torch.device, wish: bool | str) -> bool:
    """Whether a split is kept on ``device`` (True) or streamed (False).

    Args:
        arrays: the split.
        device: where batches are needed.
        wish: ``auto`` to look at the free memory, or the answer.
    """
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
