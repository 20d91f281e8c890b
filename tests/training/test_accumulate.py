"""A batch in parts has the gradient and the metrics of the whole, or its loss refuses parts."""

import pytest
import torch
from tests.models.registry import VARIANTS, batch_for, make
from tests.noise import SameNoise

from elbolab.batch import Batch, Semi
from elbolab.training.engine import Eager
from elbolab.training.guard import Guard
from elbolab.training.stepper import Stepper

pytestmark = pytest.mark.usefixtures("float64")

NO_MEAN = ["beta_vae, capacity", "beta_vae, free bits", "beta_vae, free bits of layers", "vae, optimal scale"]
LABEL_INFORMED = "aae, label-informed"


def batch_of(model):
    """Nine data; beside them five labelled ones where a model takes such: no number of parts divides both."""
    batch = batch_for(model, 9)
    if Semi not in model.takes:
        return batch
    few = batch_for(model, 5)
    return Semi.of(few._replace(x=1 - few.x), Batch(batch.x, batch.given), 0.1)


def backward(name, accumulate, batch=None):
    """Gradients and metrics of every player, the noise the same for each datum."""
    model = make(name).double().train()
    players, found = model.players(), []
    stepper = Stepper(
        players,
        [player.optimizer(player.parameters) for player in players],
        step=model.step,
        schedule=None,
        guard=Guard(accumulate=accumulate),
        ema=None,
        world=1,
        autocast=None,
        engine=Eager(),
    )
    for player in players:
        with SameNoise():
            metrics = stepper._backward(player, batch_of(model) if batch is None else batch)
        found.append(metrics | {str(i): p.grad.clone() for i, p in enumerate(player.parameters)})
        model.zero_grad()
    return found


@pytest.mark.parametrize("name", [name for name in VARIANTS if name not in [*NO_MEAN, LABEL_INFORMED]])
def test_parts_have_the_gradient_and_the_metrics_of_the_whole(name):
    torch.testing.assert_close(backward(name, 4), backward(name, 1), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", [*NO_MEAN, LABEL_INFORMED])
def test_a_loss_that_is_no_mean_over_data_refuses_parts(name):
    assert backward(name, 1)
    with pytest.raises(ValueError, match="model.accumulate=4.*model.accumulate=1"):
        backward(name, 4)


def test_a_critic_that_is_told_all_labels_takes_parts():
    batch = batch_for(make(LABEL_INFORMED), 9)
    torch.testing.assert_close(
        backward(LABEL_INFORMED, 4, batch), backward(LABEL_INFORMED, 1, batch), rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("gradient_penalty", [0.0, 0.5])
def test_critic_and_generator_both_say_that_some_labels_are_no_mean_over_data(gradient_penalty):
    model = make(LABEL_INFORMED).double()
    model.gradient_penalty = gradient_penalty
    assert [player.loss(batch_of(model)).additive for player in model.players()] == [True, False, False]
    assert [player.loss(batch_for(model, 9)).additive for player in model.players()] == [True, True, True]
