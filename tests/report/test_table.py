"""`elbolab runs`: which runs, in which order, what the table says of them; what filters and means do."""

import re
import subprocess
import sys
import time
from math import sqrt

import pytest
from tests.runs.fake_runs import curves, make_run, make_sweep, quantity, report_of

from elbolab.loggers.mlflow import FILES
from elbolab.report.rows import best, columns_of, configurations, rows_of
from elbolab.report.selection import parse_arguments, select_entries, sort_entries
from elbolab.report.table import OPTIONS, print_runs
from elbolab.runs.gather import read_entries, run_folders


@pytest.fixture
def sweep(tmp_path):
    return make_sweep(tmp_path / "sweep")


def names(*args):
    return [entry.name for entry in select_entries(parse_arguments([str(arg) for arg in args], OPTIONS))]


def told(capsys, *args):
    print_runs([str(arg) for arg in args])
    return capsys.readouterr().out


def line(text, start):
    return next(line.split() for line in text.splitlines() if line.strip().startswith(start))


def test_a_sweep_is_listed_with_the_states_of_its_jobs(sweep, capsys):
    text = told(capsys, sweep)
    assert text.startswith(f"6 runs of VAE on MNIST in {sweep}: 4 finished, 1 failed, 1 waiting\n")
    assert line(text, "beta=1, seed=0")[2:6] == ["0", "finished", "4/4", "-90.00"]
    assert line(text, "beta=40")[1:] == ["seed=0", "4", "failed", "-", "-", *line(text, "beta=40")[6:]]
    assert line(text, "beta=50")[2:4] == ["5", "waiting"]
    assert f"beta=40, seed=0 ({sweep / '4'}): training diverged at step 7" in text


def test_a_run_that_trains_shows_how_far_it_is(tmp_path, capsys):
    """Its lock is held by nobody here, so it is told as killed: the state comes from `state_of`."""
    make_run(tmp_path / "a", status={"state": "running", "value": None, "ended": None}, metrics=curves(num=4))
    text = told(capsys, tmp_path)
    assert line(text, "a_run")[1:5] == ["a", "killed", "2/4", "-101.00"]


def test_numbers_and_units_are_those_of_the_evaluation(sweep, capsys):
    text = told(capsys, sweep)
    assert line(text, "run")[-4:] == ["nats"] * 4
    assert line(text, "beta=4, seed=1")[-4:] == ["-94.50", "20.00", "74.50", "90.50"]
    assert "nll, K=50" in text


def test_seeds_are_averaged(sweep, capsys):
    text = told(capsys, sweep, "mean=true", "state=finished")
    assert line(text, "beta=1")[1:6] == ["2", "finished", "-91.25", "±", "0.25"]
    assert len([row for row in text.splitlines() if row.strip().startswith("beta=")]) == 2


def test_a_mean_says_how_many_runs_it_rests_on(sweep):
    (sweep / "1" / "evaluation.json").unlink()
    rows = configurations(read_entries([sweep]))
    assert [row.counted for row in rows] == ["1 of 2", "2", "0 of 1", "0 of 1"]


def test_the_standard_error_is_that_of_the_mean(tmp_path):
    for seed, elbo in enumerate([-90.0, -91.0, -95.0]):
        make_run(tmp_path / str(seed), seed=seed, report=report_of(elbo))
    (row,) = configurations(read_entries([tmp_path]))
    assert row.cells["test.elbo"] == pytest.approx((-92.0, sqrt(7.0) / sqrt(3), 3))
    assert "test.kl_per_dim" not in row.cells


def test_runs_that_never_began_are_no_repetitions(sweep):
    rows = configurations(read_entries([sweep]))
    assert [len(row.entries) for row in rows] == [2, 2, 1, 1]


