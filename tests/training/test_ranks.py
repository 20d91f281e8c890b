"""Every variant on two ranks (gloo), against itself and against one process on the joined batch."""

from typing import NamedTuple

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from tests.helpers import weights
from tests.models.registry import VARIANTS, make, training_batch_for
from tests.noise import SameNoise

from elbolab.training.engine import Eager
from elbolab.training.guard import Guard
from elbolab.training.stepper import Stepper
from elbolab.training.trainer import FlatDDP
from elbolab.training.trees import split_batch

pytestmark = pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)  # fork, by intent

STEPS = 3
NOISELESS = {"regression", "classifier", "ae", "rae, weight decay", "rae, spectral norm"}
NO_MEAN = {"beta_vae, free bits", "beta_vae, free bits of layers", "vae, optimal scale"}
"""What clamps a mean over the batch, or fits a scale to it, which each rank does for its own data."""


class Weights(NamedTuple):
    """A rank's, after steps with noise of its own and with one noise for every datum."""

    own: torch.Tensor
    same: torch.Tensor


def stepped(model, batch, world):
    """The weights after a few steps, by the trainer's own stepper."""
    players = model.players()
    optimizers = [torch.optim.SGD(player.parameters, lr=0.05) for player in players]
    options = {"schedule": None, "guard": Guard(), "ema": None, "world": world, "autocast": None}
    stepper = Stepper(players, optimizers, step=model.step, engine=Eager(), **options)
    for _ in range(STEPS):
        stepper.take(batch)
    return weights(model)


def take_turns(number, folder):
    """Both ranks take each variant in turn: with noise of their own, and with one noise for every datum."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=number, world_size=2)
    found = {}
    for name in VARIANTS:
        own, same = (placed(name, number) for _ in range(2))
        batch = split_batch(training_batch_for(own), 2)[number]
        torch.manual_seed(number)
        found[name] = [stepped(own, batch, world=2)]
        with SameNoise():
            found[name].append(stepped(same, batch, world=2))
    torch.save(found, folder / f"{number}.pt")
    dist.destroy_process_group()


def placed(name, number):
    """A variant whose ranks start apart, as the strategy places it."""
    model = make(name)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(number)
    strategy = FlatDDP()
    strategy.connect(model)
    strategy.configure_ddp()
    return model.train()


def faults(name, first, second):
    """What is wrong with the weights that both ranks have of a variant."""
    start, model = weights(make(name)), make(name).train()
    batch = training_batch_for(model)
    with SameNoise():
        one = stepped(model, batch, world=1)
    apart = (first.same - one).abs().max()
    holds = {
        "noise of their own makes two models of the ranks": torch.equal(first.own, second.own),
        "one noise makes two models of the ranks": torch.equal(first.same, second.same),
        "nothing has moved": not torch.equal(first.own, start) and not torch.equal(one, start),
        "noise makes no difference": not torch.equal(first.own, first.same) or name in NOISELESS,
        f"two ranks are {apart} from one process": apart > 1e-4 if name in NO_MEAN else apart < 1e-6,
    }
    return [fault for fault, is_well in holds.items() if not is_well]


def test_every_variant_steps_on_two_ranks_as_on_one(tmp_path):
    """One launch for all of them: it costs more than their steps."""
    mp.start_processes(take_turns, (tmp_path,), nprocs=2, start_method="fork")
    first, second = (
        {name: Weights(*w) for name, w in torch.load(tmp_path / f"{number}.pt").items()} for number in range(2)
    )
    assert {name: found for name in VARIANTS if (found := faults(name, first[name], second[name]))} == {}
