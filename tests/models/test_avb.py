"""Adversarial variational Bayes: its critic at the optimum, gradients through the draws alone, and what it refuses."""

from functools import partial
from itertools import combinations_with_replacement

import pytest
import torch
from tests.distributions.registry import NETWORKS
from tests.helpers import LABELLED, adam, fit, linear_gaussian, mlp, refused
from tests.models.registry import CODE_HEAD, NOISE, ROLL, adversarial, autoencoder, avb, batch_for
from torch import nn
from torch.distributions import kl_divergence

from elbolab.batch import Batch
from elbolab.data.four_points import FourPoints
from elbolab.densities.gradients import stop_parameters
from elbolab.densities.layer import single_layer
from elbolab.densities.wiring import adversarial_layer
from elbolab.distributions.conditional import Head, StandardNormal
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.distributions.flow import FlowFamily
from elbolab.distributions.full_covariance import FullNormal
from elbolab.distributions.universal import Universal
from elbolab.models.avb import AVB, NUM_DRAWS, normal_of_moments
from elbolab.models.vae import VAE

FLOW = partial(FlowFamily, steps=partial(NETWORKS, num_parameters=3), min_scale=1)


class Quadratic(nn.Module):
    """A critic that is linear in all products of two of the numbers that it reads."""

    def __init__(self, in_shapes, out_shape):
        super().__init__()
        num = 1 + sum(shape[0] for shape in in_shapes)
        self.pairs = torch.tensor(list(combinations_with_replacement(range(num), 2))).T
        self.last = nn.Linear(self.pairs.shape[1], 1)

    def forward(self, *points):
        rows = torch.cat([torch.ones_like(points[0][:, :1]), *points], dim=1)
        return self.last(rows[:, self.pairs[0]] * rows[:, self.pairs[1]])


def gaussian(toy, **options):
    return AVB(Quadratic, adam(), densities=toy.rough, optimizer=adam(), **options)


