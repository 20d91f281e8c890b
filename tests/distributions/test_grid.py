import pytest
import torch

from elbolab.distributions.grid import Grid, grid_index, grid_values


def test_every_8_bit_value_is_on_the_grid_in_float32():
    x = torch.arange(256, dtype=torch.uint8).float() / 255
    assert Grid(256).check(x).all()
    assert torch.equal(grid_index(x, 256), torch.arange(256))
    assert torch.equal(grid_values(256, x), x)


@pytest.mark.parametrize("value", [-1 / 255, 256 / 255, 0.5, 1e-4, float("nan")])
def test_values_between_and_beyond_are_not(value):
    assert not Grid(256).check(torch.tensor(value))


def test_one_level_is_no_grid():
    with pytest.raises(ValueError, match="levels=1"):
        Grid(1)
