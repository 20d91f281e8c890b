"""`elbolab published`: published numbers beside those of runs, from fake run directories."""

import json
import os
import re
from copy import deepcopy

import pytest
from omegaconf import OmegaConf

from elbolab.config.paths import config_dir
from elbolab.report import published
from elbolab.report.published import Row, entries_of, markdown, print_published, read_rows, table, words
from elbolab.report.published_rows import PAGE, page
from elbolab.report.results import read_results
from elbolab.runs.run_dir import move_paths
from elbolab.stages.planning import experiment_config

ROW = Row("a model", "paper/row", "test.error", 0.1, 0.02, "Mh", "at most 0.2", at_most=0.2)
COMMIT = "0123456789" * 4
CONFIG = {
    "experiment": "paper/row",
    "seed": 0,
    "model": {"alpha": 1.0},
    "data": {"seed": 0, "root": None},
    "callbacks": {"best": {"dirpath": "???"}},
    "trainer": {"accelerator": "cpu"},
    "pretrained": {},
}


def put(folder, value, seconds=60.0, commit=COMMIT, stage=None, quantity="error", **changes):
    """A run directory; ``data__label_seed=3`` changes what is below."""
    config = deepcopy(CONFIG) | {"paths": {"run": str(folder), "output": "outputs"}}
    config["callbacks"]["best"]["dirpath"] = str(folder / "checkpoints")
    for key, changed in changes.items():
        *parents, last = key.split("__")
        part = config
        for parent in parents:
            part = part[parent]
        part[last] = changed
    config["data"]["seed"] = config["seed"]
    entry = {"value": value, "stderr": None, "n": 9, "k": None, "seed": 0, "dtype": "float32", "unit": "fraction"}
    values = value if isinstance(value, dict) else {quantity: value}
    report = {"test": {name: entry | {"value": number} for name, number in values.items()}}
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(config))
    (folder / "evaluation.json").write_text(json.dumps(report))
    (folder / "timing.json").write_text(json.dumps({"seconds": seconds, "epochs": 7}))
    (folder / "environment.json").write_text(json.dumps({"device": "a CPU", "threads": 1, "git": commit}))
    if stage is not None:
        (folder / "pretrained" / "m1" / "pretrained" / "m0").mkdir(parents=True)
        (folder / "pretrained" / "m1" / "timing.json").write_text(json.dumps({"seconds": stage}))
        (folder / "pretrained" / "m1" / "pretrained" / "m0" / "timing.json").write_text(json.dumps({"seconds": stage}))


def entries(folder, row=ROW):
    return entries_of(row, read_results([folder]))


def test_repetitions_make_a_mean_with_its_standard_error(tmp_path):
    for seed, value in enumerate((0.1, 0.2, 0.4)):
        put(tmp_path / "sweep" / str(seed), value, seed=seed, stage=30.0)
    (entry,) = entries(tmp_path)
    assert entry["reached"] == pytest.approx(0.7 / 3)
    assert entry["stderr"] == pytest.approx(0.0881917)
    assert entry["verdict"] == "missed"
    told = words(entry)
    assert told["reached"] == "0.233 ± 0.088"
    assert told["published"] == "0.1 ± 0.02 Mh (recalled)"
    assert told["gate"] == "at most 0.2: missed"
    assert (told["runs"], told["epochs"], told["time"]) == ("3 seeds", "7", "2 min"), "stages included"
    assert (told["hardware"], told["commit"]) == ("a CPU, 1 thread(s)", COMMIT[:10])


def test_labelled_subsets_are_counted_as_splits(tmp_path):
    for split in range(2):
        put(tmp_path / str(split), 0.1 + split / 10, data__num_labelled=100, data__label_seed=split)
    (entry,) = entries(tmp_path)
    assert words(entry)["runs"] == "2 splits"
    assert words(entry)["gate"] == "at most 0.2: met"


def test_the_newest_of_runs_with_the_same_seeds_counts(tmp_path):
    for age, value in ((2, 0.3), (1, 0.15)):
        put(tmp_path / str(age), value)
        os.utime(tmp_path / str(age) / "evaluation.json", (1e9 - age, 1e9 - age))
    (entry,) = entries(tmp_path)
    assert words(entry)["reached"] == "0.15"
    assert words(entry)["runs"] == "1 seed"


