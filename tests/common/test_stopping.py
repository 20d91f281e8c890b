"""Ctrl-C and SIGTERM: the exit codes of shells, and the directory with which to go on."""

import csv
import signal

import pytest
from tests.shell import QUICK

from elbolab.common.stopping import INTERRUPTED, TERMINATED, Stopped, catch_sigterm, stop_of

STOPPER = '''
import os
import lightning as L

class Stop(L.Callback):
    """Sends this process a signal once so many steps have been taken."""

    def __init__(self, number, step):
        self.number, self.step = number, step

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step >= self.step:
            os.kill(os.getpid(), self.number)

def interrupted(*_, **__):
    raise KeyboardInterrupt
'''

SIGNALS = [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]


def stopped_at(step, number):
    return [f"+callbacks.stop={{_target_: stopper.Stop, number: {int(number)}, step: {step}}}"]


@pytest.mark.parametrize(("number", "code", "word"), SIGNALS)
def test_a_stopped_training_says_how_to_go_on(shell, number, code, word):
    (shell.folder / "stopper.py").write_text(STOPPER)
    run = shell.folder / "run"
    newest = "callbacks.newest.every_n_steps=4"
    err = shell("train", *QUICK, newest, *stopped_at(8, number), "hydra.run.dir=run", fails=True)
    assert shell.code == code
    assert err.endswith(f"\n{word}; go on with: elbolab train resume={run}\n")
    assert "Traceback" not in err
    with (run / "metrics.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [3, 7]


def test_a_stopped_training_goes_on_as_it_was_told_to(shell):
    (shell.folder / "stopper.py").write_text(STOPPER)
    newest = "callbacks.newest.every_n_steps=4"
    err = shell("train", *QUICK, newest, *stopped_at(8, signal.SIGTERM), "hydra.run.dir=run", fails=True)
    resume = err.splitlines()[-1].rpartition("elbolab ")[2].split()
    shell(*resume, "callbacks=default", "evaluation.limit=20")
    with (shell.folder / "run" / "metrics.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [3, 7, 10, 14, 18, 21, 25, 29, 32]


@pytest.mark.parametrize(("number", "code", "word"), SIGNALS)
def test_a_training_that_is_stopped_before_its_first_step_leaves_nothing(shell, number, code, word):
    (shell.folder / "stopper.py").write_text(STOPPER)
    err = shell("train", *QUICK, *stopped_at(0, number), "logger=tensorboard", "hydra.run.dir=run", fails=True)
    assert shell.code == code
    assert err.endswith(f"\n{word}\n")
    assert not (shell.folder / "run").exists()


def test_other_commands_have_nothing_to_go_on_with(finished, shell):
    (shell.folder / "stopper.py").write_text(STOPPER)
    err = shell("evaluate", f"run={finished[0]}", "evaluation._target_=stopper.interrupted", fails=True)
    assert (shell.code, err) == (130, "interrupted\n")


def test_a_stop_is_told_from_other_exits():
    lightnings = SystemExit(1)
    lightnings.__context__ = KeyboardInterrupt()
    assert stop_of(KeyboardInterrupt()) is stop_of(lightnings) is INTERRUPTED
    assert stop_of(SystemExit(143)) is stop_of(Stopped(TERMINATED, None)) is TERMINATED
    for other in (SystemExit(1), SystemExit(), ValueError("143")):
        assert stop_of(other) is None


def test_the_signal_is_given_back():
    before = signal.getsignal(signal.SIGTERM)
    with catch_sigterm():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
