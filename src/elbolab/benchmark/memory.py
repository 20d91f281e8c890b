"""Peak memory, in 10^6 bytes.

On a CUDA device: tensors allocated there at once, resident data, weights and activations, counted from the contender's
set-up on. On Linux: the largest resident set of the whole process (interpreter, libraries and whatever other
contenders have left behind included) since its set-up, so that only differences between contenders mean something;
worker processes of a loader are not counted.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

MEGABYTE = 1e6
STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""What Linux reads as: set VmHWM, the peak, to the memory held now (man 5 proc)."""


@contextmanager
def collecting_only_new() -> Iterator[None]:
    """Spares garbage collections what exists already: a tenth of a second and more, before every measurement."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def reset_peak(device: torch.device) -> bool:
    """Frees what can be freed and starts anew; whether there is a peak to be read."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        return True
    try:
        CLEAR.write_text(RESET_PEAK, encoding="utf-8")
    except OSError:
        return False
    return STATUS.is_file()


def read_peak(device: torch.device) -> float:
    """The peak since `reset_peak`."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / MEGABYTE
    fields = dict(line.split(":", 1) for line in STATUS.read_text(encoding="utf-8").splitlines())
    return int(fields["VmHWM"].split()[0]) * 1024 / MEGABYTE