def test_configurations_that_differ_are_told_apart(tmp_path):
    """A run of the experiment with something changed is not averaged with the experiment's own."""
    put(tmp_path / "own", 0.1)
    put(tmp_path / "far", 0.2, trainer__accelerator="gpu", seed=1, data__root="/elsewhere")
    put(tmp_path / "other", 0.9, model__alpha=0.0)
    own, other = entries(tmp_path)
    assert own["reached"] == pytest.approx(0.15)
    assert (own["experiment"], other["experiment"]) == ("paper/row (alpha=1)", "paper/row (alpha=0)")
    assert entries(tmp_path, ROW._replace(where={"model.alpha": 0.0}))[0]["reached"] == 0.9


def test_what_a_run_has_other_than_its_experiment_is_named(tmp_path):
    """A debugging run is not taken for the experiment."""
    own = experiment_config("burda2016/vae scale=reduced")
    for seed, (name, epochs) in enumerate([("own", 13), ("debug", 2), ("later", 13)]):
        watched = {f"of_time_{seed}": 1, "trainer__accelerator": "gpu"}
        put_own(tmp_path / name, own, 99.0, seed=seed, trainer__max_epochs=epochs, **watched)
    row = Row("a VAE", "burda2016/vae scale=reduced", "test.nll")
    assert {entry["experiment"]: entry["runs"] for entry in entries(tmp_path, row)} == {
        "burda2016/vae scale=reduced": 2,
        "burda2016/vae scale=reduced (max_epochs=2)": 1,
    }


def test_a_run_belongs_to_the_words_that_it_differs_least_from(tmp_path):
    reduced, longer = "burda2016/vae scale=reduced", "burda2016/vae scale=reduced trainer.max_epochs=40"
    for epochs in (13, 40, 39):
        put_own(tmp_path / str(epochs), experiment_config(reduced), float(epochs), trainer__max_epochs=epochs)
    reached = {}
    for command in ("burda2016/vae", reduced, longer):
        found = entries(tmp_path, Row("a VAE", command, "test.nll"))
        reached[command] = [(entry["experiment"], entry["reached"]) for entry in found]
    assert reached == {
        "burda2016/vae": [("burda2016/vae", None)],
        reduced: [(reduced, 13.0), (f"{reduced} (max_epochs=39)", 39.0)],
        longer: [(longer, 40.0)],
    }


def test_a_run_of_an_experiments_old_name_counts(tmp_path):
    """Its configuration has neither a scale nor the widths that net=mlp takes, and its stage has an old name too."""
    own = experiment_config("sohn2015/cvae scale=reduced data.quadrants=2")
    own = {key: value for key, value in own.items() if key not in ("scale", "mlp")}
    old = {"experiment": "sohn2015/quadrant2_reduced", "pretrained": {"baseline": "sohn2015/quadrant2_nn_reduced"}}
    put_own(tmp_path / "old", own | old, 45.0, quantity="conditional_nll")
    for quadrants, value in ((2, 45.0), (3, None)):
        row = Row("a CVAE", f"sohn2015/cvae scale=reduced data.quadrants={quadrants}", "test.conditional_nll")
        (entry,) = entries(tmp_path, row)
        assert (entry["experiment"], entry["reached"]) == (row.experiment, value)


def test_a_stage_of_each_split_does_not_tell_repetitions_apart(tmp_path):
    for seed in range(2):
        put(tmp_path / str(seed), 0.1, seed=seed, pretrained={"m1": f"a/b data.label_seed={seed}"})
    assert len(entries(tmp_path)) == 1


def test_what_was_not_run_says_so(tmp_path):
    put(tmp_path / "another", 0.1, experiment="paper/another")
    put(tmp_path / "none", 0.1, experiment=None)
    put(tmp_path / "unmeasured", 0.1, quantity="elbo")
    (entry,) = entries(tmp_path)
    assert words(entry)["reached"] == "not run"
    assert words(entry)["published"] == "0.1 ± 0.02 Mh (recalled)"
    assert "hardware: none, nothing was run" in table([entry])


@pytest.mark.parametrize(("tag", "shown"), [("V1", "0.1 V1"), ("Mm", "0.1 Mm (recalled)"), ("C", "0.1 C"), ("", "0.1")])
def test_tags(tag, shown):
    row = ROW._replace(tag=tag, spread=None)
    assert words(entries_of(row, [])[0])["published"] == shown


def test_mixed_commits_are_named(tmp_path):
    put(tmp_path / "a", 0.1)
    put(tmp_path / "b", 0.1, seed=1, commit="f" * 40 + "-dirty")
    put(tmp_path / "c", 0.1, seed=2, commit=None)
    (entry,) = entries(tmp_path)
    assert words(entry)["commit"] == f"mixed: {COMMIT[:10]}, ffffffffff-dirty, unknown"
    assert f"commit: {COMMIT[:10]}, ffffffffff-dirty, unknown" in table([entry])


