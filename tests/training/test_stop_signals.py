"""A run that is asked to leave saves its state at the end of a block, and goes on exactly from there."""

import os
import signal

import pytest
import torch
from lightning.pytorch import Callback
from tests.helpers import fit, small_vae, weights

from elbolab.training.newest import Newest
from elbolab.training.stop_signals import NOTICE, Leave


class Ask(Callback):
    """Sends the signal in the middle of the block, as a cluster does."""

    def __init__(self, step, number=signal.SIGUSR1, error=None):
        self.step, self.number, self.error = step, number, error

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step == self.step:
            os.kill(os.getpid(), self.number)
            if self.error is not None:
                raise self.error


def left(folder, *callbacks, **options):
    answered = []
    newest = Newest(str(folder), every_seconds=None)
    heeded = NOTICE.heeded([signal.SIGUSR1, signal.SIGTERM], answered.append)
    with heeded, pytest.raises(Leave) as end, NOTICE.deferred():
        fit(small_vae(), callbacks=[*callbacks, newest], **options)
    return newest.path, answered, end.value


@pytest.mark.parametrize("step", [5, 10], ids=["within an epoch", "before validation"])
@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_run_leaves_at_the_end_of_a_block_and_goes_on_exactly(tmp_path, step, number):
    path, answered, end = left(tmp_path, Ask(step, number), max_epochs=2)
    assert (answered, end.signal, end.code) == ([number], number, 128 + number)
    assert torch.load(path, weights_only=True)["global_step"] == {5: 10, 10: 13}[step]
    gone_on, whole = small_vae(), small_vae()
    fit(gone_on, resume=path, max_epochs=2, callbacks=[Newest(str(tmp_path / "on"))])
    fit(whole, max_epochs=2)
    assert torch.equal(weights(gone_on), weights(whole))


def test_what_is_logged_of_the_last_block_is_logged_before_the_run_is_left(tmp_path):
    seen = []

    class Starts(Callback):
        def on_train_batch_start(self, trainer, *_):
            seen.append(("block", trainer.global_step, dict(trainer.logged_metrics)))

    left(tmp_path, Starts(), Ask(5), max_epochs=2)
    assert [step for _, step, _ in seen] == [0, 5, 10]
    assert "train/loss" in seen[-1][2]


def test_a_run_whose_last_block_it_is_leaves_when_training_has_ended(tmp_path):
    path, answered, _ = left(tmp_path, Ask(10), max_epochs=1)
    assert answered == [signal.SIGUSR1]
    assert torch.load(path, weights_only=True)["global_step"] == 13


def test_an_error_after_the_notice_is_no_failure(tmp_path, caplog):
    _, answered, _ = left(tmp_path, Ask(5, error=RuntimeError("a worker was killed")), max_epochs=1)
    assert answered == [signal.SIGUSR1]
    assert "a worker was killed" in caplog.text


def test_an_error_without_notice_is_one():
    with NOTICE.heeded([signal.SIGUSR1], print), pytest.raises(RuntimeError, match="own"), NOTICE.deferred():
        raise RuntimeError("own")


def test_what_trains_nothing_is_left_at_once_and_answers_once():
    answered = []
    with NOTICE.heeded([signal.SIGUSR1, signal.SIGTERM], answered.append):
        with pytest.raises(Leave):
            os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGTERM)  # what a cluster sends next
        with pytest.raises(Leave):
            NOTICE.leave(signal.SIGUSR1)
    assert answered == [signal.SIGUSR1]
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
