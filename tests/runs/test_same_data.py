"""Whether a run's data are still those that it was trained on."""

import json
import shutil

import pytest
from tests.shell import Shell

import elbolab
from elbolab.data.digits import Digits
from elbolab.runs.run_dir import RunDir
from elbolab.runs.same_data import WAYS_OUT, accept_changes, changes_of, check_unchanged


@pytest.fixture
def moved(finished, tmp_path):
    """A copy of a finished run, and what changes the hash that it keeps of an array."""
    shutil.copytree(finished[0], tmp_path / "run")
    path = tmp_path / "run" / "data.json"

    def change(part: str = "x", splits: tuple[str, ...] = ("train", "val", "test")) -> None:
        kept = json.loads(path.read_text())
        for split in splits:
            kept["trained_on"][split][part] |= {"hash": "0" * 32, "sum": "0" * 16}
        path.write_text(json.dumps(kept))

    return Shell(tmp_path), path, change


def test_a_run_keeps_the_fingerprint_of_its_data(finished):
    kept = json.loads((finished[0] / "data.json").read_text())
    assert kept == {"trained_on": Digits(binarize="dynamic").fingerprint}


def test_resuming_on_other_data_is_refused_and_changes_nothing(moved):
    shell, path, change = moved
    change("y", ("train",))
    before = {file.name: file.read_bytes() for file in path.parent.glob("*.json")}
    said = shell("train", "resume=run", "trainer.max_epochs=4", fails=True)
    assert "train: labels have other values" in said
    assert "start a new run" in said
    assert len(said.strip().splitlines()) == 1
    assert {file.name: file.read_bytes() for file in path.parent.glob("*.json")} == before
    assert "choose refuse or accept" in shell("evaluate", "run=run", "data.changed=yes", fails=True)


def test_evaluating_on_other_data_is_refused_unless_accepted(moved, no_pictures):
    shell, path, change = moved
    change("x", ("test",))
    for command in ("evaluate", "sample"):
        said = shell(command, "run=run", fails=True)
        assert "test: data have other values" in said
        assert "data.changed=accept" in said
    evaluation = ["evaluation.limit=20", "evaluation.splits=[test]", "data.changed=accept"]
    shell("evaluate", "run=run", *evaluation)
    assert "test: data have other values" in (path.parent / "log.txt").read_text()
    kept = json.loads(path.read_text())
    assert kept["measured_on"] == {"test": Digits(binarize="dynamic").fingerprint["test"]}
    assert "changed" not in (path.parent / "config.yaml").read_text()
    kept["trained_on"]["test"] = kept["measured_on"]["test"]  # the data are put back, and measured again
    path.write_text(json.dumps(kept))
    shell("evaluate", "run=run", *evaluation)
    assert "measured_on" not in json.loads(path.read_text())


def test_a_run_of_before_there_were_fingerprints_is_let_through_with_a_warning(moved, no_pictures):
    shell, path, _ = moved
    path.unlink()
    shell("evaluate", "run=run", "evaluation.limit=20", "evaluation.splits=[test]")
    assert "keeps no fingerprint" in (path.parent / "log.txt").read_text()


def test_data_that_the_model_cannot_take_are_never_accepted(moved):
    shell, path, _ = moved
    run, spec = elbolab.load_run(path.parent), path.with_name("spec.json")
    spec.write_text(json.dumps(json.loads(spec.read_text()) | {"x": [1, 8, 9]}))
    with pytest.raises(ValueError, match=r"cannot take data of x \(1, 8, 8\).*\(1, 8, 9\)"):
        run.data("accept")


def test_a_missing_data_file_is_named(moved):
    shell, path, _ = moved
    config = path.with_name("config.yaml")
    text = config.read_text().replace("elbolab.data.digits.Digits", "elbolab.data.arrays.OwnArrays")
    config.write_text(text.replace("\ndata:\n", "\ndata:\n  path: gone.npz\n"))
    for command in (["train", "resume=run"], ["evaluate", "run=run"]):
        said = shell(*command, fails=True)
        assert "gone.npz: there is no such file" in said
        assert len(said.strip().splitlines()) == 1


def test_a_stage_whose_data_have_changed_is_refused(moved):
    shell, path, change = moved
    change()
    said = shell(
        "train", "data=digits", "data.binarize=dynamic", "model=m1_m2", "data.num_labelled=50",
        "pretrained.m1=run", "hydra.run.dir=second", fails=True,
    )  # fmt: skip
    assert "other values" in said
    assert "pretrained.m1" in said
    assert not (shell.folder / "second").exists()


def test_values_of_factors_are_compared_where_they_are_kept(moved):
    _, path, _ = moved
    data, run = Digits(binarize="dynamic"), RunDir(path.parent)
    data.__dict__["spec"] = data.spec._replace(factors=(2,), factor_values=(("f", "m"),))
    spec = json.loads((path.parent / "spec.json").read_text()) | {"factors": [2]}
    for values, found in (([], None), ([["f", "m"]], None), ([["a", "b"]], "other values of factors")):
        (path.parent / "spec.json").write_text(json.dumps(spec | {"factor_values": values}))
        assert changes_of(run, data) == found


def test_means_that_follow_from_other_rows_are_not_said(moved):
    _, path, change = moved
    change()
    spec = json.loads((path.parent / "spec.json").read_text()) | {"scaling": {"shift": [0.0], "scale": [2.0]}}
    (path.parent / "spec.json").write_text(json.dumps(spec))
    said = changes_of(RunDir(path.parent), Digits(binarize="dynamic"))
    assert said == "train, val, test: data have other values"


@pytest.mark.parametrize("name", ["classes", "scaling"])
def test_data_that_mean_something_else_are_refused_also_where_changes_are_accepted(moved, name):
    """The rows that a model sees are the same, but their classes have other names, or the units other sizes."""
    _, path, _ = moved
    spec = json.loads((path.parent / "spec.json").read_text())
    spec["classes"] = ["one", *spec["classes"][1:]] if name == "classes" else spec["classes"]
    spec["scaling"] = {"shift": [0.0], "scale": [2.0]} if name == "scaling" else None
    (path.parent / "spec.json").write_text(json.dumps(spec))
    run, data = RunDir(path.parent), Digits(binarize="dynamic")
    with pytest.raises(ValueError, match={"classes": "names of classes", "scaling": "means and deviations"}[name]):
        check_unchanged(run, data, WAYS_OUT)
    with pytest.raises(ValueError, match="cannot take data"):
        accept_changes(run, data)
