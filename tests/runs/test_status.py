"""What a run says of itself, and how that is read."""

import json
import os

import pytest
from filelock import FileLock

from elbolab.common.refusal import Refusal, choose
from elbolab.runs.status import State, can_go_on, describe_end, is_held, read_status, record_end, record_start, state_of

CURVES = "step,epoch,train/elbo,val/elbo\n3,0,-9,\n4,0,-8,-7.5\n9,1,-5,-6.25\n14,2,-5,-6.5\n19,3,-5,-1"


def begin(folder, **others):
    folder.mkdir(exist_ok=True)
    record_start(folder, **({"monitor": "val/elbo", "mode": "max", "epochs": 5, "overrides": ["seed=1"]} | others))


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    begin(folder)
    (folder / "metrics.csv").write_text(CURVES)  # its last line is not complete
    return folder


def test_a_run_that_is_held_runs_and_its_curves_say_how_far_it_is(run):
    with FileLock(run / ".lock"):
        state = state_of(run)
    assert state[:7] == ("running", None, None, "val/elbo", 3, 5, -6.25)
    assert 0 <= state.seconds < 5
    assert state.overrides == ("seed=1",)


def test_a_run_that_nobody_holds_was_killed(run):
    assert state_of(run).state == "killed"
    assert not is_held(run)


def test_the_smaller_is_the_better_where_the_monitor_is_a_cost(tmp_path):
    begin(tmp_path, mode="min")
    (tmp_path / "metrics.csv").write_text("step,epoch,val/elbo\n1,0,3\n2,1,2\n3,2,inf\n4,3,nan\n")
    assert state_of(tmp_path).best == 2


def test_a_run_ends_with_its_value(run):
    record_end(run, "finished", value=-6.0)
    assert state_of(run)[:3] == ("finished", None, -6.0)
    assert state_of(run).best == -6.0
    assert json.loads((run / "status.json").read_text())["ended"] is not None


def test_a_value_that_is_no_number_is_none(run):
    record_end(run, "finished", value=float("nan"))
    assert state_of(run).value is None
    assert "NaN" not in (run / "status.json").read_text()


@pytest.mark.parametrize(
    ("error", "state", "said"),
    [
        (ValueError("too small"), "failed", "too small"),
        (Refusal("they do not fit", choose("prior", "normal")), "failed", "they do not fit: choose prior=normal"),
        (PermissionError(13, "Permission denied"), "failed", "[Errno 13] Permission denied"),
        (KeyError("a"), "failed", "KeyError: 'a'"),
        (KeyboardInterrupt(), "interrupted", None),
        (SystemExit(143), "interrupted", None),
    ],
)
def test_how_an_error_ends_a_run(run, error, state, said):
    record_end(run, *describe_end(error))
    assert state_of(run)[:2] == (state, said)


def test_attempts_add_up(run):
    status = read_status(run)
    status |= {"started": "2026-11-20T10:00:00+00:00", "ended": "2026-11-20T10:01:00+00:00", "before": 30.0}
    (run / "status.json").write_text(json.dumps(status))
    begin(run)
    assert read_status(run)["before"] == 90


def test_a_killed_run_took_until_it_last_wrote(run):
    status = read_status(run) | {"started": "2026-11-20T10:00:00+00:00"}
    (run / "status.json").write_text(json.dumps(status))
    os.utime(run / "metrics.csv", (1795168860, 1795168860))  # 2026-11-20T10:01:00
    assert state_of(run).seconds == pytest.approx(60)


@pytest.mark.parametrize(
    ("files", "state"),
    [((), "waiting"), (("config.yaml",), "killed"), (("config.yaml", "evaluation.json"), "finished")],
)
def test_a_run_without_status_is_told_by_its_files(tmp_path, files, state):
    for name in files:
        (tmp_path / name).touch()
    assert state_of(tmp_path) == State(state)
    assert state_of(tmp_path / "nowhere") == State("waiting")


def test_what_can_go_on(run):
    assert not can_go_on(run)
    (run / "config.yaml").touch()
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "last.ckpt").touch()
    assert can_go_on(run)
    record_end(run, "failed", error="NaN")
    assert not can_go_on(run)


def test_a_status_that_is_none_is_named(tmp_path):
    (tmp_path / "status.json").write_text("{")
    with pytest.raises(ValueError, match="status.json is no status of a run"):
        state_of(tmp_path)
