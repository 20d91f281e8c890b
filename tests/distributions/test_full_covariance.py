import pytest
import torch
from torch.distributions import Independent, Laplace, MultivariateNormal, Normal, kl_divergence

from elbolab.distributions.full_covariance import FullNormal


@pytest.fixture
def q():
    family = FullNormal((4,), min_scale=1e-6)
    return family(torch.randn(3, *family.out_shape))


def test_kl_equals_the_one_between_multivariate_normals(q):
    loc, scale = torch.randn(4), torch.rand(4) + 0.1
    closed = kl_divergence(q, Independent(Normal(loc, scale), 1).expand((3,)))
    assert torch.allclose(closed, kl_divergence(q, MultivariateNormal(loc, scale_tril=scale.diag()).expand((3,))))


def test_entries_below_the_diagonal_correlate():
    family = FullNormal((2,), min_scale=0.0)
    q = family(torch.tensor([0.0, 0.0, 0.0, 0.0, 2.0]))
    assert torch.allclose(q.covariance_matrix, torch.tensor([[1.0, 2.0], [2.0, 5.0]]))


def test_without_them_it_is_a_diagonal_normal():
    family = FullNormal((4,), min_scale=0.0)
    loc, log_scale, z = torch.randn(3, 4).unbind()
    q = family(torch.cat([loc, log_scale, torch.zeros(6)]))
    assert torch.allclose(q.log_prob(z), Normal(loc, log_scale.exp()).log_prob(z).sum())


@pytest.mark.parametrize("lead", [(), (3,)])
def test_a_full_normal_cannot_collapse(lead):
    """The floor keeps the diagonal positive where the network says that it is nothing."""
    family = FullNormal((2,), min_scale=0.01)
    q = family(torch.tensor([1.0, -1.0, -1e4, -1e4, 0.3]).expand(*lead, 5))
    expected = torch.tensor([[0.01, 0.0], [0.3, 0.01]]).expand(*lead, 2, 2)
    torch.testing.assert_close(q.scale_tril, expected)
    assert q.log_prob(q.mean).isfinite().all()


def test_other_priors_have_no_closed_form(q):
    with pytest.raises(NotImplementedError):
        kl_divergence(q, Independent(Laplace(torch.zeros(3, 4), 1.0), 1))


def test_images_have_no_full_covariance():
    with pytest.raises(ValueError, match="diagonal_normal"):
        FullNormal((1, 2, 2), min_scale=1e-6)
