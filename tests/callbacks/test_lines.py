"""Progress where nothing can be drawn over: plain lines, few of them."""

import re

import pytest

from elbolab.callbacks import progress
from elbolab.callbacks.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """The time, in a list; a block of steps takes ``clock[1]`` seconds of it."""
    now = [1000.0, 0.0]

    def passing():
        now[0] += now[1]
        return now[0]

    monkeypatch.setattr(progress.time, "monotonic", passing)
    return now


def steps(text):
    assert "\r" not in text
    return [int(line.split("step ")[1].split("/")[0]) for line in text.splitlines()]


def test_validations_in_a_row_have_the_first_and_the_last_line(run, capsys, clock):
    run.fit(Progress(show=False), loggers=[], max_epochs=5, enable_progress_bar=True)
    assert steps(capsys.readouterr().err) == [10, 50]


def test_validations_far_apart_have_a_line_each(run, capsys, clock):
    clock[1] = 2.0
    run.fit(Progress(show=False), loggers=[], max_epochs=3, enable_progress_bar=True)
    assert steps(capsys.readouterr().err) == [10, 20, 30]


def test_a_long_way_to_the_next_validation_has_lines_too(run, capsys, clock):
    clock[1] = 31.0
    run.fit(Progress(show=False), loggers=[], max_epochs=1, enable_progress_bar=True)
    assert steps(capsys.readouterr().err)[:2] == [4, 8]


def test_a_run_without_validation_has_its_last_line_once(run, capsys, clock):
    run.fit(Progress(show=False), loggers=[], max_epochs=3, limit_val_batches=0, enable_progress_bar=True)
    assert steps(capsys.readouterr().err) == [10, 30]


@pytest.mark.parametrize(("max_steps", "epochs"), [(14, ["1", "2"]), (20, ["1", "2"])])
def test_a_run_that_ends_by_steps_ends_in_the_epoch_of_its_last_step(run, capsys, clock, max_steps, epochs):
    """In the middle of an epoch of ten steps, or with one: Lightning has counted it when the last line comes."""
    for show in (False, True):
        progress = Progress(show=show, refresh_seconds=0)
        run.fit(progress, loggers=[], max_epochs=-1, max_steps=max_steps, enable_progress_bar=True)
        shown = re.findall(r"epoch (\d+)[, ]", capsys.readouterr().err)
        assert list(dict.fromkeys(shown)) == epochs


def test_a_terminal_that_redraws_nothing_has_lines(monkeypatch):
    monkeypatch.setattr(progress, "redraws", lambda stream: False)
    assert not Progress().show
