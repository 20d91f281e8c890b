"""What a CPU can and cannot record; tests/training/test_engine.py has that records are the eager steps."""

import logging
import random
import re

import numpy as np
import pytest
import torch
from tests.helpers import adam, fit, small_densities, small_vae, weights
from torch.distributions import Distribution

from elbolab.models.base import ElboModule, Loss
from elbolab.training import engine
from elbolab.training.graphs import Unrepeatable
from elbolab.training.recorded import Recorder


@pytest.fixture(autouse=True)
def _no_checks():
    Distribution.set_default_validate_args(False)


class Peeking(ElboModule):
    """A loss with something in it that is no function of the batch and of tensors."""

    def __init__(self, peek):
        super().__init__(densities=small_densities(), optimizer=adam())
        self.peek = peek
        self.register_buffer("seen", torch.zeros(()), persistent=False)

    def loss(self, batch):
        return Loss(-self.densities.terms(batch.x).elbo.mean() * self.peek(self, batch.x), {})

    def report(self, batch):
        return {"elbo": self.densities.terms(batch.x).elbo.mean()}


def replacing(module, x):
    module.seen = module.seen + 1
    return 1.0


PEEKS = {
    "item": (lambda module, x: 1.0 + x.sum().item(), r"reads the values of a tensor \(_local_scalar_dense"),
    "branch": (lambda module, x: 2.0 if x.sum() > 9 else 1.0, r"reads the values of a tensor"),
    "tolist": (lambda module, x: 1.0 + sum(x[0].tolist()), r"reads the values of a tensor \(tolist\)"),
    "numpy": (lambda module, x: 1.0 + float(x.numpy().sum()), r"reads the values of a tensor \(numpy\)"),
    "array": (lambda module, x: 1.0 + float(np.asarray(x).sum()), r"reads the values of a tensor \(__array__\)"),
    "mask": (lambda module, x: 1.0 + x[x > 0].mean(), r"reads the values of a tensor \(index.Tensor\)"),
    "buffer": (replacing, r"replaces the buffer seen instead of writing into it \(use copy_\)"),
    "python": (lambda module, x: 1.0 + random.random(), r"draws random numbers from Python or NumPy"),
    "legacy numpy": (lambda module, x: 1.0 + np.random.rand(), r"draws random numbers from Python or NumPy"),
}


def started(peek):
    torch.manual_seed(4)
    random.seed(4)
    np.random.seed(4)
    return Peeking(peek)


@pytest.mark.parametrize("name", PEEKS)
def test_a_step_that_cannot_be_repeated_stays_eager_and_says_why(name, monkeypatch, caplog):
    """It goes on as if nothing had been tried, to the bit."""
    peek, reason = PEEKS[name]
    monkeypatch.setattr(engine, "RECORDED_AFTER", 3)
    ours, eager = started(peek), started(peek)
    random.seed(5)
    np.random.seed(5)
    with caplog.at_level(logging.INFO, logger="elbolab.training.engine"):
        fit(ours, max_steps=30)
    (told,) = [record.getMessage() for record in caplog.records if record.name == "elbolab.training.engine"]
    assert re.search("engine: eager steps, because the step " + reason, told)
    random.seed(5)
    np.random.seed(5)
    fit(eager, max_steps=30, engine="eager")
    assert torch.equal(weights(ours), weights(eager))


def test_a_step_that_cannot_be_repeated_is_an_error_where_capture_is_insisted_on():
    with pytest.raises(ValueError, match=r"captured: the step reads the values.*; mend that, or set trainer.engine=au"):
        fit(started(PEEKS["item"][0]), max_steps=10, engine="captured")


def test_auto_records_on_a_cpu_once_a_run_is_long_enough(monkeypatch):
    made = []
    capture = Recorder.capture
    monkeypatch.setattr(Recorder, "capture", lambda self, work: made.append(work) or capture(self, work))
    torch.manual_seed(0)
    ours = small_vae(ema=0.9)
    torch.manual_seed(0)
    eager = small_vae(ema=0.9)
    fit(ours, max_steps=engine.RECORDED_AFTER + 40, max_epochs=-1)
    assert 1 <= len(made) <= 2  # whole batches, and the last of an epoch
    fit(eager, max_steps=engine.RECORDED_AFTER + 40, max_epochs=-1, engine="eager")
    assert torch.equal(weights(ours), weights(eager))
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in ours.parameters())


def test_draws_that_nobody_uses_are_drawn_again():
    state = torch.zeros(2)

    def work():
        torch.rand(3)
        state.copy_(torch.rand(2))

    torch.manual_seed(0)
    replay = Recorder(torch.nn.Module()).capture(work)
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

    Recorder(torch.nn.Module()).capture(work)()
    assert kept.item() == 2


def test_a_step_that_reads_is_done_once_all_the_same():
    count = torch.zeros(1)
    with pytest.raises(Unrepeatable, match="reads the values"):
        Recorder(torch.nn.Module()).capture(lambda: count.add_(1).item())
    assert count.item() == 1
