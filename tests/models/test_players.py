"""Who is handed to the critics, as what: draws of the prior as real, codes as fake, each to the critic of its kind."""

from functools import partial

import pytest
import torch
from tests.helpers import CLASSES, adam
from tests.models.registry import RING, aae, adversarial, clustering_aae, make, semi_aae, training_batch_for
from torch import nn

from elbolab.batch import Batch, Semi
from elbolab.models.players import CriticGoal, critic_player

pytestmark = pytest.mark.usefixtures("float64")

SURE = 20.0
"""A logit at which a critic is sure: softplus(-20) is 2e-9."""


class Knowing(nn.Module):
    """A critic that says real or fake by a rule, with a parameter so that it can be a player."""

    def __init__(self, is_real):
        super().__init__()
        self.is_real = is_real
        self.scale = nn.Parameter(torch.tensor(SURE))

    def forward(self, *points):
        return torch.where(self.is_real(*points), self.scale, -self.scale)


class Seeing(Knowing):
    """A critic that keeps what it is shown: real points, then fake ones."""

    def __init__(self):
        super().__init__(lambda points: points[:, 0] > 0)
        self.seen = []

    def forward(self, *points):
        self.seen.append(points[0].detach())
        return super().forward(*points) + 0 * points[0].sum(1)  # for the penalty of its slope


def far_codes(model, style=slice(0, 2)):
    """The codes of all data are near 1000, where no draw of a prior here is."""
    last = model.densities.posterior.net.layers[-1]
    with torch.no_grad():
        last.bias[style] = 1000.0
    return model


def near(z, *_):
    return z.abs().amax(1) < 100


def losses(model):
    batch = training_batch_for(model)
    return {player.name: player.loss(batch).value.item() for player in model.players()}


def test_the_critic_is_right_where_it_tells_draws_of_the_prior_from_codes():
    model = far_codes(aae()).double()
    model.critic = Knowing(near)
    found = losses(model)
    assert found["critic"] == pytest.approx(0, abs=1e-7)
    assert found["generator"] == pytest.approx(SURE, abs=1e-7)


@pytest.mark.parametrize("make_model", [semi_aae, clustering_aae])
def test_each_of_two_critics_sees_its_part_and_the_encoder_plays_against_both(make_model):
    model = far_codes(make_model()).double()
    is_one_hot = lambda y: y.amax(1) == 1  # noqa: E731  # as no softmax of a network of finite weights is
    model.critics.style, model.critics.category = Knowing(near), Knowing(is_one_hot)
    found = losses(model)
    assert found["style_critic"] == pytest.approx(0, abs=1e-7)
    assert found["category_critic"] == pytest.approx(0, abs=1e-7)
    assert found["generator"] == pytest.approx(2 * SURE, abs=1e-7)  # the sum over critics


@pytest.mark.parametrize("name", ["aae, semi-supervised", "aae, clustering"])
def test_the_category_critic_sees_probabilities_and_uniform_one_hot_draws(name):
    model = make(name).double()
    model.critics.category, num = Seeing(), model.critics.num_categories
    losses(model)
    real, codes, *_ = model.critics.category.seen
    assert torch.equal(real.sort(1).values, torch.eye(num)[-1].expand(len(real), -1))
    torch.testing.assert_close(codes.sum(1), torch.ones(len(codes)))
    assert ((codes > 0) & (codes < 1)).all()
    (drawn,) = model.critics.draw_categories(Batch(torch.zeros(6_000, 6)))
    assert torch.equal(drawn.sort(1).values, torch.eye(num)[-1].expand(6_000, -1))
    share = drawn.mean(0)
    assert ((share - 1 / num).abs() < 5 * (1 / num / 6_000) ** 0.5).all()


class Bowl(nn.Module):
    """A critic of logit |z|^2 / 2, whose gradient is z."""

    def forward(self, z):
        return z.square().sum(1) / 2


def test_the_penalty_is_taken_where_the_critic_sees_real_points():
    """1/2 E |z|^2 over the prior N(0, 3^2 I) in the plane is 9; over codes near 1000 it would be 10^6."""
    model = far_codes(aae(gradient_penalty=2.0)).double()
    critic = Bowl()
    player = critic_player(critic, model.prior_points, model.code_points, adam(), model.goal)
    batch = Batch(torch.zeros(40_000, 6))
    torch.manual_seed(0)
    loss = player.loss(batch)
    assert loss.metrics["penalty"].item() == pytest.approx(9, rel=0.05)
    plain = critic_player(critic, model.prior_points, model.code_points, adam(), CriticGoal(0.0, 0.0))
    torch.manual_seed(0)
    torch.testing.assert_close(loss.value, plain.loss(batch).value + 2 * loss.metrics["penalty"])


def informed():
    return aae(partial(adversarial, spec=CLASSES, prior=RING), label_informed=True).double()


def test_a_code_is_told_with_the_label_of_its_own_datum():
    model = informed()
    labelled = Batch(torch.eye(6)[:4], y=torch.tensor([2, 0, 1, 2]))
    unlabelled = Batch(torch.ones(3, 6))
    batch = Semi.of(labelled, unlabelled, 0.1)
    z, told = model.code_points(batch)
    torch.testing.assert_close(z[:4], model.densities.encode(labelled.x))
    torch.testing.assert_close(z[4:], model.densities.encode(unlabelled.x))
    assert told.argmax(1).tolist() == [2, 0, 1, 2, 3, 3, 3]


def test_unknown_labels_stand_for_the_whole_prior():
    """Equally often every part, by the angle of the draw."""
    model = informed()
    few = Batch(torch.zeros(1, 6), y=torch.zeros(1, dtype=torch.long))
    z, _ = model.prior_points(Semi.of(few, Batch(torch.zeros(6_000, 6)), 0.1))
    nearest = (z[1:] @ model.densities.prior.directions.T).argmax(1).bincount(minlength=3)
    assert ((nearest / 6_000 - 1 / 3).abs() < 0.03).all()
