"""What every test has: checked distributions, a fixed seed, its own files, no account."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small tensors gain nothing, and processes that share cores spin
os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", MPLBACKEND="agg", CUDA_VISIBLE_DEVICES="")

import pytest
import torch
from torch.distributions import Distribution


@pytest.fixture(autouse=True)
def _checked_and_seeded():
    Distribution.set_default_validate_args(True)
    torch.manual_seed(0)


@pytest.fixture
def float64():
    """Exactness is the point of the test."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def pytest_addoption(parser):
    parser.addoption("--regenerate-golden", action="store_true", help="write the golden curves anew")
