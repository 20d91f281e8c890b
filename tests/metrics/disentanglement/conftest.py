"""Planted codes of known worth: every combination of three factors, 20 times, in random order."""

from itertools import product

import numpy as np
import pytest

SIZES = (4, 3, 5)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def factors(rng):
    grid = np.array(list(product(*map(range, SIZES))) * 20)
    return rng.permutation(grid)


@pytest.fixture
def perfect(factors):
    return factors.astype(float)


@pytest.fixture(params=["as is", "scaled and permuted", "with unused dimensions", "beside a constant factor"])
def perfect_case(request, perfect, factors, rng):
    """(codes, factors) of which every score must be near 1."""
    constant = np.full((len(factors), 1), 7)
    return {
        "as is": (perfect, factors),
        "scaled and permuted": (perfect[:, [2, 0, 1]] * [3.0, -0.5, 20.0] + 1.0, factors),
        "with unused dimensions": (np.hstack([1e-3 * rng.normal(size=(len(perfect), 4)), perfect, constant]), factors),
        "beside a constant factor": (perfect, np.hstack([constant, factors])),
    }[request.param]


@pytest.fixture
def constant(factors):
    return np.full((len(factors), 3), 0.1)


@pytest.fixture
def duplicated(perfect):
    return np.hstack([perfect, perfect])


@pytest.fixture
def rotated(perfect):
    """No axis of this rotation lies near an axis of the factors: every entry is at most 2/3."""
    rotation = np.array([[2, -1, 2], [2, 2, -1], [-1, 2, 2]]) / 3
    return (perfect - perfect.mean(0)) / perfect.std(0) @ rotation


@pytest.fixture
def independent(factors, rng):
    return rng.normal(size=(len(factors), 3))
