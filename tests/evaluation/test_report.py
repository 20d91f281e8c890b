"""The schema of evaluation.json, the file, and the table."""

import json

import pytest

from elbolab.evaluation.quantity import Quantity
from elbolab.evaluation.report import HEADLINES, check, entries, read_report, table, write_report


def quantity(value=-98.6543, stderr=0.2511, k=1, unit="nats") -> Quantity:
    return Quantity(value, stderr, 10_000, k, 0, "float32, highest matmul", unit)


def report(split="test", **values) -> dict:
    return {split: entries({name: quantity(value) for name, value in values.items()})}


def test_entries_have_exactly_the_keys_of_the_schema():
    entry = entries({"elbo": quantity()})["elbo"]
    assert list(entry) == ["value", "stderr", "n", "k", "seed", "dtype", "unit"]
    check({"test": {"elbo": entry}})


def test_numbers_that_are_not_finite_are_absent_and_unknown_errors_null():
    values = {
        "psnr": quantity(float("inf")),
        "elbo": quantity(stderr=float("nan")),
        "kl": quantity([1.0, float("nan")]),
    }
    found = entries(values)
    assert list(found) == ["elbo"]
    assert found["elbo"]["stderr"] is None


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("value", None, "value must be a finite number"),
        ("value", float("nan"), "value must be a finite number"),
        ("value", "1.0", "value must be a finite number"),
        ("stderr", float("inf"), "stderr must be null or finite"),
        ("stderr", [0.1], "shaped like value"),
        ("n", 0, "n must be a positive"),
        ("n", True, "n must be a positive"),
        ("k", 0, "k must be null or"),
        ("seed", None, "seed must be"),
        ("unit", None, "unit must be text"),
        ("extra", 1, "must have exactly the keys value, stderr, n, k, seed, dtype, unit"),
    ],
)
def test_check_names_the_place_and_the_fault(key, value, message):
    broken = report(elbo=-1.0)
    broken["test"]["elbo"][key] = value
    with pytest.raises(ValueError, match=f"report: test.elbo: .*{message}"):
        check(broken)


def test_check_knows_the_splits():
    with pytest.raises(ValueError, match="'tset' is no split; choose from train, val, test"):
        check(report("tset", elbo=-1.0))


def test_lists_carry_a_standard_error_a_number():
    entry = entries({"kl_per_dim": quantity([1.0, 2.0], [0.1, 0.2])})
    check({"val": entry})
    entry["kl_per_dim"]["stderr"] = [0.1]
    with pytest.raises(ValueError, match="shaped like value"):
        check({"val": entry})


def test_the_same_report_gives_the_same_bytes(tmp_path):
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    write_report(first, report(elbo=-1.0, nll=2.0))
    write_report(second, report(nll=2.0, elbo=-1.0))
    assert first.read_bytes() == second.read_bytes()
    assert read_report(first) == report(elbo=-1.0, nll=2.0)


def test_a_split_is_replaced_whole_and_other_splits_are_kept(tmp_path):
    path = tmp_path / "evaluation.json"
    write_report(path, report("val", elbo=-3.0))
    write_report(path, report("test", elbo=-1.0, nll=2.0))
    merged = write_report(path, report("test", elbo=-1.5))
    assert merged == json.loads(path.read_text()) == report("val", elbo=-3.0) | report("test", elbo=-1.5)


def test_nothing_is_written_when_the_report_is_wrong(tmp_path):
    path = tmp_path / "evaluation.json"
    broken = report(elbo=-1.0)
    broken["test"]["elbo"]["value"] = float("nan")
    with pytest.raises(ValueError, match="finite"):
        write_report(path, broken)
    assert list(tmp_path.iterdir()) == []


def test_no_temporary_file_stays(tmp_path):
    write_report(tmp_path / "evaluation.json", report(elbo=-1.0))
    assert [path.name for path in tmp_path.iterdir()] == ["evaluation.json"]


def test_a_file_that_is_no_report_is_named(tmp_path):
    path = tmp_path / "evaluation.json"
    path.write_text("{")
    with pytest.raises(ValueError, match=r"evaluation.json is no evaluation report .* remove it and evaluate again"):
        write_report(path, report(elbo=-1.0))
    assert path.read_text() == "{"


def test_table_shows_headlines_in_order_with_two_digits_of_the_error():
    numbers = {"nll": quantity(94.1234, 0.2511, k=500), "active_units": quantity(22, None, None, "dimensions")}
    both = {"test": entries({"elbo": quantity()} | numbers), "val": entries({"elbo": quantity(-98.0, 3.0)})}
    lines = table(both, {"wall-clock": "2 min 10 s"}).splitlines()
    assert [line.split("  ")[0] for line in lines[1:]] == [
        "elbo [nats]",
        "nll, K=500 [nats]",
        "active units [dimensions]",
        "wall-clock",
    ]
    assert "-98.65 ± 0.25" in lines[1]
    assert "-98.0 ± 3.0" in lines[1]
    assert lines[2].endswith("-")
    assert "94.12 ± 0.25" in lines[2]
    assert lines[4].endswith("2 min 10 s")


def test_a_headline_is_shown_once():
    assert len(set(HEADLINES)) == len(HEADLINES)


def test_table_columns_are_aligned():
    lines = table(report(elbo=-98.0, rate=25.0)).splitlines()
    assert len({len(line) for line in lines}) == 1
