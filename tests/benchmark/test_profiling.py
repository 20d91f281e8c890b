import torch
from tests.benchmark.test_options import GOOD

from elbolab.benchmark import profiling
from elbolab.benchmark.options import Options
from elbolab.benchmark.profiling import Cost, Profile, profiles, table


def test_operators_are_counted_per_step(case):
    watch = Profile(case.device)
    watch.start()
    for _ in range(4):
        torch.ones(3).mul(2).mul(3)
    watch.stop()
    costs = watch.costs(4)
    assert costs["host", "aten::mul"].calls == 2
    assert costs["host", "aten::mul"].us > 0
    assert watch.seconds > 0


def test_the_dearest_of_either_side_are_shown(monkeypatch):
    monkeypatch.setattr(profiling, "MOST", 1)
    plain = {("host", "a"): Cost(5.0, 1.0), ("host", "b"): Cost(1.0, 2.0), ("host", "c"): Cost(0.5, 1.0)}
    own = {("host", "a"): Cost(4.0, 1.0), ("host", "d"): Cost(6.0, 3.0)}
    assert table([plain, own]).splitlines() == [
        "where  operator  raw_eager us  raw_eager calls  elbolab us  elbolab calls",
        "host   d                    -                -         6.0              3",
        "host   a                  5.0                1         4.0              1",
    ]


def test_a_profile_of_both(case, monkeypatch):
    monkeypatch.setattr(profiling, "TRAINED", {"mlp": lambda device: case})
    monkeypatch.setattr(profiling, "STEPS", 5)
    monkeypatch.setattr(profiling, "MOST", 1000)
    text = profiles(Options.of(**GOOD | {"models": ["mlp"], "batches": {"mlp": [10]}}))
    lines = text.splitlines()
    assert lines[0].startswith("tiny at batch size 10")
    (adam,) = (line.split() for line in lines if "aten::_fused_adam_" in line)
    assert (adam[3], adam[5]) == ("1", "1"), "one update a step on both sides"
    assert any("wall clock" in line for line in lines)
