"""Gradients of bounds with discrete latents, against those by enumeration of all latents."""

from functools import partial
from itertools import product

import pytest
import torch
from tests.helpers import adam, mlp, refused, small_densities
from torch.distributions import Bernoulli as TorchBernoulli
from torch.distributions import Independent

from elbolab.batch import Batch
from elbolab.densities.score_function import SCORE_FUNCTIONS
from elbolab.distributions.conditional import Conditional, Head
from elbolab.distributions.family import Bernoulli
from elbolab.distributions.one_hot import OneHot, UniformCategories
from elbolab.distributions.priors import FixedBernoulli
from elbolab.distributions.relaxed import RelaxedBernoulliLatent
from elbolab.models.discrete_vae import DiscreteVAE

LOGITS = torch.tensor([0.4, -1.1, 0.2, 0.9])
COINS = partial(FixedBernoulli, probability=0.4)
BITS = partial(Head, net=mlp(5), family=Bernoulli)
CATEGORIES = partial(Head, net=mlp(5), family=OneHot)


class Rows(Conditional):
    """Independent bits with a row of logits for each datum, so that every row has a gradient of its own."""

    def __init__(self, logits, family):
        super().__init__()
        self.logits, self.family = torch.nn.Parameter(logits), family

    def forward(self, x):
        return self.family(self.logits)


def four_bits(family=None, num=1):
    torch.manual_seed(0)
    densities = small_densities(latent_dim=4, prior=COINS, posterior=BITS)
    with torch.no_grad():
        for parameter in densities.likelihood.parameters():
            parameter.mul_(2)
    densities.posterior = Rows(LOGITS.to(torch.get_default_dtype()).expand(num, 4).clone(), family or Bernoulli((4,)))
    return densities, Batch(torch.tensor([[1.0, 0, 1, 1, 0, 0]]).to(torch.get_default_dtype()).expand(num, 6))


def gradients(estimator, k, num=50_000, baseline=None):
    """Gradients in the logits of one datum, from ``num`` repeats of the bound, (num, 4)."""
    densities, batch = four_bits(num=num)
    densities.posterior, rows = four_bits()[0].posterior, densities.posterior
    model = DiscreteVAE(
        num_samples=k,
        estimator=estimator,
        baseline=baseline,
        baseline_optimizer=adam(),
        densities=densities,
        optimizer=adam(),
    )
    densities.posterior = rows
    (-model.loss(batch).value * num).backward(inputs=[rows.logits])
    return rows.logits.grad


def exact_gradient(k=1):
    """That of E log 1/K sum_k w_k, by all K-tuples of the 16 latents."""
    densities, batch = four_bits()
    logits = densities.posterior.logits
    z = torch.tensor(list(product([0.0, 1.0], repeat=4))).to(logits)
    q = Independent(TorchBernoulli(logits=logits[0]), 1)
    log_q = q.log_prob(z)
    log_w = densities.prior().log_prob(z) + densities.likelihood(z).log_prob(batch.x) - log_q
    bound = 0
    for chosen in product(range(16), repeat=k):
        index = list(chosen)
        bound = bound + log_q[index].sum().exp() * (log_w[index].logsumexp(0) - torch.tensor(float(k)).log())
    (gradient,) = torch.autograd.grad(bound, logits)
    return gradient[0]


@pytest.mark.parametrize(
    ("estimator", "k"), [("nvil", 1), ("nvil", 3), ("rloo", 2), ("rloo", 4), ("disarm", 2), ("disarm", 4)]
)
def test_the_gradient_is_that_of_the_elbo(estimator, k, float64):
    found = gradients(estimator, k)
    error = (found.mean(0) - exact_gradient()) / (found.std(0) / len(found) ** 0.5)
    assert error.abs().max() < 5


@pytest.mark.parametrize("k", [2, 3])
def test_the_gradient_is_that_of_the_bound_of_many_samples(k, float64):
    found = gradients("vimco", k)
    error = (found.mean(0) - exact_gradient(k)) / (found.std(0) / len(found) ** 0.5)
    assert error.abs().max() < 5


def test_a_baseline_changes_the_noise_and_not_the_mean(float64):
    def constant(parents, event):
        net = torch.nn.Linear(6, 1).to(torch.float64)
        torch.nn.init.zeros_(net.weight)
        torch.nn.init.constant_(net.bias, -5.0)
        return net

    plain, less = gradients("nvil", 1), gradients("nvil", 1, baseline=constant)
    error = (less.mean(0) - exact_gradient()) / (less.std(0) / len(less) ** 0.5)
    assert error.abs().max() < 5
    assert (less.var(0) < 0.8 * plain.var(0)).all()


def test_antithetic_pairs_have_less_variance_than_leaving_one_out(float64):
    assert gradients("disarm", 2).var(0).sum() < gradients("rloo", 2).var(0).sum()


