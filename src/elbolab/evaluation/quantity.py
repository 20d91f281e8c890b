"""One measured number with everything needed to trust it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor

from elbolab.batch import Spec
from elbolab.common.kind import Kind


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
        kind: what it is: its unit, which way it is better, its place in tables and its label.
    """

    value: float | list[float]
    stderr: float | list[float] | None
    n: int
    k: int | None
    seed: int
    dtype: str
    kind: Kind

    def to_json(self) -> dict[str, Any]:
        """A dictionary of plain JSON types, what it is among them."""
        entry = vars(self) | vars(self.kind)
        del entry["kind"]
        return entry


def mean_of(per_datum: Tensor, kind: Kind, *, k: int | None, seed: int, dtype: torch.dtype | None = None) -> Quantity:
    """Mean and standard error over data of (N,) or, per column, (N, D) values; None: computed in their own dtype."""
    values = per_datum.double()
    n = len(values)
    stderr = values.std(0) / n**0.5 if n > 1 else torch.full_like(values[0], float("nan"))
    return Quantity(values.mean(0).tolist(), stderr.tolist(), n, k, seed, describe(dtype or per_datum.dtype), kind)


def means_of(
    per_datum: Mapping[str, Tensor],
    kinds: Mapping[str, Kind],
    *,
    k: int | None,
    seed: int,
    dtype: torch.dtype | None = None,
) -> dict[str, Quantity]:
    """The `mean_of` each, of the kind of its name."""
    return {name: mean_of(values, kinds[name], k=k, seed=seed, dtype=dtype) for name, values in per_datum.items()}


def check_quantities(found: Any) -> Mapping[str, Quantity]:
    """What a measure has returned, if it can be reported.

    Raises:
        TypeError: it holds no quantities, or one without a number or a unit.
    """
    if not isinstance(found, Mapping):
        raise TypeError(f"returned a {type(found).__name__}: return {{name: mean_of(values, kind, k=None, seed=seed)}}")
    for name, quantity in found.items():
        if not isinstance(quantity, Quantity):
            raise TypeError(f"{name} is a {type(quantity).__name__}: give a Quantity, as mean_of makes one")
        if not isinstance(quantity.kind, Kind) or not quantity.kind.unit:
            raise TypeError(f"{name} names no unit: give a Kind, Kind('nats', 'lower')")
        for number in quantity.value if isinstance(quantity.value, list) else [quantity.value]:
            if not isinstance(number, int | float):
                raise TypeError(f"{name} has a {type(number).__name__} as its value: give a float, or a list of them")
    return found


def in_units_of(spec: Spec, kind: Kind) -> Kind:
    """A kind of squared error an element; standardised columns of different units have no other unit in common."""
    return kind if spec.scaling is None else replace(kind, unit="squared deviations/element")


def describe(dtype: torch.dtype) -> str:
    """``float64``, or ``float32, highest matmul``: `evaluating` lets no device round the factors of its products."""
    name = str(dtype).removeprefix("torch.")
    return f"{name}, highest matmul" if dtype is torch.float32 else name
