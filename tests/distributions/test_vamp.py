"""The mixture of posteriors at pseudo-inputs."""

from functools import partial

import pytest
import torch
from tests.helpers import BITS, LABELLED, mlp, refused, small_densities
from torch.distributions import Categorical, Independent, Normal

from elbolab.batch import Batch, Spec, Support
from elbolab.distributions.conditional import Head
from elbolab.distributions.family import DiagonalNormal
from elbolab.distributions.location_scale import FixedScale
from elbolab.distributions.vamp import PosteriorMixture, Vamp

VAMP = partial(Vamp, num_components=4, noise=0.0)


def bits(num):
    g = torch.Generator().manual_seed(0)
    return torch.randint(2, (num, 6), generator=g).to(torch.get_default_dtype())


@pytest.fixture
def densities(float64):
    torch.manual_seed(0)
    return small_densities(prior=VAMP)


def test_at_all_data_it_is_the_aggregate_posterior(densities):
    """E log p(z) is then that of the mixture of all posteriors (Tomczak & Welling 2018, section 2)."""
    x = bits(4)
    with torch.no_grad():
        densities.prior.raw.copy_(x * 60 - 30)  # the sigmoid of which is x to 1e-13
    z = densities.posterior(x).sample((100,))
    aggregate = densities.posterior(x).log_prob(z[:, :, None]).logsumexp(-1) - torch.tensor(4.0).log()
    torch.testing.assert_close(densities.prior().log_prob(z), aggregate, rtol=0, atol=1e-9)


def test_many_draws_are_of_all_components_alike_and_independent(monkeypatch):
    loc, drawn = torch.tensor([[0.0, 0], [10, 0], [0, 10], [10, 10]]), []
    q = Independent(Normal(loc, 0.5), 1)
    sample = type(q).sample
    monkeypatch.setattr(type(q), "sample", lambda self, shape: drawn.append(shape[0]) or sample(self, shape))
    z = PosteriorMixture(Categorical(logits=torch.zeros(4)), q).sample((100, 400))
    assert z.shape == (100, 400, 2)
    assert drawn[0] < 11_000  # of each component, and not 40,000
    of = torch.cdist(z.flatten(0, 1), loc).argmin(-1)
    torch.testing.assert_close(of.bincount() / 40_000, torch.full((4,), 0.25), rtol=0, atol=0.01)
    noise = (z.flatten(0, 1) - loc[of]) / 0.5
    torch.testing.assert_close(noise.T.cov(), torch.eye(2), rtol=0, atol=0.03)
    assert len(noise.unique(dim=0)) > 39_900
    assert torch.corrcoef(torch.stack([of[1:], of[:-1]]))[0, 1].abs() < 0.025


def test_it_starts_at_the_data_and_beyond_them_at_their_mean(densities):
    x = bits(3)
    densities.initialise(Batch(x), torch.full((6,), 0.25))
    expected = torch.cat([x.clamp(0.01, 0.99), torch.full((1, 6), 0.25)])
    torch.testing.assert_close(densities.prior.pseudo_inputs, expected)


def test_real_data_are_not_squashed(float64):
    family = partial(FixedScale, base=torch.distributions.Normal, scale=1.0)
    densities = small_densities(Spec((6,), Support.REAL), prior=VAMP, family=family)
    x = 10 * bits(4) - 5
    densities.initialise(Batch(x), x.mean(0))
    assert torch.equal(densities.prior.pseudo_inputs, x)


def test_noise_is_the_same_on_every_rank():
    starts = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        densities = small_densities(prior=partial(VAMP, noise=0.3))
        densities.initialise(Batch(bits(4)), bits(4).mean(0))
        starts.append(densities.prior.pseudo_inputs)
    assert torch.equal(*starts)
    assert not torch.equal(starts[0], bits(4).clamp(0.01, 0.99))


def test_gradients_reach_pseudo_inputs_and_the_shared_posterior(densities):
    z = torch.randn(5, 2)
    densities.prior().log_prob(z).sum().backward()
    assert densities.prior.raw.grad.abs().min() > 0
    assert all(parameter.grad is not None for parameter in densities.posterior.parameters())


def test_the_posterior_is_shared_and_not_copied(densities):
    assert densities.prior.posterior is densities.posterior
    num = sum(parameter.numel() for parameter in densities.posterior.parameters())
    assert sum(parameter.numel() for parameter in densities.prior.parameters()) == num + 4 * 6


def test_what_it_cannot_take_is_said():
    with refused("pseudo-inputs than training data, 3.*num_components=3"):
        small_densities(BITS._replace(num_train=3), prior=VAMP)
    with refused("conditions.*prior=conditional_normal"):
        small_densities(LABELLED, prior=VAMP, posterior=partial(Head, net=mlp(5), family=DiagonalNormal))
    for options in ({"num_components": 0}, {"noise": -1.0}):
        with pytest.raises(ValueError, match="num_components"):
            Vamp((), (2,), **({"num_components": 3, "noise": 0.0} | options))
