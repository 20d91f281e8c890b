import json

import pytest

from elbolab.benchmark.results import Result, ratio, table

EAGER = Result("train", "mlp", 128, "raw_eager", [100.0, 400.0, 200.0], 900.4)
OURS = Result("train", "mlp", 128, "elbolab", [90.0, 200.0, 220.0], None)
NLL = Result("nll", "burda, K=5", 3, "elbolab", [12.345, 0.5, 13.0], 7.0)
KEYS = ["task", "model", "batch", "implementation", "images_per_s", "min", "max", "peak_mb"]


def test_the_schema():
    entry = json.loads(json.dumps(EAGER.to_json()))
    assert list(entry) == KEYS
    assert entry == dict(zip(KEYS, ["train", "mlp", 128, "raw_eager", 200.0, 100.0, 400.0, 900.4], strict=True))
    assert OURS.to_json()["peak_mb"] is None


def test_a_ratio_is_the_median_of_the_rounds_ratios():
    """Not the ratio of medians, which is 1.0 here: 0.9, 0.5 and 1.1 were seen in the rounds."""
    assert ratio(OURS, EAGER) == 0.9
    assert ratio(EAGER, EAGER) == 1.0
    with pytest.raises(ValueError, match="longer"):
        ratio(Result("train", "mlp", 128, "elbolab", [1.0], None), EAGER)


def test_the_table():
    assert table([[EAGER, OURS], [NLL]]).splitlines() == [
        "task   model       batch  implementation  images/s  min  max  peak MB  / raw_eager",
        "train  mlp           128  raw_eager            200  100  400      900         1.00",
        "train  mlp           128  elbolab              200   90  220        -         0.90",
        "nll    burda, K=5      3  elbolab             12.3  0.5   13        7            -",
    ]


def test_a_reference_that_was_measured_has_its_column():
    captured = Result("train", "mlp", 128, "raw_captured", [200.0, 800.0, 400.0], None)
    lines = table([[EAGER, captured]]).splitlines()
    assert lines[0].endswith("/ raw_eager  / raw_captured")
    assert [line.split()[-2:] for line in lines[1:]] == [["1.00", "0.50"], ["2.00", "1.00"]]
