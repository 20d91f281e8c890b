"""The schema of evaluation.json, the file, and the table."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from elbolab.common.kind import Kind
from elbolab.evaluation import report as report_module
from elbolab.evaluation.declared import KINDS, MEASURING
from elbolab.evaluation.quantity import Quantity
from elbolab.evaluation.report import OLDER, check_report, entries, read_report, table, write_report


def quantity(value=-98.6543, stderr=0.2511, k=1, kind=KINDS["elbo"]) -> Quantity:
    return Quantity(value, stderr, 10_000, k, 0, "float32, highest matmul", kind)


def report(split="test", **values) -> dict:
    return {split: entries({name: quantity(value) for name, value in values.items()})}


def test_entries_have_exactly_the_keys_of_the_schema():
    entry = entries({"elbo": quantity()})["elbo"]
    assert list(entry) == [*OLDER, "better", "headline", "label"]
    check_report({"test": {"elbo": entry}})


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
        ("better", "more", "better must be null, higher or lower"),
        ("headline", 0.5, "headline must be null or a whole number"),
        ("label", 1, "label must be null or text"),
        ("extra", 1, "must have exactly the keys value, stderr, n, k, seed, dtype, unit, better, headline, label"),
    ],
)
def test_check_names_the_place_and_the_fault(key, value, message):
    broken = report(elbo=-1.0)
    broken["test"]["elbo"][key] = value
    with pytest.raises(ValueError, match=f"report: test.elbo: .*{message}"):
        check_report(broken)


def test_check_knows_the_splits():
    with pytest.raises(ValueError, match="'tset' is no split; choose from train, val, test"):
        check_report(report("tset", elbo=-1.0))


def test_lists_carry_a_standard_error_a_number():
    entry = entries({"kl_per_dim": quantity([1.0, 2.0], [0.1, 0.2])})
    check_report({"val": entry})
    entry["kl_per_dim"]["stderr"] = [0.1]
    with pytest.raises(ValueError, match="shaped like value"):
        check_report({"val": entry})


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
    nll = quantity(94.1234, 0.2511, 500, KINDS["nll"])
    numbers = {"active_units": quantity(22, None, None, KINDS["active_units"]), "nll": nll}
    numbers["degenerate"] = quantity(0.1, None, 500, KINDS["degenerate"])
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


def test_table_shows_a_quantity_by_its_label():
    kind = Kind("bits", headline=5, label="my number")
    shown = table({"test": entries({"own": quantity(kind=kind), "elbo": quantity()})}).splitlines()
    assert shown[1].startswith("my number [bits]")


def test_a_file_of_before_quantities_knew_themselves_is_read_as_their_measures_declare_them(tmp_path):
    now = {"test": entries({name: quantity(kind=KINDS[name]) for name in ("elbo", "mse", "sap")})}
    now["test"]["sap"]["unit"] = "score, factors as ordered numbers"
    older = {name: {key: entry[key] for key in OLDER} for name, entry in now["test"].items()}
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps({"test": older | {"gone": older["mse"]}}))
    gone = older["mse"] | {"better": None, "headline": None, "label": None}
    assert read_report(path) == {"test": now["test"] | {"gone": gone}}


def test_reading_a_file_takes_no_torch(tmp_path):
    write_report(tmp_path / "evaluation.json", report(elbo=-1.0))
    code = "import sys; from pathlib import Path; from elbolab.evaluation.report import read_report, table; "
    code += f"print(table(read_report(Path({str(tmp_path / 'evaluation.json')!r})))); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    told, loaded = done.stdout.rsplit("\n", 2)[:2]
    assert "elbo [nats]" in told
    assert not {"torch", "lightning", "hydra", "elbolab.evaluation.declared"} & set(loaded.split())


def test_a_quantity_is_declared_once_and_has_a_place_of_its_own():
    """Measures that have a quantity in common share its kind."""
    declared = {}
    for module in MEASURING:
        for name, kind in module.KINDS.items():
            assert declared.setdefault(name, kind) is kind, name
    places = [kind.headline for kind in declared.values() if kind.headline is not None]
    assert len(set(places)) == len(places)


def test_every_module_that_declares_quantities_is_known_to_readers_of_older_files():
    folder = Path(report_module.__file__).parent
    declaring = {path.stem for path in folder.glob("*.py") if re.search(r"^KINDS = ", path.read_text(), re.MULTILINE)}
    assert declaring == {module.__name__.rpartition(".")[2] for module in MEASURING}


def test_table_columns_are_aligned():
    lines = table(report(elbo=-98.0, rate=25.0)).splitlines()
    assert len({len(line) for line in lines}) == 1