def test_a_relaxed_gradient_is_biased(float64):
    """Its mean, of the relaxed bound, is not that of the bound: by how much depends on the temperature."""
    family = RelaxedBernoulliLatent((4,), temperature=0.667, straight_through=False)
    densities, batch = four_bits(family, num=50_000)
    terms = densities.train().terms(batch.x)
    (terms.log_lik - terms.rate).sum().backward(inputs=[densities.posterior.logits])
    found = densities.posterior.logits.grad
    error = (found.mean(0) - exact_gradient()) / (found.std(0) / len(found) ** 0.5)
    assert error.abs().max() > 5


@pytest.mark.parametrize("name", SCORE_FUNCTIONS)
def test_what_is_logged_is_the_bound_and_the_decoder_has_its_gradient(name, float64):
    densities, batch = four_bits(num=3)
    densities.posterior, rows = four_bits()[0].posterior, densities.posterior
    model = DiscreteVAE(
        num_samples=4, estimator=name, baseline=None, baseline_optimizer=adam(), densities=densities, optimizer=adam()
    )
    densities.posterior = rows
    torch.manual_seed(1)
    loss = model.loss(batch)
    torch.manual_seed(1)
    terms = densities.score(batch.x, densities.infer(batch.x, shape=(4,), draw=model.estimate.draw))
    many = name == "vimco"
    bound = terms.log_weight.logsumexp(0) - torch.tensor(4.0).log() if many else terms.log_weight.mean(0)
    torch.testing.assert_close(-loss.value, bound.mean(), rtol=0, atol=1e-12)
    decoder = list(densities.likelihood.parameters())
    expected = torch.autograd.grad(bound.mean(), decoder)
    for one, other in zip(torch.autograd.grad(-loss.value, decoder), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_categories_have_the_gradient_of_the_elbo_too(float64):
    """Two groups of three classes, by enumeration of all nine."""
    torch.manual_seed(0)
    densities = small_densities(
        latent_dim=[2, 3], prior=UniformCategories, posterior=partial(Head, net=mlp(5), family=OneHot)
    )
    x = torch.tensor([[1.0, 0, 1, 1, 0, 0]]).to(torch.get_default_dtype())
    logits = torch.randn(1, 2, 3)
    options = {"num_samples": 2, "estimator": "rloo", "baseline": None, "baseline_optimizer": adam()}
    model = DiscreteVAE(densities=densities, optimizer=adam(), **options)
    densities.posterior = Rows(logits.expand(50_000, 2, 3).clone(), OneHot((2, 3)))
    (-model.loss(Batch(x.expand(50_000, 6))).value * 50_000).backward(inputs=[densities.posterior.logits])
    found = densities.posterior.logits.grad
    leaf = logits.clone().requires_grad_()
    z = torch.stack([torch.eye(3)[[a, b]] for a, b in product(range(3), repeat=2)])
    log_q = OneHot((2, 3))(leaf[0]).log_prob(z)
    log_w = densities.prior().log_prob(z) + densities.likelihood(z).log_prob(x) - log_q
    (expected,) = torch.autograd.grad((log_q.exp() * log_w).sum(), leaf)
    error = (found.mean(0) - expected[0]) / (found.std(0) / 50_000**0.5)
    assert error.abs().max() < 5


@pytest.mark.parametrize("name", SCORE_FUNCTIONS)
def test_bits_in_rows_learn_as_bits_side_by_side_do(name):
    _, batch = four_bits(num=5)
    options = {"baseline": None, "baseline_optimizer": adam(), "optimizer": adam()}
    found = []
    for latent_dim in (6, [2, 3]):
        torch.manual_seed(0)
        densities = small_densities(latent_dim=latent_dim, prior=COINS, posterior=BITS)
        model = DiscreteVAE(num_samples=4, estimator=name, densities=densities, **options)
        torch.manual_seed(1)
        value = model.loss(batch).value
        found.append(torch.cat([g.flatten() for g in torch.autograd.grad(value, [*densities.posterior.parameters()])]))
    torch.testing.assert_close(*found)


def test_what_an_estimator_needs_is_said():
    densities = small_densities(latent_dim=4, prior=COINS, posterior=BITS)
    options = {"baseline": None, "baseline_optimizer": adam(), "optimizer": adam()}
    make = partial(DiscreteVAE, densities=densities, **options)
    with refused("model.estimator=reinforce.*nvil, rloo, vimco or disarm"):
        make(num_samples=2, estimator="reinforce")
    for name in ("rloo", "vimco", "disarm"):
        with refused("model.num_samples=1.*model.num_samples=2"):
            make(num_samples=1, estimator=name)
    with refused("even number.*model.num_samples=4"):
        make(num_samples=3, estimator="disarm")
    with refused("posterior=bernoulli_hard"):
        DiscreteVAE(num_samples=2, estimator="rloo", densities=small_densities(), **options)
    categories = small_densities(
        latent_dim=[2, 3], prior=UniformCategories, posterior=partial(Head, net=mlp(5), family=OneHot)
    )
    with refused("independent bits.*model.estimator=rloo"):
        DiscreteVAE(num_samples=2, estimator="disarm", densities=categories, **options)
