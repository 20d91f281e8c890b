import torch
from tests.helpers import small_densities

from elbolab.batch import Batch
from elbolab.common.kind import Kind
from elbolab.evaluation.likelihood import bound
from elbolab.evaluation.quantity import describe, mean_of


def test_float32_names_its_matmul_precision_and_float64_has_none():
    assert describe(torch.float32) == "float32, highest matmul"
    assert describe(torch.float64) == "float64"
    assert mean_of(torch.ones(3), Kind("nats"), k=None, seed=0).dtype == "float32, highest matmul"


def test_that_precision_is_the_one_it_was_measured_in():
    """Also where training may round: what is said of a number holds of it."""
    densities, seen = small_densities(), []
    densities.posterior.net.register_forward_hook(lambda *_: seen.append(torch.get_float32_matmul_precision()))
    torch.set_float32_matmul_precision("high")
    try:
        bound(densities, [Batch(torch.ones(2, 6))], seed=0)
    finally:
        torch.set_float32_matmul_precision("highest")
    assert set(seen) == {"highest"}
