"""The learning rate of a step is the base rate times the factor of that step, whatever the steps before it had."""

from functools import partial

import pytest
import torch
from tests.training.test_stepper import make
from torch import nn

from elbolab.training.guard import Guard
from elbolab.training.optimizers import prepare, set_learning_rate, takes_tensors
from elbolab.training.player import Loss, Player
from elbolab.training.schedules import Linear

FACTORS = [0.5, 0.4, 0.3, 0.2, 0.1, 0.1]
OPTIMIZERS = {
    "a number": partial(torch.optim.SGD, lr=2.0),
    "a tensor": partial(torch.optim.SGD, lr=2.0, fused=True),
}


def downhill(optimizer, name=""):
    """A player whose gradient is 1 everywhere: a step of SGD moves it by the learning rate."""
    weight = nn.Parameter(torch.zeros(()))
    return Player(lambda _: Loss(weight * 1.0, {}), [weight], optimizer, name)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_rate_does_not_compound(name):
    player, schedule = downhill(OPTIMIZERS[name]), Linear(0.5, 0.1, steps=4)
    run, places = make(player, schedule=schedule), [0.0]
    for _ in FACTORS:
        run.run([torch.zeros(1)])
        places.append(player.parameters[0].item())
    steps = [before - after for before, after in zip(places, places[1:], strict=False)]
    assert steps == pytest.approx([2 * factor for factor in FACTORS], rel=1e-5)
    assert takes_tensors(run.optimizers[0].param_groups[0]) == (name == "a tensor")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_restored_rate_starts_from_the_base_and_not_from_the_scheduled_one(name):
    first, second = (OPTIMIZERS[name]([nn.Parameter(torch.zeros(()))]) for _ in range(2))
    prepare(first, scheduled=True)
    set_learning_rate(first, torch.tensor(0.25))
    second.load_state_dict(first.state_dict())
    prepare(second, scheduled=True)
    set_learning_rate(second, torch.tensor(0.75))
    assert float(second.param_groups[0]["lr"]) == pytest.approx(1.5)


def test_every_group_has_its_own_base():
    slow, fast = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))
    optimizer = torch.optim.SGD([{"params": [slow], "lr": 1.0}, {"params": [fast], "lr": 10.0}])
    prepare(optimizer, scheduled=True)
    for factor in (0.5, 0.1):
        set_learning_rate(optimizer, torch.tensor(factor))
    assert [float(group["lr"]) for group in optimizer.param_groups] == pytest.approx([0.1, 1.0])


def test_each_player_is_clipped_by_the_norm_of_its_own_gradient():
    """One norm over both would shrink the small gradient, beside the large one that the step before has left."""
    sgd = partial(torch.optim.SGD, lr=1.0)
    small, large = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))
    players = (
        Player(lambda _: Loss(small * 0.5, {}), [small], sgd),
        Player(lambda _: Loss(large * 400.0, {}), [large], sgd, name="critic"),
    )
    means = make(*players, guard=Guard(clip_norm=1.0)).run([torch.zeros(1)] * 3)
    assert small.item() == pytest.approx(-1.5)
    assert large.item() == pytest.approx(-3.0, rel=1e-4)
    assert means["grad_norm"] == pytest.approx(0.5)
    assert means["critic_grad_norm"] == pytest.approx(400)
