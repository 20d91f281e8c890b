"""One measured number with everything needed to trust it."""

from dataclasses import asdict, dataclass
from typing import final

import torch
from torch import Tensor

from elbolab.batch import Spec


@final
@dataclass(frozen=True)
class Quantity:
    """A number of `evaluation.json`.

    Attributes:
        value: the estimate; a list where the quantity has one value a dimension.
        stderr: standard error of the mean over data, None where the quantity is no mean.
        n: number of data it rests on.
        k: samples per datum, those of all its corruptions together; None where nothing is sampled.
        seed: seed of the noise.
        dtype: dtype of the computation, float32 with its matmul precision.
        unit: ``nats``, ``bits/dim``, ``dimensions``, ``fraction``, ``dB``, ...
    """

    value: float | list[float]
    stderr: float | list[float] | None
    n: int
    k: int | None
    seed: int
    dtype: str
    unit: str

    def to_json(self) -> dict:
        """A dictionary of plain JSON types."""
        return asdict(self)


def mean_of(per_datum: Tensor, *, k: int | None, seed: int, unit: str = "nats") -> Quantity:
    """Mean and standard error over data of (N,) or, per column, (N, D) values."""
    values = per_datum.double()
    n = len(values)
    stderr = values.std(0) / n**0.5 if n > 1 else torch.full_like(values[0], float("nan"))
    return Quantity(values.mean(0).tolist(), stderr.tolist(), n, k, seed, describe(per_datum.dtype), unit)


def squared_error_unit(spec: Spec) -> str:
    """The unit of squared errors of an element; standardised columns of different units have no other in common."""
    return "squared error/element" if spec.scaling is None else "squared deviations/element"


def describe(dtype: torch.dtype) -> str:
    """``float64``, or ``float32, highest matmul``: `evaluating` lets no device round the factors of its products."""
    name = str(dtype).removeprefix("torch.")
    return f"{name}, highest matmul" if dtype is torch.float32 else name
