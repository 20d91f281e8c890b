"""What a CPU can and cannot record; tests/training/test_engine.py has that records are the eager steps."""

import logging
import random
import re

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from tests.helpers import adam, fit, small_densities, small_vae, weights
from torch import nn
from torch.distributions import Distribution

from elbolab.data.blocks import Block
from elbolab.models.base import ElboModule, Loss, one_player
from elbolab.training import engine
from elbolab.training.engine import Captured, Eager
from elbolab.training.graphs import Unrepeatable
from elbolab.training.recorded import Recorder

DATA = torch.rand(20, 6, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def _no_checks():
    Distribution.set_default_validate_args(False)


class Peeking(nn.Module):
    """A small step with something in its loss that is no function of the batch and of tensors."""

    def __init__(self, peek):
        super().__init__()
        torch.manual_seed(4)
        random.seed(4)
        np.random.seed(4)
        self.net, self.peek = nn.Linear(6, 1), peek
        self.register_buffer("seen", torch.zeros(()), persistent=False)
        self.optimizer = torch.optim.SGD(self.parameters(), lr=0.01, momentum=0.9)

    def take(self, batch):
        self.optimizer.zero_grad()
        loss = self.net(batch).square().mean() * self.peek(self, batch)
        loss.backward()
        self.optimizer.step()


def run(module, engine, blocks=4):
    """Weights after blocks of five steps, the noise of whose batches is drawn when they are finished."""
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    for _ in range(blocks):
        engine.run(module.take, Block(list(DATA.split(4)), torch.bernoulli, range(5)))
    return weights(module)


def recording(module, **options):
    return Captured(Recorder(module), **options)


def replacing(module, x):
    module.seen = module.seen + 1
    return 1.0


def counting(module, x):
    module.count = getattr(module, "count", 0) + 1
    return min(1.0, module.count / 20)


def averaging(module, x):
    module.average = 0.9 * getattr(module, "average", 0.0) + 0.1 * x.mean()
    return 1.0 + module.average


def reseeding(module, x):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return 1.0 + torch.rand(())


PEEKS = {
    "item": (lambda module, x: 1.0 + x.sum().item(), r"reads the values .*_dense, .*test_recorded.py:\d+\)"),
    "branch": (lambda module, x: 2.0 if x.sum() > 9 else 1.0, r"reads the values of a tensor"),
    "tolist": (lambda module, x: 1.0 + sum(x[0].tolist()), r"reads the values of a tensor \(tolist\)"),
    "numpy": (lambda module, x: 1.0 + float(x.numpy().sum()), r"reads the values of a tensor \(numpy\)"),
    "array": (lambda module, x: 1.0 + float(np.asarray(x).sum()), r"reads the values of a tensor \(__array__\)"),
    "mask": (lambda module, x: 1.0 + x[x > 0].mean(), r"reads the values .*\(index.Tensor, .*test_recorded.py:\d+\)"),
    "buffer": (replacing, r"replaces the buffer seen instead of writing into it \(use copy_\)"),
    "counter": (counting, "replayed is not the step: .* keeps a Python number"),
    "average": (averaging, r"replayed is not the step: .* another tensor in the place .* \(write into it with copy_"),
    "unseen": (lambda module, x: 1.0 + torch.tensor([x.mean()]).sum(), "replayed is not the step: .* values unseen"),
    "seed": (reseeding, "replayed is not the step: .* seeds the noise"),
    "python": (lambda module, x: 1.0 + random.random(), r"draws random numbers from Python or NumPy"),
    "legacy numpy": (lambda module, x: 1.0 + np.random.rand(), r"draws random numbers from Python or NumPy"),
}


@pytest.mark.parametrize("name", PEEKS)
def test_a_step_that_cannot_be_repeated_stays_eager_and_says_why(name, caplog):
    """It goes on as if nothing had been tried, to the bit."""
    peek, reason = PEEKS[name]
    ours, eager = Peeking(peek), Peeking(peek)
    with caplog.at_level(logging.INFO, logger="elbolab.training.engine"):
        found = run(ours, recording(ours))
    (told,) = [record.getMessage() for record in caplog.records if record.name == "elbolab.training.engine"]
    assert re.search("engine: eager steps, because the step " + reason, told)
    assert torch.equal(found, run(Peeking(peek), Eager()))
    assert not torch.equal(found, weights(eager))


def test_a_step_that_cannot_be_repeated_is_an_error_where_capture_is_insisted_on():
    module = Peeking(PEEKS["item"][0])
    with pytest.raises(ValueError, match=r"trainer\.engine=captured: .*trainer\.engine=auto"):
        run(module, recording(module, must=True))


def test_auto_records_on_a_cpu_once_a_run_is_long_enough(monkeypatch):
    made = []
    capture = Recorder.capture
    monkeypatch.setattr(engine, "RECORDED_AFTER", 20)
    monkeypatch.setattr(Recorder, "capture", lambda self, work: made.append(work) or capture(self, work))
    torch.manual_seed(0)
    ours = small_vae(ema=0.9)
    torch.manual_seed(0)
    eager = small_vae(ema=0.9)
    fit(ours, max_steps=40, max_epochs=-1)
    assert 1 <= len(made) <= 2  # whole batches, and the last of an epoch
    fit(eager, max_steps=40, max_epochs=-1, engine="eager")
    assert torch.equal(weights(ours), weights(eager))
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in ours.parameters())


