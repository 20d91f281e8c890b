"""What every test has: checked distributions, a fixed seed, its own files, no account."""

import gc
import os
import signal

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small tensors gain nothing, and processes that share cores spin
os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", MPLBACKEND="agg")
if "ELBOLAB_TEST_CUDA" not in os.environ:  # tests/cuda says how to run what needs a device
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

import pytest

pytest_plugins = ["tests.shell"]

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with it ignored


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule():
    """Imports torch before the first module of tests, and not where xdist hands tests out and runs none.

    Autograd counts the devices at its first backward and starts a thread for each, and then nothing may fork. A fake
    device (tests/fake_cuda.py, torch.compile) would count.
    """
    import torch

    torch.ones(1, requires_grad=True).sum().backward()


def pytest_collection_finish(session):
    """What is imported stays: to look through it for what is free took a fifth of all time."""
    if not session.items:  # of xdist's workers
        return
    from tests.composed_once import compose_once

    compose_once()
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


@pytest.fixture(scope="module")
def refrozen():
    """A benchmark gives back all that is frozen, and not only what it froze itself."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _checked_and_seeded():
    import torch
    from torch.distributions import Distribution

    Distribution.set_default_validate_args(True)
    torch.default_generator.manual_seed(0)  # `torch.manual_seed` notes the stack for each kind of device


@pytest.fixture
def float64():
    """Exactness is the point of the test."""
    import torch

    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def pytest_addoption(parser):
    parser.addoption("--regenerate-golden", action="store_true", help="write the golden curves anew")


@pytest.fixture
def rehearsed(monkeypatch):
    """Fits run captured from here on, almost from their first step; the list of their graphs."""
    from tests.rehearsal import Rehearsal
    from torch.distributions import Distribution

    from elbolab.training import module
    from elbolab.training.engine import Captured

    made = []

    def choose(wish, model, *_):
        made.append(Rehearsal(model=model))
        return Captured(made[-1])

    Distribution.set_default_validate_args(False)  # checks of arguments wait for the device; training has none
    monkeypatch.setattr(module, "choose_engine", choose)
    return made
