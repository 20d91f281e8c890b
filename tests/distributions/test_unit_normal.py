import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from elbolab.distributions.unit_normal import UnitNormal

pytestmark = pytest.mark.usefixtures("float64")


@pytest.fixture
def unit():
    return UnitNormal(torch.zeros(3), torch.ones(3))


def test_it_is_the_normal_of_torch(unit):
    z = torch.randn(5, 3)
    torch.testing.assert_close(unit.log_prob(z), Normal(0.0, 1.0).log_prob(z))
    torch.manual_seed(0)
    ours = unit.rsample((4,))
    torch.manual_seed(0)
    assert torch.equal(ours, Normal(torch.zeros(3), torch.ones(3)).rsample((4,)))


def test_its_kl_and_gradients_are_those_of_torch(unit):
    loc, scale = torch.randn(4, 3, requires_grad=True), (torch.rand(4, 3) + 0.1).requires_grad_()
    q, torchs = Normal(loc, scale), Normal(torch.zeros(3), torch.ones(3))
    ours, theirs = kl_divergence(q, unit), kl_divergence(q, torchs)
    torch.testing.assert_close(ours, theirs)
    for mine, others in zip(
        torch.autograd.grad(ours.sum(), (loc, scale)), torch.autograd.grad(theirs.sum(), (loc, scale)), strict=True
    ):
        torch.testing.assert_close(mine, others)
    assert (kl_divergence(UnitNormal(torch.zeros(3), torch.ones(3)), unit) == 0).all()


def test_it_stays_what_it_is_when_expanded(unit):
    assert isinstance(Independent(unit, 1).expand((7,)).base_dist, UnitNormal)


def test_checked_it_refuses_what_is_no_number(unit):
    with pytest.raises(ValueError, match="within the support"):
        unit.log_prob(torch.full((3,), torch.nan))