def test_a_step_is_recorded_once_however_early(monkeypatch):
    """The optimiser makes its state in the same block: that is no change of settings."""
    made = []
    capture = Recorder.capture
    monkeypatch.setattr(engine, "RECORDED_AFTER", 2)
    monkeypatch.setattr(Recorder, "capture", lambda self, work: made.append(work) or capture(self, work))
    fit(small_vae(ema=0.9), max_steps=40, max_epochs=-1, limit_train_batches=5)
    assert len(made) == 1


def test_draws_that_nobody_uses_are_drawn_again():
    state = torch.zeros(2)

    def work():
        torch.rand(3)
        state.copy_(torch.rand(2))

    torch.manual_seed(0)
    replay = Recorder(nn.Module()).capture(work)
    replay()
    second = state.clone()
    torch.manual_seed(0)
    work(), work()
    assert torch.equal(state, second)


def test_a_record_leaves_out_what_has_no_effect():
    total = torch.zeros(1, requires_grad=True)
    kept = torch.zeros(1)

    def work():
        (total * 3).exp()
        kept.add_((total.detach() + 1).detach())

    Recorder(nn.Module()).capture(work)()
    assert kept.item() == 2


def test_what_is_no_number_is_the_same_in_step_and_record():
    """A metric that is NaN for a while is no reason to stay eager."""
    total = torch.tensor([float("nan"), 0.0])
    replay = Recorder(nn.Module()).capture(lambda: total.add_(1))
    replay()
    replay()
    assert total.isnan().tolist() == [True, False]
    assert total[1] == 3


def test_a_step_that_reads_is_done_once_all_the_same():
    count = torch.zeros(1)
    with pytest.raises(Unrepeatable, match="reads the values"):
        Recorder(nn.Module()).capture(lambda: count.add_(1).item())
    assert count.item() == 1


class Averaging(torch.optim.SGD):
    """An optimiser that puts new tensors in the place of its old ones, and counts in Python."""

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            group["count"] = group.get("count", 0) + 1
            for parameter in group["params"]:
                state = self.state[parameter]
                state["mean"] = 0.9 * state.get("mean", 0.0) + parameter.grad / group["count"]
                parameter.sub_(state["mean"], alpha=group["lr"])


def recurrent(module, x):
    return nn.functional.softplus(module.recurrent(x.unsqueeze(-1))[0]).mean()


def with_lstm():
    module = Peeking(recurrent)
    module.recurrent = nn.LSTM(1, 3)
    return module


def averaged():
    module = Peeking(lambda module, x: 1.0)
    module.optimizer = Averaging(module.parameters(), lr=0.01)
    return module


