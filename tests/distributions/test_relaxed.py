from itertools import product

import pytest
import torch
from torch.distributions import Bernoulli, Independent, OneHotCategorical, kl_divergence

from elbolab.densities.latents import Latent, Latents, Undefined, sample
from elbolab.densities.terms import Terms
from elbolab.distributions.relaxed import Relaxed, RelaxedBernoulliLatent, RelaxedOneHot


def latent(straight_through=False, temperature=0.5):
    return RelaxedBernoulliLatent((4,), temperature, straight_through)


def coins(probability=0.5):
    return Independent(Bernoulli(torch.full((3, 4), probability)), 1)


@pytest.mark.parametrize("probability", [0.5, 0.1])
def test_kl_is_the_sum_over_all_codes(probability):
    q, p = latent()(torch.randn(3, 4)), coins(probability)
    hard = Independent(Bernoulli(logits=q.base_dist.logits), 1)
    codes = torch.tensor(list(product([0.0, 1.0], repeat=4))).unsqueeze(1)
    log_q, log_p = hard.log_prob(codes), p.log_prob(codes)
    expected = (log_q.exp() * (log_q - log_p)).sum(0)
    assert torch.allclose(kl_divergence(q, p), expected)
    assert torch.allclose(kl_divergence(hard, p), expected)


def test_kl_to_fair_coins_is_log_2_minus_entropy():
    logits = torch.randn(3, 4)
    pi = logits.sigmoid()
    expected = (pi * pi.log() + (1 - pi) * (1 - pi).log() + torch.tensor(2.0).log()).sum(-1)
    assert torch.allclose(kl_divergence(latent()(logits), coins()), expected)


def test_kl_and_its_gradient_are_finite_at_extreme_logits():
    logits = torch.tensor([[-1e4, -50.0, 50.0, 1e4]], requires_grad=True)
    kl = kl_divergence(latent()(logits), Independent(Bernoulli(torch.full((1, 4), 0.5)), 1))
    kl.sum().backward()
    assert torch.allclose(kl, 4 * torch.tensor(2.0).log())
    assert logits.grad.isfinite().all()


def test_evaluation_is_hard():
    q = latent().eval()(torch.randn(3, 4))
    assert isinstance(q, Independent)
    assert not isinstance(q, Relaxed)
    z = q.sample((9,))
    assert ((z == 0) | (z == 1)).all()


def test_terms_call_a_relaxed_draw_no_bound_but_know_its_kl():
    q = latent()(torch.randn(3, 4))
    drawn = Latent.drawn(sample, (), q, coins())
    assert drawn.is_relaxed
    assert torch.allclose(drawn.kl_per_dim.sum(-1), drawn.kl)
    with pytest.raises(Undefined):
        Terms(torch.zeros(3), Latents([drawn])).elbo  # noqa: B018
    with pytest.raises(NotImplementedError, match="hard"):
        q.log_prob(drawn.z)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_relaxed_draws_are_ones_with_their_probability(temperature):
    q = latent(temperature=temperature)(torch.tensor([-2.0, -0.3, 0.3, 2.0]))
    above = (q.rsample((40_000,)) > 0.5).to(torch.get_default_dtype()).mean(0)
    assert torch.allclose(above, q.mean, atol=5.5 * 0.5 / 200)


def test_cold_draws_are_binary():
    z = latent(temperature=1e-4)(torch.randn(3, 4)).rsample((100,))
    assert (torch.minimum(z, 1 - z) < 1e-6).double().mean() > 0.99


def test_straight_through_draws_are_exactly_binary():
    q = latent(straight_through=True)(torch.randn(3, 4, dtype=torch.float32, requires_grad=True))
    z = q.rsample((1000,))
    assert ((z == 0) | (z == 1)).all()
    assert z.requires_grad


def test_straight_through_has_the_relaxed_gradient():
    logits = torch.randn(3, 4, requires_grad=True)
    gradients = []
    for straight_through in (False, True):
        torch.manual_seed(1)
        z = latent(straight_through)(logits).rsample()
        gradients.append(torch.autograd.grad((z * torch.arange(4.0)).sum(), logits)[0])
    assert torch.equal(*gradients)
    assert (gradients[0][:, 1:] != 0).all()


def test_expand_and_support():
    q = latent()(torch.randn(4)).expand((3,))
    assert isinstance(q, Relaxed)
    assert q.support.check(q.rsample((5,))).all()
    assert not q.support.is_discrete
    assert not torch.equal(*q.rsample()[:2])


def test_temperature_is_positive():
    with pytest.raises(ValueError, match="temperature=0"):
        latent(temperature=0.0)


def test_the_largest_of_a_relaxed_one_hot_draw_has_the_probabilities_of_the_class(float64):
    """The Gumbel-max trick, at every temperature (Jang et al. 2017, eq. 1)."""
    logits = torch.tensor([0.5, -1.0, 0.2])
    torch.manual_seed(0)
    for temperature in (0.3, 2.0):
        draws = RelaxedOneHot(logits, temperature, straight_through=False).sample((40_000,))
        torch.testing.assert_close(draws.sum(-1), torch.ones(40_000))
        seen = draws.argmax(-1).bincount() / 40_000
        torch.testing.assert_close(seen, logits.softmax(-1), rtol=0, atol=0.012)


def test_a_low_temperature_makes_draws_nearly_one_hot(float64):
    torch.manual_seed(0)
    p = RelaxedOneHot(torch.zeros(4), 0.05, straight_through=False)
    assert p.sample((1_000,)).max(-1).values.mean() > 0.97
    assert RelaxedOneHot(torch.zeros(4), 1.0, straight_through=False).sample((1_000,)).max(-1).values.mean() < 0.7


def test_a_straight_through_one_hot_draw_is_hard_with_the_gradient_of_the_relaxed_one(float64):
    gradients = []
    for straight_through in (False, True):
        logits = torch.tensor([[0.5, -1.0, 0.2]]).requires_grad_()
        torch.manual_seed(0)
        z = RelaxedOneHot(logits, 0.7, straight_through).rsample((5,))
        if straight_through:
            assert set(z.unique().tolist()) == {0.0, 1.0}
        (z * torch.arange(3)).sum().backward()
        gradients.append(logits.grad)
    torch.testing.assert_close(*gradients)


def test_the_rate_of_a_relaxed_one_hot_is_that_of_the_classes(float64):
    logits, prior = torch.randn(2, 5, 4), OneHotCategorical(logits=torch.tensor([0.1, 0.2, -0.3, 0.0]))
    q = RelaxedOneHot(logits, 0.7, straight_through=False)
    expected = kl_divergence(OneHotCategorical(logits=logits), prior.expand((2, 5)))
    torch.testing.assert_close(kl_divergence(q, prior), expected)
