"""Sweeps, from the outside and in one process: what they leave, and what a repetition does with it."""

import csv
import json
import shutil
import signal

import pytest
from filelock import FileLock
from omegaconf import OmegaConf
from tests.shell import QUICK, Shell

from elbolab.models.base import ElboModule
from elbolab.report.compare import tables
from elbolab.runs.gather import read_entries
from elbolab.runs.status import State, read_status
from elbolab.runs.sweep_dir import Job
from elbolab.sweeps.summary import write_table

pytestmark = pytest.mark.usefixtures("no_pictures")

SHORT = [*QUICK, "trainer.max_epochs=1", "evaluation.limit=50", "hydra/launcher=basic", "hydra.sweep.dir=sweep"]
BETAS = ["model=beta_vae", "model.beta=0.5,-1,2"]


def table(folder):
    with (folder / "sweep.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def sweep(shell):
    return shell.folder / "sweep"


@pytest.fixture
def no_comparison(monkeypatch):
    """Sweeps end without pictures."""
    monkeypatch.setattr("elbolab.report.of_sweep.Comparison.__call__", lambda _: "")


@pytest.fixture(scope="module")
def some_failed(tmp_path_factory):
    """A sweep of three jobs, the second of which fails; its folder, and what it printed."""
    patch = pytest.MonkeyPatch()
    patch.setattr("elbolab.cli.evaluate.draw_all", lambda *_, **__: {})
    shell = Shell(tmp_path_factory.mktemp("some_failed"))
    err = shell("train", "-m", *SHORT, *BETAS, fails=True)
    patch.undo()
    return shell, err


def test_a_sweep_compares_the_jobs_that_succeed_and_names_those_that_fail(some_failed):
    shell, err = some_failed
    folder = shell.folder / "sweep"
    assert shell.code == 1
    assert "beta=0.5" in shell.out
    assert "beta=2" in shell.out
    assert "job 1 (model.beta=-1) failed: model.beta=-1" in shell.out
    assert err.splitlines()[-1].startswith("error: 1 of 3 jobs did not finish; try them again with: elbolab train -m ")
    assert {p.name for p in folder.iterdir()} == {
        *"012",
        *("multirun.yaml", "sweep.json", "sweep.csv"),
        *("rate_distortion.png", "latent_spaces.png", "codes_and_priors.png", "random_decodes.png"),
    }
    assert {p.name for p in (folder / "1").iterdir()} == {"status.json", "log.txt"}
    assert "Traceback" in (folder / "1" / "log.txt").read_text()
    assert "Traceback" not in err


def test_a_sweep_without_a_terminal_tells_each_change_of_state(some_failed):
    told = [line for line in some_failed[1].splitlines() if line.startswith("job ")]
    assert [line.partition(",")[0] for line in told if "finished" in line] == [
        "job 0 (model.beta=0.5): finished",
        "job 2 (model.beta=2): finished",
    ]
    assert sum(line.startswith("job 1 (model.beta=-1): failed") for line in told) == 1


def test_the_table_of_a_sweep_has_a_row_a_job(some_failed):
    folder = some_failed[0].folder / "sweep"
    rows = table(folder)
    assert [(row["job"], row["model.beta"], row["state"]) for row in rows] == [
        ("0", "0.5", "finished"),
        ("1", "-1", "failed"),
        ("2", "2", "finished"),
    ]
    report = json.loads((folder / "2" / "evaluation.json").read_text())["test"]
    assert {name for name in rows[2] if name.startswith("test/")} == {f"test/{name}" for name in report}
    assert float(rows[2]["test/elbo"]) == report["elbo"]["value"]
    assert float(rows[2]["value"]) == read_status(folder / "2")["value"]
    assert "model.beta=-1" in rows[1]["error"]
    assert rows[1]["test/elbo"] == ""


def test_the_table_of_a_sweep_has_what_was_measured_of_every_split(tmp_path):
    (tmp_path / "0").mkdir()
    told = {split: {"elbo": {"value": value}} for split, value in (("val", -1.5), ("test", -2.5))}
    (tmp_path / "0" / "evaluation.json").write_text(json.dumps(told))
    write_table(tmp_path, [Job(0, [])], {0: State("finished")})
    assert (table(tmp_path)[0]["val/elbo"], table(tmp_path)[0]["test/elbo"]) == ("-1.5", "-2.5")


def test_a_job_says_what_it_is(some_failed):
    folder = some_failed[0].folder / "sweep"
    status = read_status(folder / "2")
    assert status["overrides"] == [
        *QUICK[:3],
        "trainer.max_epochs=1",
        *QUICK[4:],
        "evaluation.limit=50",
        *BETAS[:1],
        "model.beta=2",
    ]
    command = json.loads((folder / "2" / "environment.json").read_text())["command"]
    assert command == ["elbolab", "train", *status["overrides"]]
    assert {OmegaConf.load(folder / num / "config.yaml").group for num in "02"} == {"sweep"}


def test_the_same_command_again_does_only_what_is_left(some_failed, monkeypatch, no_comparison):
    shell, _ = some_failed
    folder = shell.folder / "sweep"
    before = {num: (folder / num / "weights.safetensors").stat().st_mtime_ns for num in "02"}
    begun = []
    monkeypatch.setattr("elbolab.cli.train.train", lambda cfg: begun.append(cfg.model.beta) or 1 / 0)
    err = shell("train", "-m", *BETAS[::-1], *SHORT, fails=True)
    assert begun == [-1]
    assert f"2 of 3 jobs are finished already, in {folder}" in err
    assert {num: (folder / num / "weights.safetensors").stat().st_mtime_ns for num in "02"} == before
    assert "ZeroDivisionError" in table(folder)[1]["error"]
    assert [row["state"] for row in table(folder)] == ["finished", "failed", "finished"]


def test_the_directory_of_another_sweep_is_refused_before_anything_is_touched(some_failed):
    shell, _ = some_failed
    folder = shell.folder / "sweep"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    for others, said in (
        (["model=beta_vae", "model.beta=0.5,-1,3"], "its job 2 has model.beta=2 where this one's has model.beta=3"),
        (["model=beta_vae", "model.beta=0.5,-1,2", "group=a"], "its job 0 has nothing where this one's has group=a"),
        (["model=beta_vae", "model.beta=0.5,-1"], "of 3 jobs where this one has 2"),
    ):
        err = shell("train", "-m", *SHORT, *others, fails=True)
        assert said in err
        assert "choose another hydra.sweep.dir" in err
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


STOPPER = '''
import os
import pathlib
import lightning as L

class Stop(L.Callback):
    """Sends this process a signal at a step, the first time."""

    def __init__(self, number, at, mark):
        self.number, self.at, self.mark = number, at, pathlib.Path(mark)

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step >= self.at and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), self.number)
'''


def steps(folder):
    with (folder / "metrics.csv").open() as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


def test_a_sweep_that_is_stopped_goes_on_where_it_was(shell, sweep, no_comparison):
    (shell.folder / "sweep_stopper.py").write_text(STOPPER)
    stop = f"+callbacks.stop={{_target_: sweep_stopper.Stop, number: {int(signal.SIGTERM)}, at: 8, mark: stopped}}"
    command = ["train", "-m", *SHORT, "callbacks.newest.every_n_steps=4", stop, "seed=1,2"]
    err = shell(*command, fails=True)
    assert shell.code == 143
    assert err.splitlines()[-1].startswith("terminated; go on with: elbolab train -m ")
    assert read_status(sweep / "0")["state"] == "interrupted"
    assert steps(sweep / "0") == [3, 7]
    assert not (sweep / "1").exists()
    assert [row["state"] for row in table(sweep)] == ["interrupted", "waiting"]
    shell(*command)
    assert [steps(sweep / num) for num in "01"] == [[3, 7, 10], [3, 7, 10]]
    assert [row["state"] for row in table(sweep)] == ["finished"] * 2


TWO = ["train", "-m", *SHORT, "seed=1,2"]


@pytest.fixture(scope="module")
def two_jobs(tmp_path_factory):
    """A finished sweep of two jobs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("elbolab.cli.evaluate.draw_all", lambda *_, **__: {})
        patch.setattr("elbolab.report.of_sweep.Comparison.__call__", lambda _: "")
        shell = Shell(tmp_path_factory.mktemp("two_jobs"))
        shell(*TWO)
    return shell.folder / "sweep"


def test_jobs_that_differ_by_their_seeds_are_averaged(two_jobs):
    """Their titles name the seeds: what a real sweep writes says so, and no made-up configuration."""
    each, mean = tables(read_entries([two_jobs]), None)
    assert "±" not in each
    assert mean.count("±") > 1
    assert mean.splitlines()[-1].split()[:2] == ["digits_vae", "2"]


def put_back(folder, state):
    """A finished job as one that ended otherwise after its last step."""
    (folder / "status.json").write_text(json.dumps(read_status(folder) | {"state": state, "ended": None}))
    (folder / "evaluation.json").unlink()
    (folder / "left").touch()


def test_a_job_that_was_killed_is_gone_on_with_and_one_that_failed_begins_anew(shell, sweep, two_jobs, no_comparison):
    shutil.copytree(two_jobs, sweep)
    put_back(sweep / "0", "running")
    put_back(sweep / "1", "failed")
    shell(*TWO)
    assert [(sweep / num / "left").exists() for num in "01"] == [True, False]
    assert [(sweep / num / "evaluation.json").exists() for num in "01"] == [True, True]
    assert [steps(sweep / num) for num in "01"] == [steps(two_jobs / num) for num in "01"]
    assert [read_status(sweep / num)["value"] for num in "01"] == [read_status(two_jobs / num)["value"] for num in "01"]
    assert (sweep / "1" / "log.txt").read_text().count("Digits: ") == 2  # logs are kept


def test_a_job_that_cannot_go_on_keeps_what_it_has(shell, sweep, two_jobs, no_comparison, monkeypatch):
    """An error before its first new step says nothing of the checkpoint, and nothing of the other job."""
    shutil.copytree(two_jobs, sweep)
    put_back(sweep / "0", "interrupted")

    def broken(*_):
        raise OSError("the data are not mounted")

    monkeypatch.setattr("elbolab.cli.train.check_net", broken)
    shell(*TWO, fails=True)
    assert read_status(sweep / "0")["state"] == "interrupted"
    assert read_status(sweep / "0")["error"] == "the data are not mounted"
    assert (sweep / "0" / "checkpoints" / "last.ckpt").is_file()
    assert [row["state"] for row in table(sweep)] == ["interrupted", "finished"]


def test_a_job_that_is_resumed_by_hand_is_the_same_job(shell, sweep, two_jobs):
    """The table of a search knows its trials by these alone."""
    shutil.copytree(two_jobs, sweep)
    put_back(sweep / "0", "interrupted")
    shell("train", f"resume={sweep / '0'}", "evaluation.limit=50")
    assert read_status(sweep / "0")["state"] == "finished"
    assert read_status(sweep / "0")["overrides"] == read_status(two_jobs / "0")["overrides"]


def test_a_job_that_cannot_be_measured_is_not_trained_again(shell, sweep, no_comparison, monkeypatch):
    command = ["train", "-m", *SHORT, "seed=1"]
    with monkeypatch.context() as patch:
        patch.setattr("elbolab.cli.train.measure", lambda *_: 1 / 0)
        shell(*command, fails=True)
    assert read_status(sweep / "0")["state"] == "interrupted"
    assert "ZeroDivisionError" in read_status(sweep / "0")["error"]
    monkeypatch.setattr(ElboModule, "training_step", lambda *_: pytest.fail("it trains"))
    shell(*command)
    assert read_status(sweep / "0")["state"] == "finished"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["hydra.sweep.dir=/dev/null/sweep"], "hydra.sweep.dir=/dev/null/sweep: it cannot be made"),
        (["hydra.sweep.subdir=a"], "hydra.sweep.subdir=a: leave it out"),
        (["hydra.sweep.dir=runs"], "holds runs, and no sweep.json says of which sweep: choose another"),
        (["hydra.sweep.dir=torn"], "torn/sweep.json is no description of a sweep"),
        (["seed=interval(0,1)"], "does not support sweep type"),
        (["hydra.sweep.dir=new", "modle=vae,ae"], "the config has no 'modle'; did you mean"),
        (["hydra.sweep.dir=new", "hydra/launcher=local", "hydra.launcher.workers=0"], "workers=0: give at least 1"),
    ],
)
def test_a_sweep_that_cannot_be_has_one_clear_message(shell, args, message):
    (shell.folder / "runs" / "0").mkdir(parents=True)
    (shell.folder / "runs" / "0" / "config.yaml").touch()
    (shell.folder / "torn").mkdir()
    (shell.folder / "torn" / "sweep.json").write_text("{")
    before = sorted(shell.folder.rglob("*"))
    err = shell("train", "-m", *SHORT[:-1], "seed=1,2", *args, fails=True)
    assert message in err
    assert err.count("error:") == 1
    assert sorted(shell.folder.rglob("*")) == before


def test_a_sweep_that_another_process_runs_is_left_to_it(shell, sweep):
    sweep.mkdir()
    with FileLock(sweep / ".lock"):
        err = shell("train", "-m", *SHORT, "seed=1,2", fails=True)
    assert "another process runs the sweep in " in err
    assert {path.name for path in sweep.iterdir()} <= {".lock"}


def test_a_full_disk_has_one_message_and_overwrites_nothing(shell, sweep, monkeypatch):
    def full(path, text, **_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    err = shell("train", "-m", *SHORT, "seed=1,2", fails=True)
    assert f"error: hydra.sweep.dir={sweep}: it cannot be written (No space left on device)" in err
    assert not list(sweep.glob("*"))


def test_a_disk_that_fills_up_fails_the_jobs_and_says_so(shell, sweep, monkeypatch):

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("elbolab.cli.train.check_net", full)
    shell("train", "-m", *SHORT, "seed=1", fails=True)
    assert "job 0 failed: [Errno 28] No space left on device. Make room; then a sweep goes on as it began" in shell.out
