"""Critics at their optimum, who moves whom, and what players are refused."""

from functools import partial
from math import log

import pytest
import torch
from tests.helpers import BITS, CLASSES, LABELLED, fit, mlp, refused, weights
from tests.models.registry import (
    RING,
    aae,
    adversarial,
    class_autoencoder,
    clustering_aae,
    group_autoencoder,
    make,
    semi_aae,
    training_batch_for,
)
from torch import nn
from torch.distributions import Independent, Normal
from torch.nn import functional as F

from elbolab.batch import Batch, Semi
from elbolab.distributions.planar import SwissRoll
from elbolab.metrics.match import mmd2
from elbolab.models.players import Critic, CriticGoal, critic_loss, generator_loss, gradient_penalty
from elbolab.training.engine import Eager
from elbolab.training.guard import Guard
from elbolab.training.newest import Newest
from elbolab.training.stepper import Stepper

ADVERSARIAL = ("aae", "aae, universal", "aae, label-informed", "aae, supervised", "aae, semi-supervised")
ADVERSARIAL = (*ADVERSARIAL, "aae, clustering")


def gaussian(mean, scale=1.0):
    return Independent(Normal(torch.full((1,), mean), torch.full((1,), scale)), 1)


def jensen_shannon(p, q):
    """By the trapezoidal rule, which is exact to rounding for smooth densities on a wide grid."""
    z = torch.linspace(-30, 30, 20_001)[:, None]
    a, b = p.log_prob(z), q.log_prob(z)
    m = torch.logaddexp(a, b) - log(2)
    return 0.5 * torch.trapezoid(a.exp() * (a - m) + b.exp() * (b - m), z[:, 0])


class Ratio(nn.Module):
    """log p - log q + shift."""

    def __init__(self, p, q, shift=0.0):
        super().__init__()
        self.p, self.q, self.shift = p, q, shift

    def forward(self, z):
        return self.p.log_prob(z) - self.q.log_prob(z) + self.shift


@pytest.mark.parametrize(("mean", "scale"), [(0.0, 1.0), (2.0, 1.0), (1.0, 3.0)])
def test_the_loss_of_the_optimal_critic_is_known(mean, scale, float64):
    """2 log 2 - 2 JS; at the density ratio the loss has its minimum, and no shift of it is better."""
    p, q = gaussian(0.0), gaussian(mean, scale)
    u = ((torch.arange(20_000) + 0.5) / 20_000)[:, None]  # quantiles: expectations without noise
    real, fake = (p.base_dist.icdf(u),), (q.base_dist.icdf(u),)
    least = critic_loss(Ratio(p, q), real, fake)
    torch.testing.assert_close(least, 2 * log(2) - 2 * jensen_shannon(p, q), atol=2e-4, rtol=0)
    assert all(critic_loss(Ratio(p, q, shift), real, fake) > least for shift in (-0.5, 0.5))


def test_a_trained_linear_critic_finds_the_density_ratio_of_two_gaussians(float64):
    """N(1, 1) against N(-1, 1): the ratio is 2 z, which a linear critic can be."""
    u = ((torch.arange(20_000) + 0.5) / 20_000)[:, None]
    real, fake = (Normal(1.0, 1.0).icdf(u),), (Normal(-1.0, 1.0).icdf(u),)
    critic = Critic(mlp(), (1,))
    optimizer = torch.optim.LBFGS(critic.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = critic_loss(critic, real, fake)
        loss.backward()
        return loss

    optimizer.step(closure)
    (layer,) = critic.net.layers
    assert layer.weight.item() == pytest.approx(2, abs=2e-3)
    assert layer.bias.item() == pytest.approx(0, abs=2e-3)
    expected = 2 * log(2) - 2 * jensen_shannon(gaussian(1.0), gaussian(-1.0)).item()
    assert critic_loss(critic, real, fake).item() == pytest.approx(expected, abs=2e-4)


class Constant(nn.Module):
    """One logit for all points."""

    def __init__(self, logit):
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(logit))

    def forward(self, z):
        return self.logit.expand(len(z))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.3])
