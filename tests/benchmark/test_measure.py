import pytest
import torch

from elbolab.benchmark.measure import Clock, Measurement, calibrate, interleave, measure
from elbolab.benchmark.memory import STATUS, read_peak, reset_peak

CPU = torch.device("cpu")


class Fake:
    """Work that says it took ``setup`` once and ``each`` for every unit."""

    def __init__(self, each, setup=0.0):
        self.each, self.setup, self.amounts = each, setup, []

    def __call__(self, amount, watch):
        self.amounts.append(amount)
        watch.seconds = self.setup + self.each * amount


def test_the_rate_is_amount_by_seconds():
    measured = measure(Fake(0.25), 8, CPU)
    assert (measured.amount, measured.seconds, measured.rate) == (8, 2.0, 4.0)


@pytest.mark.parametrize("each", [3.0, 0.1, 1e-3, 2e-6])
def test_calibration_finds_the_amount_that_takes_as_long_as_wanted(each):
    work = Fake(each)
    assert calibrate(work, 2.0, CPU, 10**9) == max(1, round(2 / each))
    assert work.amounts[-1] * each >= 0.2, "what it went by was no blink"
    assert len(work.amounts) < 9


def test_calibration_stops_at_what_there_is():
    work = Fake(1e-3)
    assert calibrate(work, 2.0, CPU, 30) == 30
    assert max(work.amounts) == 30
    assert calibrate(Fake(1.0), 2.0, CPU, 3) == 2


def test_rounds_are_interleaved():
    order = []
    works = {name: lambda amount, watch, name=name: order.append((name, amount)) for name in "abc"}
    found = interleave(works, {"a": 1, "b": 2, "c": 3}, 3, CPU)
    assert order == [("a", 1), ("b", 2), ("c", 3)] * 3
    assert {name: [m.amount for m in rounds] for name, rounds in found.items()} == {
        "a": [1] * 3,
        "b": [2] * 3,
        "c": [3] * 3,
    }


def test_a_clock_runs_from_start_to_stop():
    clock = Clock(CPU)
    assert clock.seconds == 0
    clock.start()
    assert clock.seconds == 0
    clock.stop()
    assert clock.seconds > 0


@pytest.mark.skipif(not STATUS.is_file(), reason="needs /proc")
def test_the_peak_is_that_of_the_work_alone():
    """64 MB are seen while they are held and no more afterwards."""
    if not reset_peak(CPU):
        pytest.skip("this kernel does not reset the peak")
    before = read_peak(CPU)
    torch.ones(16_000_000).sum()
    assert read_peak(CPU) > before + 50
    assert reset_peak(CPU)
    assert read_peak(CPU) < before + 50


def test_the_peak_is_absent_where_it_cannot_be_reset(monkeypatch, tmp_path):
    monkeypatch.setattr("elbolab.benchmark.memory.CLEAR", tmp_path / "nowhere" / "clear_refs")
    assert measure(Fake(1.0), 1, CPU) == Measurement(1, 1.0, None)