def test_differences_are_paired_over_seeds(tmp_path):
    for seed, (value, base) in enumerate([(0.2, 0.5), (0.3, 0.7), (0.1, 0.4)]):
        put(tmp_path / f"a{seed}", value, seed=seed)
        put(tmp_path / f"b{seed}", base, seed=seed, experiment="paper/base", quantity="error_svm")
    put(tmp_path / "alone", 9.0, seed=7)
    row = ROW._replace(at_most=None, below=0.0, versus={"experiment": "paper/base", "quantity": "test.error_svm"})
    (entry,) = entries(tmp_path, row)
    assert entry["reached"] == pytest.approx(-1 / 3)
    assert entry["stderr"] == pytest.approx(1 / 30)
    assert (entry["verdict"], entry["runs"]) == ("met", 3)
    assert entries(tmp_path, row._replace(below=-0.29))[0]["verdict"] == "missed", "two standard errors are asked for"
    assert entries(tmp_path, row._replace(versus={"experiment": "paper/none"}))[0]["reached"] is None


def test_a_gate_is_met_with_as_many_runs_as_it_asks_for(tmp_path):
    row = ROW._replace(runs=3)
    for seed, value in enumerate((0.1, 0.15, 0.2)):
        put(tmp_path / str(seed), value, seed=seed)
        (entry,) = entries(tmp_path, row)
        assert entry["verdict"] == ("met" if seed == 2 else f"met so far ({seed + 1} of 3)")
        assert words(entry)["gate"] == f"at most 0.2: {entry['verdict']}"
        assert entries(tmp_path, row._replace(at_most=0.01))[0]["verdict"].startswith("missed")


def test_seeds_on_one_labelled_subset_are_one_split(tmp_path):
    for seed in range(3):
        put(tmp_path / str(seed), 0.1, seed=seed, data__num_labelled=100, data__label_seed=seed // 2)
    assert entries(tmp_path, ROW._replace(runs=3))[0]["verdict"] == "met so far (2 of 3)"


def test_one_run_does_not_tell_whether_a_mean_is_below_by_two_standard_errors(tmp_path):
    put(tmp_path / "a", -9.0)
    row = ROW._replace(at_most=None, below=0.0, runs=5)
    assert entries(tmp_path, row)[0]["verdict"] == "cannot be told (1 of 5)"


def test_what_a_row_must_not_have_is_left_to_another(tmp_path):
    put(tmp_path / "own", 0.1)
    put(tmp_path / "other", 0.9, model__alpha=0.0)
    (entry,) = entries(tmp_path, ROW._replace(unless={"model.alpha": 0}))
    assert entry["reached"] == 0.1


def put_own(folder, own, value, quantity="nll", **changes):
    """A run of a true experiment of this configuration, some dotted values of it changed."""
    put(folder, value, quantity=quantity)
    callbacks = move_paths(own["callbacks"], "/", str(folder))
    config = OmegaConf.create(own | {"paths": {"run": str(folder)}, "seed": 0, "callbacks": callbacks})
    for key, changed in changes.items():
        OmegaConf.update(config, key.replace("__", "."), changed, force_add=True)
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(config))


def test_differences_are_to_the_configuration_with_the_fewest_changes(tmp_path):
    """Later runs of another weight, or of a few epochs, are not what the row is measured against."""
    name = "burda2016/vae scale=reduced"
    own = experiment_config(name)
    put(tmp_path / "above", 97.0, quantity="nll")
    put_own(tmp_path / "own", own, 99.0)
    put_own(tmp_path / "short", own, 150.0, trainer__max_epochs=2)
    os.utime(tmp_path / "short" / "evaluation.json", (1e9, 1e9))  # in whichever order they were run
    row = Row("a model", "paper/row", "test.nll", versus={"experiment": name})
    assert entries(tmp_path, row)[0]["reached"] == pytest.approx(-2)
    os.utime(tmp_path / "own" / "evaluation.json", (9e8, 9e8))
    assert entries(tmp_path, row)[0]["reached"] == pytest.approx(-2)
    short = row._replace(versus={"experiment": name, "where": {"trainer.max_epochs": 2}})
    assert entries(tmp_path, short)[0]["reached"] == pytest.approx(-53)


def test_what_was_not_run_names_the_values_that_its_experiment_lacks():
    command = "burda2016/vae scale=reduced"
    row = Row("a VAE", command, "test.nll", where={"trainer.max_epochs": 2, "data.batch_size": 100})
    assert entries_of(row, [])[0]["experiment"] == f"{command} trainer.max_epochs=2"
    assert entries_of(ROW._replace(where={"model.alpha": 0}), [])[0]["experiment"] == "paper/row model.alpha=0"