def test_the_best_is_one_among_runs_of_the_same_data(tmp_path):
    for num, (data, elbo) in enumerate([("MNIST", -90.0), ("MNIST", -80.0), ("Digits", -20.0), ("Toy", -1.0)]):
        make_run(tmp_path / str(num), data=data, report=report_of(elbo))
    rows = rows_of(read_entries([tmp_path]))
    columns = {column.key: column for column in columns_of(read_entries([tmp_path]))}
    assert best(rows, columns["test.elbo"]) == {1}
    assert best(rows, columns["test.nll"]) == {1}
    assert best(rows, columns["test.rate"]) == set()


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["model.beta=4"], ["seed=0", "seed=1"]),
        (["beta=4.0", "seed=1"], ["a_run"]),
        (["seed=0", "state=finished"], ["beta=1", "beta=4"]),
        (["state=failed,waiting"], ["beta=40", "beta=50"]),
        (["model=vae", "model.beta=1"], ["seed=0", "seed=1"]),
        (["data=mnist", "state=failed"], ["4"]),
        (["state=finished", "sort=test.nll"], [f"beta={b}, seed={s}" for b in (1, 4) for s in (0, 1)]),
        (["state=finished", "sort=-nll"], [f"beta={b}, seed={s}" for b in (4, 1) for s in (1, 0)]),
        (["state=finished", "sort=elbo"], [f"beta={b}, seed={s}" for b in (1, 4) for s in (0, 1)]),
        (["state=finished", "sort=-model.beta"], [f"beta={b}, seed={s}" for b in (4, 1) for s in (0, 1)]),
    ],
)
def test_runs_are_chosen_and_sorted(sweep, args, expected):
    assert names(sweep, *args) == expected


def test_classes_are_found_however_they_are_written(tmp_path):
    make_run(tmp_path / "a", model="BetaVAE")
    make_run(tmp_path / "b", model="VAE")
    assert [e.folder.name for e in select_entries(parse_arguments([str(tmp_path), "model=beta_vae"], OPTIONS))] == ["a"]
    assert [e.folder.name for e in select_entries(parse_arguments([str(tmp_path), "model=VAE"], OPTIONS))] == ["b"]


def test_runs_without_a_value_come_last_in_either_order(tmp_path):
    make_run(tmp_path / "0")
    make_run(tmp_path / "1", report=report_of(-90.0))
    make_run(tmp_path / "2", status={"value": float("nan")}, report=report_of(-80.0))
    entries = read_entries([tmp_path])
    assert [e.folder.name for e in sort_entries(entries, "nll")] == ["2", "1", "0"]
    assert [e.folder.name for e in sort_entries(entries, "-nll")] == ["1", "2", "0"]
    assert sort_entries(entries, "best")[-1].folder.name == "2"


def test_values_of_different_quantities_name_theirs(tmp_path, capsys):
    for num, (monitor, value) in enumerate([("val/elbo", -90.456), ("val/mmd2", 0.06784)]):
        make_run(tmp_path / str(num), model=f"M{num}", status={"monitor": monitor, "value": value})
    text = told(capsys, tmp_path)
    assert "-90.46 val/elbo" in text
    assert "0.0678 val/mmd2" in text
    assert "best val/" not in text


@pytest.mark.parametrize(("mode", "first"), [("max", "1"), ("min", "0")])
def test_the_best_of_what_validation_chose_by_comes_first(tmp_path, mode, first):
    for num in range(2):
        make_run(tmp_path / str(num), status={"value": float(num), "mode": mode}, mode=mode)
    entries = read_entries([tmp_path])
    assert sort_entries(entries, "best")[0].folder.name == first
    assert sort_entries(entries, "-best")[-1].folder.name == first


def test_jobs_come_as_people_count_and_runs_once(tmp_path):
    for num in range(12):
        make_run(tmp_path / "s" / str(num))
    (tmp_path / "s" / "3" / "pretrained" / "m1").mkdir(parents=True)
    (tmp_path / "s" / "3" / "pretrained" / "m1" / "config.yaml").write_text("{}")
    folders = run_folders([tmp_path / "s", tmp_path / "s" / "5"])
    assert [folder.name for folder in folders] == [str(num) for num in range(12)]


def test_columns_are_those_asked_for(sweep, capsys):
    text = told(capsys, sweep, "columns=nll,test.elbo")
    assert line(text, "beta=1, seed=0")[-2:] == ["87.00", "-91.00"]


def test_a_narrow_terminal_drops_quantities_and_says_so(sweep, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "64")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    text = re.sub(r"\x1b\[[0-9;]*m", "", told(capsys, sweep))
    assert max(map(len, text.splitlines()[1:-1])) <= 64
    assert "2 more: columns=all" in text
    assert line(text, "beta=1, seed=0")[2:] == ["finished", "4/4", "-91.00", "20.00"]


