"""Every family on a fake CUDA device: its density and draws neither wait for the device nor copy to it."""

import pytest
import torch
from tests.distributions.registry import FAMILIES
from tests.fake_cuda import HostCopy, fake_cuda
from torch._subclasses.fake_tensor import DataDependentOutputException
from torch.distributions import Distribution, Normal


@pytest.fixture(autouse=True)
def _no_checks():
    """Training runs without them: they wait for the device."""
    Distribution.set_default_validate_args(False)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_stays_on_the_device(name, training):
    family = FAMILIES[name][0]((3,)).train(training)
    with fake_cuda(family):
        p = family(torch.empty(4, *family.out_shape, device="cuda"))
        made = p.rsample((2,)) if p.has_rsample else p.mean
        assert made.device.type == "cuda"
        if not (name.startswith("relaxed") and training):
            assert p.log_prob(torch.empty(4, 3, device="cuda")).device.type == "cuda"


def test_what_waits_or_copies_is_seen():
    linear = torch.nn.Linear(2, 2)
    with fake_cuda(linear):
        with pytest.raises(DataDependentOutputException):
            linear.weight.sum().item()
        for act in (
            lambda: torch.tensor(1.0, device="cuda"),
            lambda: torch.zeros(2, device="cuda").copy_(torch.ones(2)),
            lambda: Normal(linear.bias, linear.bias).sample(),
        ):
            with pytest.raises(HostCopy):
                act()