@pytest.mark.parametrize("make", [with_lstm, averaged])
def test_a_record_that_is_not_the_step_is_found_out_before_it_counts(make, caplog):
    ours = make()
    with caplog.at_level(logging.INFO, logger="elbolab.training.engine"):
        found = run(ours, recording(ours))
    assert len(caplog.messages) == 1
    assert torch.equal(found, run(make(), Eager()))


class Meddling(Callback):
    """Changes the third epoch, or all."""

    def __init__(self, change, always=False):
        self.change, self.always = change, always

    def on_train_epoch_start(self, trainer, module):
        if self.always or trainer.current_epoch == 2:
            self.change(trainer, module)


def slow_down(trainer, module):
    trainer.optimizers[0].param_groups[0]["lr"] *= 0.5


def turn_down(trainer, module):
    module.factor = 0.5 * module.factor


CHANGES = {"rate": slow_down, "number": turn_down, "mode": lambda trainer, module: module.dropout.eval()}


class Dropping(ElboModule):
    """A VAE whose loss has a factor, a Python number, and a dropout."""

    def __init__(self):
        torch.manual_seed(4)
        super().__init__(densities=small_densities(), optimizer=adam())
        self.factor, self.dropout = 1.0, nn.Dropout()

    def loss(self, batch):
        elbo = self.densities.terms(batch.x).elbo.mean()
        return Loss(-elbo * (self.factor + self.dropout(batch.x).mean()), {})

    def players(self):
        return one_player(self)

    def report(self, batch):
        return {"elbo": self.densities.terms(batch.x).elbo.mean()}


def meddled(change, always, max_steps=20, **options):
    """The weights after epochs of five steps."""
    ours, meddling = Dropping(), [Meddling(change, always)]
    fit(ours, max_steps=max_steps, max_epochs=-1, limit_train_batches=5, callbacks=meddling, **options)
    return weights(ours)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("always", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_record_ends_where_a_callback_changes_the_step(change, always, monkeypatch):
    monkeypatch.setattr(engine, "RECORDED_AFTER", 3)
    ours, eager = (meddled(CHANGES[change], always, **options) for options in ({}, {"engine": "eager"}))
    assert torch.equal(ours, eager)


def test_a_step_that_changes_all_the_time_stays_eager_and_says_why(monkeypatch, caplog):
    monkeypatch.setattr(engine, "RECORDED_AFTER", 3)
    monkeypatch.setattr(engine, "CHANGES_BORNE", 2)
    with caplog.at_level(logging.INFO, logger="elbolab.training.engine"):
        meddled(slow_down, always=True, max_steps=20)
    told = [record.getMessage() for record in caplog.records if record.name == "elbolab.training.engine"]
    assert [message for message in told if "change between blocks" in message] == told != []


def test_shapes_that_change_in_place_are_those_of_one_tensor():
    weight, sums = nn.Parameter(torch.ones(2, 3)), torch.zeros(3)

    def work():
        sums.add_(weight.detach().t_().sum(1))

    replay = Recorder(nn.Module()).capture(work)
    replay(), replay()
    assert weight.shape == (2, 3)
    assert sums.tolist() == [6, 6, 6]


def test_checks_are_replayed():
    matrix, seen = torch.eye(2), torch.zeros(2)

    def work():
        torch.linalg.cholesky(matrix)
        seen.add_(matrix[0])

    replay = Recorder(nn.Module()).capture(work)
    replay()
    matrix.neg_()
    with pytest.raises(torch.linalg.LinAlgError):
        replay()


def test_noise_of_a_generator_of_its_own_is_drawn_again():
    def draws(steps):
        own, seen = torch.Generator().manual_seed(0), torch.zeros(2)
        work = lambda: seen.copy_(torch.rand(2, generator=own))  # noqa: E731
        return steps(work), seen

    replayed = draws(lambda work: [replay() for replay in [Recorder(nn.Module()).capture(work)] * 3])[1]
    assert torch.equal(replayed, draws(lambda work: [work() for _ in range(4)])[1])
