"""beta-VAE (Higgins et al. 2017), with a capacity (Burgess et al. 2018) or free bits (Kingma et al. 2016)."""

from collections.abc import Mapping
from typing import Any

from elbolab.common.refusal import Refusal, change
from elbolab.models.costs import Capacity, Cost, FreeBits, Rate
from elbolab.models.vae import VAE
from elbolab.training.schedules import Schedule, weight_of


def beta_vae(
    beta: float | Schedule,
    capacity: float | Schedule | None = None,
    free_bits: float = 0.0,
    costs: Mapping[str, Cost] | None = None,
    **base: Any,
) -> VAE:
    """A VAE that minimises distortion + beta * cost, where the cost is the rate or what stands in its place.

    Args:
        beta: weight, a number or a schedule.
        capacity: see `Capacity`; None: none.
        free_bits: see `FreeBits`; 0: none.
        costs: more of them.
        **base: see `VAE`.

    Raises:
        Refusal: a capacity together with free bits; see also `VAE`.
        ValueError: a number that is negative or not finite.
    """
    weights = {"model.beta": beta, "model.capacity": capacity, "model.free_bits": free_bits}
    for key, value in weights.items():
        if value is not None:
            weight_of(key, value)
    if capacity is not None and free_bits > 0:
        raise Refusal(
            "a capacity and free bits are two costs of one rate",
            change("model.capacity", None),
            change("model.free_bits", 0),
        )
    if capacity is not None:
        cost: Cost = Capacity(capacity, beta)
    else:
        cost = FreeBits(free_bits, beta) if free_bits > 0 else Rate(beta)
    return VAE(costs={"rate": cost, **(costs or {})}, **base)
