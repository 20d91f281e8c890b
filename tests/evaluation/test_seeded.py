"""The state of an evaluation, and that it is given back."""

import pytest
import torch
from torch import nn

from elbolab.evaluation.seeded import device_of, evaluating


@pytest.fixture
def module() -> nn.Module:
    module = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    module[1].eval()
    return module


def test_inside_everything_evaluates_without_gradients(module):
    with evaluating(module, seed=0):
        assert not any(part.training for part in module.modules())
        assert not module(torch.ones(1, 2)).requires_grad


def fail_after_drawing():
    torch.rand(3)
    raise RuntimeError("boom")


def test_outside_nothing_has_changed_even_after_an_error(module):
    state = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="boom"), evaluating(module, seed=0):
        fail_after_drawing()
    assert torch.equal(torch.get_rng_state(), state)
    assert [part.training for part in module.modules()] == [True, True, False]
    assert torch.is_grad_enabled()


def test_noise_depends_on_the_seed_alone(module):
    draws = []
    for seed in (3, 3, 4):
        torch.rand(7)
        with evaluating(module, seed):
            draws.append(torch.rand(2))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_modules_without_numbers_live_on_the_cpu(module):
    assert device_of(nn.Identity()) == device_of(module) == torch.device("cpu")
