"""What each worker has of the machine: threads, cores and GPUs, so that jobs do not fight for them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

VISIBLE = "CUDA_VISIBLE_DEVICES"

T = TypeVar("T")


class Share(NamedTuple):
    """A worker's part of the machine."""

    cores: list[int]  # numbers of the cores that it is kept to; empty where it is kept to none
    environment: dict[str, str]  # variables that must be set before torch is imported


def share_machine(workers: int | None, threads: int | None, jobs_per_gpu: int | None, *, pin: bool) -> list[Share]:
    """A share for each worker; the arguments are those of `hydra_plugins.elbolab.local`.

    As many threads as there are cores keep workers from each other's way. Where others use the machine too, no worker
    should be kept to one core: on one that another process held, a pinned worker stood still while its neighbour did
    eleven jobs.

    Raises:
        ValueError: a number below 1, two numbers of workers, or no GPU to put jobs on.
    """
    for name, number in (("workers", workers), ("threads", threads), ("jobs_per_gpu", jobs_per_gpu)):
        if number is not None and number < 1:
            raise ValueError(f"hydra.launcher.{name}={number}: give at least 1")
    gpus, all_cores = visible_gpus(), usable_cores()
    if jobs_per_gpu is not None:
        if workers is not None:
            raise ValueError("hydra.launcher: give workers or jobs_per_gpu, not both")
        if not gpus:
            raise ValueError(f"hydra.launcher.jobs_per_gpu={jobs_per_gpu}: there is no GPU here; give workers instead")
        workers = jobs_per_gpu * len(gpus)
    num, shares = workers or 1, []
    for i in range(num):
        cores = part(all_cores, i, num)
        environment = {"OMP_NUM_THREADS": str(threads or os.environ.get("OMP_NUM_THREADS") or max(len(cores), 1))}
        if gpus and num > 1:  # one worker has them all
            environment[VISIBLE] = ",".join(part(gpus, i, num))
        shares.append(Share(cores if pin else [], environment))
    return shares


def part(things: Sequence[T], i: int, workers: int) -> list[T]:
    """Part ``i`` of as many as there are workers; where there are more workers than things, one thing in turn."""
    if workers > len(things):
        return [things[i % len(things)]] if things else []
    return list(things[i * len(things) // workers : (i + 1) * len(things) // workers])


def usable_cores() -> list[int]:
    """The cores that this process may use; empty where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []


def visible_gpus() -> list[str]:
    """As ``CUDA_VISIBLE_DEVICES`` names them, without importing torch."""
    if VISIBLE in os.environ:
        return [name for name in os.environ[VISIBLE].split(",") if name.strip()]
    command = shutil.which("nvidia-smi")
    if command is None:
        return []
    options = {"capture_output": True, "encoding": "utf-8", "errors": "replace", "timeout": 30}
    listing = subprocess.run([command, "-L"], check=False, **options).stdout  # type: ignore[call-overload]
    return [str(i) for i, _ in enumerate(line for line in listing.splitlines() if line.startswith("GPU "))]
