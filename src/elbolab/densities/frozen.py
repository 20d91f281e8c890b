"""A model that was trained before and is part of another one: a stage."""

from typing import TypeVar

from elbolab.densities.base import Densities

D = TypeVar("D", bound=Densities)


def freeze(densities: D) -> D:
    """``densities`` itself, never trained again: no gradient reaches its weights, and it stays in evaluation mode.

    The model that contains it must keep it whole, as one module: a part of it alone would follow that model's mode.
    """
    densities.requires_grad_(False)
    densities.frozen = True
    return densities.eval()