def test_a_quantity_may_be_measured_in_units_of_another(tmp_path):
    put(tmp_path / "a", {"ks": [0.1, 0.3], "null": 0.1})
    row = ROW._replace(quantity="test.ks", per="test.null", at_most=None, at_least=5)
    assert entries(tmp_path, row)[0]["reached"] == pytest.approx(3)
    assert entries(tmp_path, row)[0]["verdict"] == "missed"
    assert entries(tmp_path, row._replace(per="test.nothing"))[0]["reached"] is None


def test_the_command_prints_the_table_and_writes_it(tmp_path, capsys, monkeypatch):
    put(tmp_path / "outputs" / "pretrained" / "x", 0.0942)
    monkeypatch.setattr(published, "read_rows", lambda: [ROW, ROW._replace(experiment="paper/none")])
    monkeypatch.chdir(tmp_path)
    print_published([])
    out = capsys.readouterr().out
    assert re.search(r"paper/row +test.error .* 0.0942 +1 seed +7 +1 min +at most 0.2: met", out)
    assert "not run" in out
    assert "0.0942" in (tmp_path / "outputs" / "published.md").read_text()
    rows = json.loads((tmp_path / "outputs" / "published.json").read_text())["rows"]
    assert [row["verdict"] for row in rows if row["reached"] is not None] == ["met"]
    with pytest.raises(ValueError, match="there is no folder nowhere"):
        print_published(["nowhere"])


def test_where_an_experiment_leaves_its_paper_is_shown_once(tmp_path):
    told = entries(tmp_path, ROW._replace(differs="beta1 is 0.9")) * 2 + entries(tmp_path)
    assert table(told).count("paper/row differs: beta1 is 0.9") == 1
    assert markdown(told).count("| beta1 is 0.9 |") == 2


def test_experiments_that_leave_their_paper_say_so_in_the_file_too():
    differing = {row.experiment: row.differs for row in read_rows() if row.differs}
    assert {"burda2016/vae", "kingma2014/m1", "kingma2014/m2", "kingma2014/m1_m2"} <= differing.keys()
    for experiment in differing:
        assert "# Not theirs: " in (config_dir() / f"experiment/{experiment.split()[0]}.yaml").read_text()


def test_markdown_has_as_many_cells_in_every_line():
    rows = [row._replace(where={}) for row in read_rows()]  # whose experiments need not be composed
    lines = markdown([entry for row in rows for entry in entries_of(row, [])]).splitlines()
    assert {line.count(" | ") for line in lines} == {11}


def test_gates_say_what_they_hold_to():
    for row in read_rows():
        numbers = (row.at_most, row.at_least, row.below)
        assert row.gate or not any(number is not None for number in numbers), row.what
        assert row.published is None or row.tag, row.what
        assert not row.tag.startswith("Ml"), "nothing is gated on what is hardly remembered"
        assert row.below is None or row.runs > 1, f"{row.what}: a standard error needs several runs"


@pytest.mark.parametrize("row", [row for row in read_rows() if row.per is not None], ids=lambda row: row.what)
def test_what_a_row_divides_by_is_measured(row):
    assert row.per == "test.mmd2_null"
    assert experiment_config(row.experiment)["evaluation"]["measures"]["aggregate"]["null_pairs"] == 100


COMMANDS = sorted({e for row in read_rows() for e in (row.experiment, (row.versus or {}).get("experiment")) if e})


@pytest.mark.parametrize("command", COMMANDS)
def test_every_rows_experiment_exists(command):
    name, *others = command.split()
    assert (config_dir() / "experiment" / f"{name}.yaml").is_file()
    assert all("=" in word for word in others)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_every_rows_command_composes(command):
    assert experiment_config(command)["experiment"] == command.split()[0]


def test_the_page_beside_the_experiments_is_in_step():
    assert (config_dir() / PAGE).read_text(encoding="utf-8") == page(), "elbolab published --markdown writes it"


def test_the_page_is_written_where_the_experiments_are(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("elbolab.report.published_rows.config_dir", lambda: tmp_path)
    (tmp_path / "experiment").mkdir()
    print_published(["--markdown"])
    assert capsys.readouterr().out == f"{tmp_path / PAGE}\n"
    assert (tmp_path / PAGE).read_text(encoding="utf-8") == page()


def test_the_page_has_every_row_with_its_command_and_what_was_measured():
    text = page()
    for row in read_rows():
        assert row.command in text
        assert row.measured is None or f" {row.measured['value']:g}" in text
    assert len({line.count(" | ") for line in text.splitlines() if line.startswith("| ")}) == 1
