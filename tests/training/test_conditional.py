"""Conditional models on two ranks, and after a resume: the conditions travel with their data."""

from functools import partial

import pytest
import torch
from tests.helpers import LabelledBits, fit, small_cvae, weights
from tests.models.registry import make
from tests.training.test_ddp import Leave, Noiseless

from elbolab.models.cvae import CVAE
from elbolab.training.newest import Newest


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # fork, by intent
def test_two_ranks_step_as_one_process_on_the_union_batch(tmp_path):
    def model():
        torch.manual_seed(11)
        return CVAE(densities=small_cvae(), optimizer=partial(torch.optim.SGD, lr=0.05))

    fit(
        model(),
        data=LabelledBits(given="labels", batch_size=5, eval_batch_size=10),
        strategy="ddp_fork",
        devices=2,
        max_epochs=1,
        callbacks=[Noiseless(), Leave(tmp_path)],
    )
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    one = model()
    trainer = fit(one, max_epochs=1, callbacks=[Noiseless()])
    assert torch.equal(first["weights"], second["weights"])
    torch.testing.assert_close(first["weights"], weights(one), rtol=0, atol=2e-5)
    torch.testing.assert_close(first["elbo"], trainer.callback_metrics["val/elbo"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["cvae, hybrid", "cvae, recurrent", "cmma", "dvae, 2 corruptions by 3"])
def test_a_resumed_run_is_the_whole_run_bit_for_bit(name, tmp_path):
    whole, first, rest = make(name), make(name), make(name)
    fit(whole, max_steps=20)
    fit(first, max_steps=9, callbacks=[Newest(str(tmp_path), every_seconds=None)])
    fit(rest, max_steps=20, resume=tmp_path / "last.ckpt")
    assert torch.equal(weights(whole), weights(rest))
    assert not torch.equal(weights(whole), weights(first))
