"""Measuring side by side: every rank takes its share of the data, and all of them learn every result."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

Item = TypeVar("Item")


def world_and_rank() -> tuple[int, int]:
    """Number of ranks and this one's number; (1, 0) outside a distributed run."""
    return (dist.get_world_size(), dist.get_rank()) if dist.is_available() and dist.is_initialized() else (1, 0)


def share_out(measure: Callable[[int, Item], dict[str, Tensor]], items: Iterable[Item]) -> dict[str, Tensor]:
    """What ``measure`` (number, item) finds of every datum of every item, in order; item i is rank i % world's.

    Args:
        measure: (number of the item, item) -> values per datum by name, (G,) each.
        items: groups of data, the same on every rank.
    """
    world, rank = world_and_rank()
    found = {i: measure(i, item) for i, item in enumerate(items) if i % world == rank}
    if world > 1:  # results travel by pickle, which takes tensors of the CPU
        parts: list[dict[int, dict[str, Tensor]]] = [{} for _ in range(world)]
        mine = {i: {name: value.cpu() for name, value in row.items()} for i, row in found.items()}
        dist.all_gather_object(parts, mine)
        found = {i: row for part in parts for i, row in part.items()}
    return {name: torch.cat([found[i][name] for i in range(len(found))]) for name in found[0]}
