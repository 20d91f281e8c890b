"""What is shown of a sweep, without running one."""

from io import StringIO

import pytest
from rich.console import Console

from elbolab.runs.labels import shorten
from elbolab.runs.status import State
from elbolab.runs.sweep_dir import Job, Sweep, find_swept_values, name_of
from elbolab.sweeps.live_table import Watcher, describe_state, draw_table
from elbolab.sweeps.summary import command_to_continue

JOBS = [
    Job(0, ["data=digits", "model=vae", "+x=1", "seed=1"]),
    Job(1, ["data=digits", "model=vae", "+x=1", "seed=2"]),
    Job(2, ["data=digits", "model=ae", "seed=1"]),
]
RUNNING = State("running", None, None, "val/elbo", 3, 20, -101.25, 65.0)
FAILED = State("failed", "too small", None, "val/elbo", None, None, None, 1.0)


def test_what_tells_jobs_apart():
    assert find_swept_values(JOBS) == {
        0: {"model": "vae", "x": "1", "seed": "1"},
        1: {"model": "vae", "x": "1", "seed": "2"},
        2: {"model": "ae", "seed": "1"},
    }
    assert name_of(JOBS[1], {"seed": "2"}) == "job 1 (seed=2)"
    assert find_swept_values(JOBS[:1]) == {0: {}}
    assert name_of(JOBS[0], {}) == "job 0"


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (RUNNING, "running, val/elbo -101.25"),
        (FAILED, "failed, 1 s: too small"),
        (State("waiting"), "waiting"),
        (RUNNING._replace(state="finished"), "finished, val/elbo -101.25, 1 min 5 s"),
    ],
)
def test_a_state_in_words(state, said):
    assert describe_state(state) == said


def drawn(rows, width=120, failed=FAILED):
    states = {0: RUNNING, 1: failed, 2: State("waiting")}
    console = Console(file=StringIO(), width=width)
    console.print(draw_table(JOBS, states, rows))
    return [text.split() for text in console.file.getvalue().splitlines()]


def test_a_long_error_takes_one_line():
    *_, failed, waiting, _ = drawn(10, 80, FAILED._replace(error="too small " * 30))
    assert failed[:5] == ["1", "vae", "1", "2", "failed:"]
    assert failed[-3].endswith("…")
    assert failed[-2:] == ["1", "s"]
    assert waiting == ["2", "ae", "1", "waiting"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("0.0007576997037540093", "0.0007577"),
        ("1e-4", "1e-4"),
        ("123456789", "123456789"),
        ("runs/v1.2.x", "runs/v1.2.x"),
    ],
)
def test_numbers_that_nobody_has_typed_are_short(value, said):
    assert shorten(value) == said


def test_the_table_has_a_line_a_job():
    heading, *lines = drawn(10)
    assert heading == ["job", "model", "x", "seed", "state", "epoch", "best", "val/elbo", "time"]
    assert lines[0] == ["0", "vae", "1", "1", "running", "3/20", "-101.25", "1", "min", "5", "s"]
    assert lines[1] == ["1", "vae", "1", "2", "failed:", "too", "small", "1", "s"]
    assert lines[2] == ["2", "ae", "1", "waiting"]
    assert " ".join(lines[3]) == "1 running, 1 failed, 1 waiting"


def test_where_there_is_no_room_those_that_run_and_have_failed_are_shown():
    assert [words[0] for words in drawn(2)[1:3]] == ["0", "1"]
    assert len(drawn(2)) == 4


def test_a_job_is_told_once_a_change(tmp_path, capsys):
    watcher = Watcher(Sweep(tmp_path, JOBS))
    for _ in range(3):
        watcher.look()
        watcher.print_changes()
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "evaluation.json").touch()
    for _ in range(3):
        watcher.look()
        watcher.print_changes()
    assert capsys.readouterr().err == "job 1 (model=vae, x=1, seed=2): finished\n"


def test_a_status_that_cannot_be_read_does_not_end_the_watch(tmp_path):
    watcher = Watcher(Sweep(tmp_path, JOBS))
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "status.json").write_text("{")
    watcher.look()
    assert watcher.states[1].state == "failed"
    assert "no status" in watcher.states[1].error


def test_the_way_on_names_the_directory(tmp_path):
    sweep = Sweep(tmp_path, JOBS)
    assert (
        command_to_continue(sweep, ["train", "-m", "seed=1,2"])
        == f"elbolab train -m seed=1,2 hydra.sweep.dir={tmp_path}"
    )
    assert command_to_continue(sweep, ["train", "-m", "hydra.sweep.dir=a"]) == "elbolab train -m hydra.sweep.dir=a"
