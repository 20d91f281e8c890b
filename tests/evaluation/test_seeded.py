"""The state of an evaluation, and that it is given back."""

import pytest
import torch
from torch import nn

from elbolab.evaluation.seeded import device_of, evaluating, full_float32


@pytest.fixture
def module() -> nn.Module:
    module = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    module[1].eval()
    return module


def test_inside_everything_evaluates_without_gradients(module):
    with evaluating(module, "test", 0):
        assert not any(part.training for part in module.modules())
        assert not module(torch.ones(1, 2)).requires_grad


def fail_after_drawing():
    torch.rand(3)
    raise RuntimeError("boom")


def test_outside_nothing_has_changed_even_after_an_error(module):
    state = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="boom"), evaluating(module, "test", 0):
        fail_after_drawing()
    assert torch.equal(torch.get_rng_state(), state)
    assert [part.training for part in module.modules()] == [True, True, False]
    assert torch.is_grad_enabled()


def test_noise_depends_on_its_stream_alone(module):
    draws = []
    for seed in (3, 3, 4):
        torch.rand(7)
        with evaluating(module, "test", seed):
            draws.append(torch.rand(2))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_modules_without_numbers_live_on_the_cpu(module):
    assert device_of(nn.Identity()) == device_of(module) == torch.device("cpu")


def rounding():
    backends = torch.backends
    return [b.fp32_precision for b in (backends.cuda.matmul, backends.cudnn.conv, backends.mkldnn.matmul)]


@pytest.fixture(params=["older switches", "newer switches"])
def rounded(request):
    """A process that lets its devices round float32 factors."""
    if request.param == "older switches":
        torch.set_float32_matmul_precision("high")
    else:
        torch.backends.cuda.matmul.fp32_precision = "tf32"
    yield
    torch.backends.cuda.matmul.fp32_precision = "none"
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = True


def test_nothing_is_rounded_while_evaluating(module, rounded):
    before = rounding()
    assert "tf32" in before[0]
    with evaluating(module, "test", 0):
        assert not {"tf32", "bf16"} & set(rounding())
    assert rounding() == before


def test_by_default_convolutions_are_not_rounded_either():
    assert torch.backends.cudnn.conv.fp32_precision == "tf32"
    with full_float32():
        assert torch.backends.cudnn.conv.fp32_precision != "tf32"
    assert torch.backends.cudnn.conv.fp32_precision == "tf32"