def test_smoothing_moves_the_optimum_of_a_critic_that_cannot_tell(smoothing, float64):
    """D* = (1 - smoothing) p / (p + q) = (1 - smoothing) / 2 where p = q."""
    best = (1 - smoothing) / 2
    critic = Constant(log(best / (1 - best)))
    points = (torch.zeros(4, 1),)
    loss = critic_loss(critic, points, points, smoothing)
    loss.backward()
    torch.testing.assert_close(critic.logit.grad, torch.zeros(()), atol=1e-12, rtol=0)
    torch.testing.assert_close(loss, torch.tensor(-2 * (best * log(best) + (1 - best) * log(1 - best))))


def test_the_generator_does_not_saturate_where_the_critic_is_sure(float64):
    critic = Constant(-20.0)
    loss = generator_loss(critic, (torch.zeros(4, 1),))
    loss.backward()
    torch.testing.assert_close(loss, -F.logsigmoid(torch.tensor(-20.0)))
    torch.testing.assert_close(critic.logit.grad, torch.tensor(-1.0))


def test_the_penalty_of_a_linear_critic_is_half_its_squared_weight(float64):
    critic, told = Critic(mlp(), (3,), (2,)), torch.rand(5, 2)
    (layer,) = critic.net.layers
    penalty = gradient_penalty(critic, (torch.randn(5, 3), told))
    torch.testing.assert_close(penalty, 0.5 * layer.weight[0, :3].square().sum())
    penalty.backward()
    torch.testing.assert_close(layer.weight.grad[0], torch.cat([layer.weight[0, :3].detach(), torch.zeros(2)]))


def test_the_penalty_is_added_with_its_weight():
    model = make("aae, universal")
    _, critic, _ = model.players()
    torch.manual_seed(1)
    loss = critic.loss(training_batch_for(model))
    model.goal = CriticGoal(0.0, 0.0)
    _, plain, _ = model.players()
    torch.manual_seed(1)
    torch.testing.assert_close(loss.value - 0.5 * loss.metrics["penalty"], plain.loss(training_batch_for(model)).value)


def stepping(model, only=None):
    """A stepper of all players, of whom all but ``only`` stand still."""
    players = model.players()
    optimizers = [
        torch.optim.SGD(player.parameters, lr=0.1 if only in (None, i) else 0.0) for i, player in enumerate(players)
    ]
    step = torch.tensor(0)
    return Stepper(players, optimizers, step, None, Guard(), None, world=1, autocast=None, engine=Eager())


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_a_step_of_one_player_moves_its_parameters_and_no_others(name):
    """After a whole step of all players, of whom one moves."""
    for i in range(len(make(name).players())):
        model = make(name)
        before = {key: p.detach().clone() for key, p in model.named_parameters()}
        mine = {id(p) for p in model.players()[i].parameters}
        stepping(model, only=i).take(training_batch_for(model))
        for key, parameter in model.named_parameters():
            assert torch.equal(parameter, before[key]) == (id(parameter) not in mine), key


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_critics_and_densities_share_nothing(name):
    model = make(name)
    densities = {id(p) for p in model.densities.parameters()}
    players = model.players()
    critics = [player for player in players if "critic" in player.name]
    assert all(not densities & {id(p) for p in critic.parameters} for critic in critics)
    assert all({id(p) for p in player.parameters} <= densities for player in players if player not in critics)
    assert all(player.loss(training_batch_for(model)).value.requires_grad for player in players)


def test_players_step_in_the_papers_order():
    names = lambda model: [player.name for player in model.players()]  # noqa: E731
    assert names(make("aae")) == ["", "critic", "generator"]
    assert names(make("aae, clustering")) == ["", "style_critic", "category_critic", "generator"]
    semi = ["", "style_critic", "category_critic", "generator", "classifier"]
    assert names(make("aae, semi-supervised")) == semi


def test_the_critic_sees_the_encoder_that_has_reconstructed():
    """One step by hand: reconstruct, then the critic, then the encoder against the critic that has moved."""
    ours, hands = make("aae"), make("aae")
    torch.manual_seed(2)
    stepping(ours).take(training_batch_for(ours))
    torch.manual_seed(2)
    for player in hands.players():
        grads = torch.autograd.grad(player.loss(training_batch_for(hands)).value, player.parameters)
        with torch.no_grad():
            for parameter, grad in zip(player.parameters, grads, strict=True):
                parameter -= 0.1 * grad
    torch.testing.assert_close(weights(ours), weights(hands))