@pytest.mark.parametrize("adaptive_contrast", [False, True])
def test_the_mean_of_the_trained_critic_is_the_kl_of_a_gaussian(adaptive_contrast, float64):
    toy = linear_gaussian(num=20)
    model, batch = gaussian(toy, adaptive_contrast=adaptive_contrast), Batch(toy.x.repeat(1_000, 1))
    player = model.players()[1]
    optimizer = torch.optim.LBFGS(player.parameters, max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        torch.manual_seed(0)
        optimizer.zero_grad()
        loss = player.loss(batch).value
        loss.backward(inputs=player.parameters)
        return loss

    optimizer.step(closure)
    torch.manual_seed(1)
    latent = toy.rough.infer(batch.x).only()
    assert latent.kl.mean() > 1
    assert abs(model.log_ratio(latent, batch).mean() - latent.kl.mean()) < 0.05


class Optimum(nn.Module):
    """log q(z | x) - log r(z | x) at points that ``restore`` gives back, with parameters that receive no gradient."""

    def __init__(self, q, r, restore=lambda z: z):
        super().__init__()
        self.q, self.r, self.restore = stop_parameters(q), r, restore

    def forward(self, z, *told):
        return self.q.log_prob(self.restore(z)) - self.r.log_prob(self.restore(z))


def correlated():
    """A posterior whose moments' normal is another distribution than it is, and an exact critic of it."""
    torch.manual_seed(3)
    full = partial(Head, net=mlp(5), family=partial(FullNormal, min_scale=1e-3))
    densities = adversarial(posterior=full, prior=StandardNormal)
    return densities, batch_for(VAE(densities=densities, optimizer=adam()))


@pytest.mark.parametrize("adaptive_contrast", [False, True])
def test_with_the_optimal_critic_the_loss_is_the_elbo_and_its_gradient_that_through_the_draws(
    adaptive_contrast, float64
):
    """KL(q || p) = KL(q || r) + E_q[log r - log p], whatever q is: here draw by draw."""
    densities, batch = correlated()
    model = AVB(mlp(4), adam(), adaptive_contrast, densities=densities, optimizer=adam())
    latent = densities.infer(batch.x).only()
    if adaptive_contrast:
        r = normal_of_moments(latent)
        assert kl_divergence(latent.q, stop_parameters(latent.p)).mean() > 0
        model.critic = Optimum(latent.q, r, lambda z: r.mean + r.stddev * z)
    else:
        model.critic = Optimum(latent.q, latent.p)
    torch.manual_seed(0)
    loss = model.loss(batch)
    torch.manual_seed(0)
    terms = densities.terms(batch.x)
    latent = terms.latents.only()
    through_draws = (stop_parameters(latent.q).log_prob(latent.z) - latent.log_p - terms.log_lik).mean()
    torch.testing.assert_close(loss.value, -terms.log_weight.mean())
    torch.testing.assert_close(loss.metrics["estimated_elbo"], terms.log_weight.mean())
    parameters = list(densities.parameters())
    for found, expected in zip(
        torch.autograd.grad(loss.value, parameters), torch.autograd.grad(through_draws, parameters), strict=True
    ):
        torch.testing.assert_close(found, expected)


def test_adaptive_contrast_shows_the_critic_standardised_draws(float64):
    """Of a Gaussian posterior they are those of N(0, I), and nothing is left for the critic to tell."""
    toy = linear_gaussian(num=4)
    model, batch = gaussian(toy, adaptive_contrast=True), Batch(toy.x.repeat(5_000, 1))
    for points in (model.posterior_points, model.contrast_points):
        torch.manual_seed(0)
        z, x = points(batch)
        assert torch.equal(x, batch.x)
        torch.testing.assert_close(z.mean(0), torch.zeros(2), atol=0.03, rtol=0)
        torch.testing.assert_close(z.T.cov(), torch.eye(2), atol=0.05, rtol=0)
    latent = toy.rough.infer(toy.x).only()
    torch.testing.assert_close(normal_of_moments(latent).log_prob(latent.z), latent.log_q)


@pytest.mark.parametrize(
    "posterior",
    [
        NOISE,
        partial(Head, net=mlp(5), family=partial(FlowFamily, steps=partial(NETWORKS, num_parameters=3), min_scale=1)),
    ],
    ids=["universal", "flow"],
)
def test_unknown_moments_are_those_of_draws_made_anew(posterior, float64):
    torch.manual_seed(4)
    densities = adversarial(posterior=posterior, prior=StandardNormal)
    latent = densities.infer(torch.eye(6)[:2]).only()
    many = latent.q.sample((50_000,))
    found = [normal_of_moments(latent) for _ in range(300)]
    means, variances = (torch.stack([getattr(r, name) for r in found]) for name in ("mean", "variance"))
    error = many.std(0) / (300 * NUM_DRAWS) ** 0.5
    assert ((means.mean(0) - many.mean(0)) / error).abs().max() < 5
    torch.testing.assert_close(variances.mean(0), many.var(0), rtol=0.15, atol=0)
    assert not torch.equal(means[0], means[1])
    assert not any(r.mean.requires_grad or r.stddev.requires_grad for r in found)


def test_it_reports_no_bound_even_where_there_is_one():
    model = avb(partial(Head, net=mlp(5), family=DiagonalNormal)).eval()
    batch = batch_for(model)
    for report in (model.report(batch), model.loss(batch).metrics):
        assert report.keys() == {"distortion", "estimated_elbo"}


def test_the_critic_reads_the_datum_and_its_conditions():
    model = avb(spec=LABELLED)
    assert model.critic.shapes == ((2,), (6,), (3,))
    assert [part.shape for part in model.posterior_points(batch_for(model))] == [(8, 2), (8, 6), (8, 3)]


def without_parts():
    return AVB(mlp(4), adam(), densities=autoencoder(), optimizer=adam())


def of_roll():
    densities = adversarial(posterior=NOISE, prior=ROLL)
    return AVB(mlp(4), adam(), adaptive_contrast=True, densities=densities, optimizer=adam())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: avb(CODE_HEAD), "point mass.*infinite: choose posterior=universal or diagonal_normal, or.*model=aae"),
        (without_parts, "one of the two is missing: choose model=aae"),
        (of_roll, "density of the prior.*set model.adaptive_contrast=false, or choose prior=standard_normal"),
    ],
)
def test_what_it_cannot_train_is_refused(build, message):
    with refused(message):
        build()


def nll_of(densities):
    """The mean of -log p(x) over the four points, by a sum over a grid of the plane."""
    axis = torch.linspace(-6, 6, 601)
    z = torch.cartesian_prod(axis, axis)
    latents = densities.imagine((len(z),))
    log_prior = latents.only().p.expand((len(z),)).log_prob(z)
    with torch.no_grad():
        p = densities.decode(z)
        log_lik = torch.stack([p.log_prob(x.expand(len(z), 1, 2, 2)) for x in torch.eye(4).view(4, 1, 2, 2)])
    return -((log_prior + log_lik).logsumexp(1) + 2 * (axis[1] - axis[0]).log()).mean()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*its last value is never reached")
def test_on_four_points_its_posteriors_part_where_gaussians_overlap():
    """Figure 2 and table 1 of the paper: the log-likelihood is higher than that of the VAE of the same nets."""
    data = FourPoints(batch_size=128)
    wide = partial(mlp(64, 64).func, hidden=[64, 64], activation="ReLU", init="glorot")
    parts = (data.spec, 2, StandardNormal)
    likelihood, optimizer = partial(Head, net=wide, family=Bernoulli), adam(lr=1e-3)
    torch.manual_seed(0)
    implicit = adversarial_layer(*parts, partial(Universal, net=wide, num_noise=10), likelihood)
    critic = partial(wide, hidden=[128, 128])
    model = AVB(critic, optimizer, densities=implicit, optimizer=optimizer, monitor="val/estimated_elbo")
    normal = single_layer(*parts, partial(Head, net=wide, family=DiagonalNormal), likelihood)
    for trained in (model, VAE(densities=normal, optimizer=optimizer)):
        fit(trained, data=data, max_epochs=100)
    assert nll_of(implicit) < 1.50 < 1.55 < nll_of(normal)