def test_copies_that_mlflow_keeps_are_no_runs(tmp_path, capsys):
    make_run(tmp_path / "0", report=report_of())
    copy = tmp_path / FILES / "34c2" / "artifacts"
    copy.mkdir(parents=True)
    (copy / "config.yaml").write_text((tmp_path / "0" / "config.yaml").read_text())
    assert told(capsys, tmp_path).startswith("1 run of VAE on MNIST")
    with pytest.raises(ValueError, match="holds no run"):
        run_folders([tmp_path / FILES])


def test_what_cannot_be_read_is_told_and_does_not_hide_the_rest(tmp_path, capsys):
    make_run(tmp_path / "0", report=report_of())
    make_run(tmp_path / "1")
    (tmp_path / "1" / "evaluation.json").write_text("{")
    make_run(tmp_path / "2")
    (tmp_path / "2" / "status.json").write_text("{")
    text = told(capsys, tmp_path)
    assert "3 runs" in text
    assert "is no evaluation report" in text
    assert "is no status of a run" in text
    assert text.endswith("\n")  # or the shell's prompt stands behind the last error


def test_runs_of_before_have_no_status(tmp_path, capsys):
    (make_run(tmp_path / "0", report=report_of()) / "status.json").unlink()
    assert line(told(capsys, tmp_path), "a_run")[1:3] == ["0", "finished"]


def test_a_quantity_that_nobody_here_knows_says_what_it_is(tmp_path, capsys):
    """Its code may be anybody's: the file says its place, its label and which way it is better."""
    own = {"unit": "votes", "better": "higher", "headline": 15, "label": "people's choice"}
    hidden = quantity(7.0, better=None, headline=None, label=None)
    for num, votes in enumerate((3.0, 5.0)):
        report = report_of(mine=quantity(votes, **own), aside=hidden)
        make_run(tmp_path / str(num), report=report, overrides=[f"seed={num}"], seed=num)
    columns = {column.name: column for column in columns_of(read_entries([tmp_path]))}
    assert list(columns) == ["elbo", "mine", "rate", "distortion", "nll", "aside"]
    assert (columns["mine"].title, columns["mine"].unit, columns["mine"].sign) == ("people's choice", "votes", 1)
    assert best(rows_of(read_entries([tmp_path])), columns["mine"]) == {1}
    assert names(tmp_path, "sort=mine") == ["seed=1", "seed=0"]
    text = told(capsys, tmp_path)
    assert "people's choice" in text
    assert "aside" not in text


def test_lists_have_no_column_and_units_are_those_of_the_quantity(tmp_path, capsys):
    make_run(tmp_path / "0", report=report_of(ks=quantity([0.1, 0.2], stderr=None), mse=quantity(0.025, unit="x")))
    text = told(capsys, tmp_path, "columns=all")
    assert "ks" not in text
    assert "0.025" in text


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nowhere"], "nowhere does not exist: name run directories"),
        (["file"], "file is a file"),
        (["empty"], "empty holds no run"),
        (["sweep", "sort=test.nlll"], "no run has 'test.nlll'; did you mean 'test.nll'"),
        (["sweep", "modle.beta=4"], "no run has 'modle.beta'; did you mean 'model.beta'"),
        (["sweep", "seed=77"], "none of 6 runs has seed=77"),
        (["sweep", "columns=elboo"], "columns=elboo: no run has that quantity; did you mean 'elbo'"),
        (["sweep", "mean=yes"], "mean=yes: say mean=true"),
    ],
)
def test_mistakes_are_named(sweep, tmp_path, monkeypatch, args, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        print_runs(args)


def test_the_command_takes_outputs_where_none_is_named(shell):
    make_run(shell.folder / "outputs" / "x", report=report_of())
    assert "1 run of VAE on MNIST" in shell("runs")
    assert "elbolab runs:" in shell("runs", "--help")
    assert "did you mean" in shell("runs", "sort=epoc", fails=True)


def test_many_runs_are_listed_quickly(tmp_path):
    for num in range(200):
        make_run(tmp_path / str(num), seed=num, beta=float(num % 40), report=report_of())
    start = time.monotonic()
    entries = select_entries(parse_arguments([str(tmp_path), "sort=nll"], OPTIONS))
    assert len(configurations(entries)) == 40
    assert time.monotonic() - start < 5  # a second on an idle core; labels that compare pairs took a minute


def test_nothing_heavy_is_imported():
    code = "import elbolab.report.table, elbolab.report, sys; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