def test_a_label_names_the_part_of_the_prior_and_unknown_ones_are_told_apart():
    model = aae(partial(adversarial, spec=CLASSES, prior=RING), label_informed=True)
    x, y = torch.zeros(600, 6), torch.arange(600) % 3
    batch = Semi.of(Batch(x, y=y), Batch(x), 0.1)
    (z, told), directions = model.prior_points(batch), model.densities.prior.directions
    assert torch.equal(told.argmax(1), torch.cat([y, torch.full((600,), 3)]))
    nearest = (z @ directions.T).argmax(1)
    assert torch.equal(nearest[:600], y)
    assert (nearest[600:].bincount(minlength=3) > 150).all()
    _, told_of_codes = model.code_points(batch)
    assert torch.equal(told, told_of_codes)


def test_the_supervised_code_does_not_see_the_label_and_the_decoder_does():
    densities = make("aae, supervised").densities
    x, (one, other) = torch.ones(3, 6), torch.eye(3)[[0, 1]].repeat_interleave(3, 0).split(3)
    assert torch.equal(densities.encode(x, one), densities.encode(x, other))
    z = torch.zeros(3, 2)
    assert not torch.equal(densities.decode(z, one).mean, densities.decode(z, other).mean)


def test_the_critic_of_a_supervised_code_is_not_told_the_label():
    """Figure 6 of Makhzani et al. (2015); it is in figure 3 that the critic is told, `label_informed`."""
    model = make("aae, supervised")
    batch = training_batch_for(model)
    assert model.critic.shapes == (model.densities.latent_shape,)
    assert [len(points(batch)) for points in (model.code_points, model.prior_points)] == [1, 1]
    informed = make("aae, label-informed")
    assert informed.critic.shapes == (informed.densities.latent_shape, (4,))


def test_a_classifier_learns_from_the_labelled_part_alone():
    model = make("aae, semi-supervised").eval()
    batch = training_batch_for(model)
    labelled = batch.labelled
    expected = -model.densities.log_class_probs(labelled.x).gather(1, labelled.y[:, None]).mean()
    other = batch._replace(unlabelled=Batch(1 - batch.unlabelled.x))
    torch.testing.assert_close(model.classify(other).value, expected)
    first, other_first = (model.loss(batch).value for batch in (batch, other))
    assert first != other_first


def test_the_reported_error_is_the_share_of_wrong_classes():
    model = make("aae, semi-supervised").eval()
    x = torch.randint(2, (50, 6)).float()
    best = model.densities.log_class_probs(x).argmax(1)
    assert model.report(Batch(x, y=best))["error"] == 0
    assert model.report(Batch(x, y=torch.where(torch.arange(50) < 10, (best + 1) % 3, best)))["error"] == 0.2


def test_the_reported_discrepancy_is_that_of_codes_and_as_many_draws_in_the_mean_over_bandwidths():
    model = aae()
    x = torch.randint(2, (40, 6)).float()
    torch.manual_seed(3)
    found = model.report(Batch(x))["mmd2"]
    torch.manual_seed(3)
    expected = mmd2(model.densities.encode(x), model.densities.prior().rsample((40,)))
    assert expected.max() > 1.1 * expected.mean() > 0
    torch.testing.assert_close(found, expected.mean())


def test_one_datum_has_no_discrepancy():
    assert make("aae").report(Batch(torch.ones(1, 6)))["mmd2"] == 0


def test_three_players_resume_to_the_bit(tmp_path):
    whole, parts, resumed = (make("aae, semi-supervised") for _ in range(3))
    fit(whole, max_steps=20)
    fit(parts, max_steps=12, callbacks=[Newest(str(tmp_path), every_seconds=None)])
    fit(resumed, resume=tmp_path / "last.ckpt", max_steps=20)
    assert torch.equal(weights(whole), weights(resumed))


def told_wrong_shape():
    return Critic(mlp(4), (2,), (4,))(torch.zeros(5, 2), torch.zeros(5, 3))


