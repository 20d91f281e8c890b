"""A model that was trained before and is part of another one: a stage."""

from typing import TypeVar

from elbolab.densities.base import Densities

D = TypeVar("D", bound=Densities)


def freeze(densities: D) -> D:
    """``densities`` itself, never trained again: no gradient reaches its weights, and it stays in evaluation mode.

    The model around it keeps it whole, as one module: a part taken out of it would follow that model's mode.
    """
    densities.requires_grad_(False)
    densities.frozen = True
    return densities.eval()


def needed(part: Densities, kind: type[D], key: str, mend: str) -> D:
    """``part`` where it is of the kind that a model is built on.

    Args:
        part: the stage.
        kind: what it must be, or a base class of it.
        key: its key in the configuration, ``pretrained.m1``.
        mend: what to name instead.

    Raises:
        ValueError: it is of another kind.
    """
    if not isinstance(part, kind):
        raise ValueError(f"{key} is a run of {type(part).__name__}, and this model needs {kind.__name__}: {mend}")
    return part
