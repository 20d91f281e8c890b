import pytest
import torch


@pytest.fixture(autouse=True)
def _exact():
    """Float64 and one seed for every test."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(before)