def semi_without_labels():
    model = make("aae, semi-supervised")
    return model.players()[-1].loss(Batch(torch.ones(4, 6), y=torch.zeros(4, dtype=torch.long)))


def informed_without_labels():
    model = make("aae, label-informed")
    return model.players()[1].loss(Batch(torch.ones(4, 6)))


def few_labels_for_nobody():
    return make("aae").players()[1].loss(training_batch_for(make("aae, semi-supervised")))


@pytest.mark.parametrize("name", ["aae", "aae, label-informed"])
def test_a_critic_is_its_head_on_its_features(name):
    critic = make(name).critic
    points = [torch.randn(5, *shape) for shape in critic.shapes]
    features = critic.features(*points)
    assert features.shape == (5, critic.head.in_features)
    torch.testing.assert_close(critic.head(features).squeeze(1), critic(*points))
    assert features.requires_grad
    assert [name for name, _ in critic.named_parameters() if "head" in name] == []


def test_a_critic_may_end_in_a_convolution():
    critic = Critic(
        lambda *_: nn.Sequential(nn.Conv2d(1, 3, 3), nn.Tanh(), nn.Conv2d(3, 1, 2), nn.Flatten()), (1, 4, 4)
    )
    points = torch.randn(5, 1, 4, 4)
    assert critic.features(points).shape == (5, 12)
    torch.testing.assert_close(critic.head(critic.features(points).view(5, 3, 2, 2)).flatten(), critic(points))


def test_building_a_critic_draws_nothing():
    net = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 1))
    state = torch.get_rng_state()
    critic = Critic(lambda *_: net, (2,))
    assert torch.equal(torch.get_rng_state(), state)
    assert critic.training
    assert net[0].training


NO_HEAD = "does not return what its last linear layer returns: choose net@model.critic=critic or mlp"


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Critic(lambda *_: nn.Sequential(nn.Linear(2, 1), nn.Tanh()), (2,)), NO_HEAD),
        (lambda: Critic(lambda *_: nn.Sequential(nn.Linear(2, 1), nn.PReLU()), (2,)), NO_HEAD),
        (lambda: Critic(lambda *_: nn.Flatten(), (1,)), NO_HEAD),
        (lambda: Critic(mlp(4), (2,))(torch.zeros(5, 3)), r"shape \(\(2,\),\), and was given \(\(3,\),\).*latent_dim"),
        (told_wrong_shape, r"was given \(\(2,\), \(3,\)\)"),
        (lambda: aae(label_smoothing=0.5), r"model.label_smoothing=0.5.*\[0, 0.5\)"),
        (lambda: aae(gradient_penalty=-1.0), "model.gradient_penalty=-1.0"),
        (
            lambda: aae(class_autoencoder),
            "Layer densities, not ClassAutoencoder: choose model=aae",
        ),
        (lambda: semi_aae(adversarial), "choose model=aae_semi"),
        (lambda: clustering_aae(class_autoencoder), "choose model=aae_clustering"),
        (
            lambda: aae(label_informed=True),
            "data have none: choose data=mnist, or set model.label_informed=false",
        ),
        (
            lambda: aae(partial(adversarial, CLASSES), label_informed=True),
            "one part for each class; there are 3 classes and no parts: choose prior=gaussian_ring",
        ),
        (
            lambda: aae(
                partial(adversarial, CLASSES, prior=partial(SwissRoll, turns=1.0, outer_radius=1.0, num_labels=5)),
                label_informed=True,
            ),
            "3 classes and 5 parts: choose prior=gaussian_ring with densities.prior.num_components=3, "
            "or choose prior=swiss_roll with densities.prior.num_labels=3",
        ),
        (semi_without_labels, "data.num_labelled=100"),
        (informed_without_labels, "reads class labels.*data=mnist"),
        (few_labels_for_nobody, "data.num_labelled=null.*model=aae with model.label_informed=true"),
        (lambda: class_autoencoder(spec=BITS), "data with class labels.*model=aae"),
        (lambda: class_autoencoder(spec=LABELLED), "data.given=none"),
        (lambda: group_autoencoder(1), "num_groups=1: at least two"),
    ],
)
def test_impossible_games_are_refused(act, message):
    with refused(message):
        act()
