import math
from functools import partial

import pytest
import torch

from elbolab.training.schedules import Burda, Constant, Cosine, Cyclic, Length, Linear, Plateau, as_schedule

SCHEDULES = {
    "constant": lambda: Constant(3.0),
    "linear": lambda: Linear(2.0, 1.0, steps=40, delay=5),
    "cosine": lambda: Cosine(2.0, 1.0, steps=40),
    "cyclic": lambda: Cyclic(0.0, 1.0, cycles=2, steps=40),
    "burda": Burda,
    "plateau": Plateau,
}
"""Every schedule that exists: `tests/test_registry.py` fails where one is missing."""

RUN = Length(epoch=10, total=100)


def values(schedule, steps, length=RUN):
    schedule.bind(length)
    return [schedule(torch.tensor(step)).item() for step in steps]


def test_a_number_is_a_constant():
    assert values(as_schedule(4), [0, 7, 10**6]) == [4, 4, 4]
    assert as_schedule(schedule := Constant(1.0)) is schedule


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_is_a_scalar_of_the_step_alone(name):
    """The same step gives the same value, whatever was asked for before."""
    schedule, steps = SCHEDULES[name](), [0, 1, 17, 45, 99]
    there, back = values(schedule, steps), values(schedule, steps[::-1])
    assert there == back[::-1]
    assert schedule(torch.tensor(3)).shape == ()


@pytest.mark.parametrize(("name", "until"), [("constant", 0), ("linear", 45), ("cosine", 40), ("cyclic", 30)])
def test_a_schedule_that_settles_says_when(name, until):
    schedule = SCHEDULES[name]()
    settled = values(schedule, [until, until + 1, 99])
    assert schedule.until == until
    assert settled == [settled[0]] * 3
    assert until == 0 or schedule(torch.tensor(until - 1)) != settled[0]


def test_linear_goes_from_start_to_end_and_stays():
    assert values(Linear(0, 2, steps=10), [0, 5, 10, 99]) == pytest.approx([0, 1, 2, 2])


def test_a_delay_comes_first():
    assert values(Linear(0, 1, steps=10, delay=20), [0, 20, 25, 30]) == pytest.approx([0, 0, 0.5, 1])


def test_durations_in_epochs_and_of_the_whole_run():
    assert values(Linear(0, 1, epochs=2), [10, 20]) == pytest.approx([0.5, 1])
    assert values(Linear(0, 1), [0, 50, 99]) == pytest.approx([0, 50 / 99, 1])
    assert values(Linear(0, 1, delay=20), [20, 60, 99]) == pytest.approx([0, 40 / 79, 1])


@pytest.mark.parametrize("build", [partial(Linear, 3, 7), partial(Cosine, 3, 7), partial(Cyclic, 3, 7, ratio=1.0)])
@pytest.mark.parametrize("total", [1, 2, 100])
@pytest.mark.filterwarnings("error")
def test_a_schedule_of_the_whole_run_has_its_end_at_the_last_step(build, total):
    first, last = values(build(), [0, total - 1], Length(10, total))
    assert first == 3
    assert last == pytest.approx(7 if total > 1 else 3)


def test_cosine_is_half_a_cosine():
    assert values(Cosine(1, 0, steps=40), [0, 10, 20, 40, 41]) == pytest.approx(
        [1, (1 + math.cos(math.pi / 4)) / 2, 0.5, 0, 0], abs=1e-6
    )


def test_cyclic_starts_over_and_ends_high():
    assert values(Cyclic(0, 1, cycles=2, ratio=0.5, steps=40), [0, 5, 10, 19, 20, 25, 40, 90]) == pytest.approx(
        [0, 0.5, 1, 1, 0, 0.5, 1, 1]
    )


def test_burda_lowers_the_rate_after_1_4_13_epochs():
    steps = [0, 9, 10, 39, 40, 129, 130]
    stages = [0, 0, 1, 1, 2, 2, 3]
    assert values(Burda(), steps, Length(10, None)) == pytest.approx([10 ** (-i / 7) for i in stages])


def test_burda_lasts_3280_epochs():
    assert values(Burda(), [1092, 1093, 3279], Length(1, None)) == pytest.approx([10 ** (-6 / 7), 0.1, 0.1])


def test_plateau_lowers_the_factor_after_patience_and_keeps_its_state():
    schedule = Plateau(decay=0.5, patience=1, min_factor=0.2)
    seen = []
    for cost in [3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]:
        schedule.observe(torch.tensor(cost))
        seen.append(schedule(torch.tensor(0)).item())
    assert seen == pytest.approx([1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.2])
    assert set(schedule.state_dict()) == {"factor", "best", "waited"}


def test_a_schedule_that_outlasts_the_run_warns():
    with pytest.warns(UserWarning, match="ends after 200 steps.*after 99: its last value is never reached"):
        Linear(0, 1, steps=200).bind(RUN)


@pytest.mark.parametrize(
    "build",
    [
        partial(Linear, 0, 1, steps=100),
        partial(Linear, 0, 1, epochs=10),
        partial(Cosine, 1, 0, steps=90, delay=10),
        partial(Cyclic, 0, 1, ratio=1.0, epochs=10),
    ],
)
def test_a_ramp_as_long_as_the_run_falls_short_of_its_end_and_warns(build):
    schedule = build()
    with pytest.warns(UserWarning, match="its last value is never reached"):
        schedule.bind(RUN)
    assert schedule(torch.tensor(99)).item() != schedule.end


@pytest.mark.filterwarnings("error")
def test_a_ramp_that_reaches_its_end_does_not_warn():
    assert values(Linear(0, 1, steps=99), [99]) == [1]
    assert values(Cyclic(0, 1, ratio=0.5, steps=100), [99]) == [1]


def test_a_schedule_of_the_whole_run_needs_an_end():
    with pytest.raises(ValueError, match="this run has no end: set steps"):
        Linear(0, 1).bind(Length(10, None))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Linear(0, 1, steps=3, epochs=1), "not both: set one to null"),
        (lambda: Linear(0, 1, steps=0), "at least one step"),
        (lambda: Cyclic(0, 1, ratio=0), "0 < ratio <= 1"),
        (lambda: Cyclic(0, 1, steps=0), "at least one step"),
        (lambda: Cyclic(0, 1, epochs=-1), "at least one step"),
        (lambda: Cyclic(0, 1, steps=10, epochs=1), "not both"),
        (lambda: Plateau(decay=1.5), "0 < decay < 1"),
    ],
)
def test_impossible_schedules_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
