import re

import lightning as L
import pytest
import torch

from elbolab.callbacks import progress
from elbolab.callbacks.progress import Clock, Progress, total_steps

BAR = {"enable_progress_bar": True}


def frames(text):
    return [frame for frame in re.split(r"[\r\n]+", text) if frame.strip()]


def test_one_bar_counts_the_optimiser_steps_of_the_whole_run(run, capsys):
    run.fit(Progress(show=True, refresh_seconds=0), loggers=[], **BAR)
    drawn = frames(capsys.readouterr().err)
    positions = [int(n) for n in re.findall(r" (\d+)/20 ", "\n".join(drawn))]
    assert positions == sorted(positions)
    assert set(positions) == {0, 4, 8, 10, 14, 18, 20}
    assert drawn[0].startswith("epoch 1/2   0%")
    assert re.match(r"epoch 2/2 100%.* 20/20 .*elbo 20\.00, rate 20\.00, val elbo 20\.50, [\d,]+ images/s", drawn[-1])


def test_a_model_without_a_bound_shows_its_loss(run, capsys):
    run.fit(Progress(show=True, refresh_seconds=0), loggers=[], quantity="loss", **BAR)
    last = frames(capsys.readouterr().err)[-1]
    assert "loss 20.00, val loss 20.50" in last
    assert "elbo" not in last


def test_a_resumed_bar_starts_where_the_run_goes_on(run, capsys, tmp_path):
    path = tmp_path / "a.ckpt"
    run.fit(loggers=[], max_epochs=1).save_checkpoint(path)
    capsys.readouterr()
    run.fit(Progress(show=True, refresh_seconds=0), loggers=[], max_epochs=3, resume=path, **BAR)
    drawn = frames(capsys.readouterr().err)
    assert " 10/30 " in drawn[0]
    assert drawn[0].startswith("epoch 2/3")
    assert " 30/30 " in drawn[-1]


def test_off_a_terminal_each_validation_has_a_plain_line(run, capsys):
    run.fit(Progress(), loggers=[], **BAR)
    lines = frames(capsys.readouterr().err)
    assert len(lines) == 2
    assert re.fullmatch(
        r"epoch 1/2, step 10/20, elbo 10\.00, rate 10\.00, val elbo 10\.50, [\d,]+ images/s", lines[0].strip()
    )


def test_without_validation_each_epoch_has_a_plain_line(run, capsys):
    run.fit(Progress(show=False), loggers=[], limit_val_batches=0, **BAR)
    assert [line[:24] for line in frames(capsys.readouterr().err)] == [
        "epoch 1/2, step 10/20, e",
        "epoch 2/2, step 20/20, e",
    ]


def test_a_disabled_bar_is_silent(run, capsys):
    class Off(L.Callback):
        def setup(self, trainer, *_, **__):
            trainer.progress_bar_callback.disable()

    run.fit(Progress(show=True), Off(), loggers=[], **BAR)
    run.fit(Progress(show=False), Off(), loggers=[], **BAR)
    assert capsys.readouterr().err == ""


def test_metrics_are_read_at_redraws_alone(run, capsys, monkeypatch):
    reads = []
    item = torch.Tensor.__float__
    monkeypatch.setattr(torch.Tensor, "__float__", lambda tensor: reads.append(1) or item(tensor))
    run.fit(Progress(show=True, refresh_seconds=1e6), loggers=[], limit_val_batches=0, **BAR)
    assert len(reads) == 2  # elbo and rate, when the bar ends


def test_an_error_closes_the_bar(run, capsys):
    class Fails(L.Callback):
        def on_train_batch_end(self, *_):
            raise ZeroDivisionError

    bar = Progress(show=True)
    with pytest.raises(ZeroDivisionError):
        run.fit(bar, Fails(), loggers=[], **BAR)
    assert bar.bar is None
    assert capsys.readouterr().err.endswith("\n")


class Goal:
    def __init__(self, max_epochs, max_steps, data=True):
        self.max_epochs, self.max_steps, self.global_step = max_epochs, max_steps, 7
        self.datamodule = type("Data", (), {"steps_per_epoch": 10}) if data else None


@pytest.mark.parametrize(
    ("goal", "total"),
    [
        (Goal(3, -1), 30),
        (Goal(3, 25), 25),
        (Goal(3, 50), 30),
        (Goal(-1, 25), 25),
        (Goal(None, 25), 25),
        (Goal(-1, -1), None),
        (Goal(3, -1, data=False), None),
        (Goal(3, 25, data=False), 25),
    ],
)
def test_the_end_of_a_run(goal, total):
    assert total_steps(goal) == total


def test_the_clock_leaves_out_what_is_not_training(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    clock = Clock(memory=1.0)
    assert clock.steps_per_second() is None
    clock.start(0)
    now[0] += 50  # making the optimiser
    clock.lap(50)
    assert clock.steps_per_second() == 1
    clock.stop()
    for step in (50, 150):
        clock.start(step)
        now[0] += 2
        clock.lap(step + 50)
        now[0] += 1  # the device finishes the block
        clock.start(step + 50)
        now[0] += 2
        clock.lap(step + 100)
        now[0] += 1
        clock.stop()
        now[0] += 100  # validation
        clock.stop()
    assert clock.steps_per_second() == 200 / 12  # all but the first block


def test_validation_does_not_count(run, capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])

    class Takes(L.Callback):
        """A second for a block of four steps, an hour for a validation."""

        def on_train_batch_start(self, *_):
            now[0] += 1

        def on_validation_batch_start(self, *_):
            now[0] += 3600

    bar = Progress(show=False)
    run.fit(bar, Takes(), loggers=[], max_epochs=3, **BAR)
    assert bar.clock.steps_per_second() == pytest.approx(4, rel=0.3)
    assert re.search(r" (3|4)\d\d images/s\n$", capsys.readouterr().err)


def test_the_clock_forgets():
    clock = Clock(memory=0.5)
    clock.last = (0, progress.time.monotonic() - 1000)
    clock.lap(1)
    for step in range(2, 40):
        clock.last = (step - 1, progress.time.monotonic() - 0.1)
        clock.lap(step)
    assert clock.steps_per_second() == pytest.approx(10, rel=0.05)
