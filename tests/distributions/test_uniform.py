"""Boxes, and the KL that is infinite where a posterior leaves its prior's."""

from functools import partial

import pytest
import torch
from tests.helpers import mlp, small_densities
from torch.distributions import kl_divergence

from elbolab.common.refusal import Refusal
from elbolab.distributions.conditional import Head, StandardNormal
from elbolab.distributions.family import DiagonalNormal
from elbolab.distributions.uniform import UniformBox, UniformPrior


def test_a_box_is_uniform():
    q = UniformBox((2,), min_scale=0.0)(torch.tensor([1.0, -1.0, 0.0, 2.0]))
    volume = 2 * 2 * torch.tensor(2.0).exp()
    torch.testing.assert_close(q.log_prob(torch.tensor([1.9, -7.0])), -volume.log())
    assert q.log_prob(torch.tensor([2.1, 0.0])) == -torch.inf


def test_raw_for_gives_the_mean():
    family = UniformBox((2,), min_scale=0.1)
    mean = torch.tensor([0.4, -3.0])
    torch.testing.assert_close(family(family.raw_for(mean)).mean, mean)


def test_kl_to_a_larger_box_is_the_log_of_their_ratio_and_to_a_smaller_one_infinite():
    q = UniformBox((1,), min_scale=0.0)(torch.zeros(2))
    assert kl_divergence(q, UniformPrior((), (1,), 3.0)()).item() == pytest.approx(torch.tensor(3.0).log().item())
    assert kl_divergence(q, UniformPrior((), (1,), 0.5)()) == torch.inf


BOX = partial(UniformBox, min_scale=1e-6)
HEAD = partial(Head, net=mlp(5))


@pytest.mark.parametrize(
    ("prior", "family"),
    [
        (partial(UniformPrior, bound=3.0), DiagonalNormal),
        (partial(UniformPrior, bound=0.01), BOX),
    ],
)
def test_a_posterior_that_leaves_the_support_of_its_prior_is_refused(prior, family):
    """However few of its draws do: the KL says so."""
    with pytest.raises(Refusal, match="infinite") as refused:
        small_densities(prior=prior, posterior=partial(HEAD, family=family))
    assert any("standard_normal" in str(way) for way in refused.value.ways)


@pytest.mark.parametrize("prior", [StandardNormal, partial(UniformPrior, bound=30.0)])
def test_a_box_inside_its_prior_has_a_finite_rate(prior):
    densities = small_densities(prior=prior, posterior=partial(HEAD, family=BOX))
    assert densities.terms(torch.zeros(4, *densities.spec.x)).rate.isfinite().all()


@pytest.mark.parametrize("bound", [0.0, -1.0])
def test_a_box_without_a_width(bound):
    with pytest.raises(ValueError, match="bound"):
        UniformPrior((), (1,), bound)
