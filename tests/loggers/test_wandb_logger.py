import gc
import os
import signal
import sys
import time
import warnings
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from tests.walker import board_of
from tests.wandb_files import digest, history, pieces, records, server, sync

from elbolab.loggers import wandb_server as ours
from elbolab.loggers.board import Results
from elbolab.loggers.csv_logger import AppendingCSVLogger, InStep
from elbolab.loggers.wandb import WandbBoard, closing_line, end_live_run


class Run:
    """What `closing_line` reads of a W&B run."""

    def __init__(self, *, disabled=False, offline=False, url=None, sync_dir=None, id=None):
        self.disabled, self.offline, self.url, self.id = disabled, offline, url, id
        self.settings = type("Settings", (), {"sync_dir": sync_dir})


@pytest.mark.parametrize(
    ("run", "line"),
    [
        (Run(disabled=True), "W&B: disabled, nothing was recorded"),
        (Run(offline=True, sync_dir="a/b"), "W&B: recorded offline; upload with: wandb sync a/b"),
        (Run(url="https://host/p/runs/1", sync_dir="a/b"), "W&B: https://host/p/runs/1"),
    ],
)
def test_the_closing_line_says_where_the_run_is(run, line):
    assert closing_line(run) == line


def test_pictures_of_before_a_kill_are_in_the_part_that_repeats_it(nobody, tmp_path):
    (tmp_path / "run").mkdir()
    for step in (9, 19):
        board = board_of(tmp_path / "run")
        board.rewind(step)
        board.show({"figures/samples": Image.new("RGB", (3, step))}, step)
        board.close(failed=False)
    (piece,) = pieces(tmp_path / "run")
    shown = [(row["trainer/global_step"], row.get("figures/samples.height")) for row in history(piece)]
    assert shown == [(9, 9), (19, 19)]
    (tmp_path / "run" / "wandb_id.txt").unlink()  # another run in the same place
    board = board_of(tmp_path / "run")
    board.rewind(30)
    board.close(failed=False)
    (other,) = set(pieces(tmp_path / "run")) - {piece}
    assert history(other) == []


def test_nobody_can_be_asked_for_a_key():
    stdin = sys.stdin
    with suppress(KeyError), ours.without_stdin():
        assert sys.stdin is not stdin
        assert not sys.stdin.isatty()
        raise KeyError
    assert sys.stdin is stdin


def test_nobody_is_asked_while_a_run_begins(monkeypatch):
    import wandb

    seen = []
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setattr(ours, "reach", lambda url: None)
    monkeypatch.setattr(
        wandb, "setup", lambda *_: SimpleNamespace(settings=SimpleNamespace(mode="online", base_url=""))
    )
    monkeypatch.setattr(wandb, "init", lambda **settings: seen.append((settings["mode"], sys.stdin.name)))
    ours.begin(False, {"init_timeout": 1.0})
    assert seen == [("online", os.devnull)]


def told(board, tmp_path, step=29):
    """What a whole run tells it, beside its curves."""
    (tmp_path / "weights.safetensors").write_text("numbers")
    Image.new("RGB", (3, 2)).save(tmp_path / "samples.png")
    files = {"model": [tmp_path / "weights.safetensors"], "figures": [tmp_path / "samples.png"]}
    board.log_hyperparams({"seed": 1, "model": {"beta": 4.0}})
    board.heat("val/kl_per_dim", np.array([0.5, 2.25, 0.0]), step)
    numbers = {"test/nll": 95.4, "test/nll_stderr": 0.2, "best/elbo": -99.0}
    board.conclude(Results(step, numbers, files["figures"], files))
    return board.close(failed=False)


def test_a_run_that_is_resumed_without_an_account_is_one_wandb_run(nobody, run, tmp_path, caplog):
    """Fit, and fit again from a checkpoint: W&B's own reader shows everything, and a server gets one whole run."""
    folder, ids, state = tmp_path / "run", [], None
    for epochs in (1, 2):
        board = board_of(folder, artifacts=["model"])
        assert board.experiment.offline
        ids.append(board.experiment.id)
        loggers = [AppendingCSVLogger(folder), board]
        trainer = run.fit(InStep(), loggers=loggers, max_epochs=epochs, resume=state)
        trainer.save_checkpoint(state := tmp_path / "state.ckpt")
        (line,) = told(board, tmp_path)
        assert sys.modules["wandb"].run is None  # the next job of a sweep begins its own
    assert ids[0] == ids[1] == (folder / "wandb_id.txt").read_text().strip()
    assert caplog.text.count("recording offline, because http://127.0.0.1:9 does not answer") == 2
    (piece,) = pieces(folder)
    assert line == f"W&B: recorded offline; upload with: wandb sync {piece}"
    (begun,) = records(piece, "run")
    assert (begun["run_group"], begun["job_type"], begun["project"]) == ("sweep", "train", "elbolab")
    found = digest(piece)
    assert (found["run_id"], found["name"], found["tags"], found["state"]) == (ids[0], "first", ["a"], "finished")
    assert found["config"] == {"seed": 1, "model": {"beta": 4}}
    summary = found["summary"]
    assert summary["val/elbo"] == {"max": 20.5, "last": 20.5}
    assert summary["test"] == {"nll": 95.4, "nll_stderr": 0.2}
    assert summary["best"] == {"elbo": -99}
    assert summary["figures/samples"]["_type"] == "image-file"
    assert (piece / "files" / summary["figures/samples"]["path"]).is_file()
    assert summary["val/kl_per_dim"]["values"] == [0.5, 2.25, 0]
    assert [row["trainer/global_step"] for row in history(piece) if "val/elbo" in row] == [9, 19]
    assert [artifact["name"] for artifact in records(piece, "artifact")] == [f"{ids[0]}-model"]
    metrics = {metric["name"]: metric for metric in records(piece, "metric") if "name" in metric}
    assert metrics["val/mse"]["summary"] == {"min": True, "last": True}
    assert metrics["val/mse"]["step_metric"] == "trainer/global_step"


CURVES = "step,epoch,val/elbo\n9,0,-3\n19,1,-1\n29,2,-2\n"


@pytest.mark.parametrize(("step", "seen"), [(20, [9, 19]), (None, [9, 19, 29])])
def test_what_was_killed_is_told_again_and_synced_as_one(nobody, tmp_path, step, seen):
    """The best value may lie before the kill; the run goes on at a step, or had nothing left to train."""
    (tmp_path / "metrics.csv").write_text(CURVES)
    (tmp_path / "wandb_id.txt").write_text("begun001\n")
    (tmp_path / "kl_per_dim.csv").write_text("step,epoch,0,1\n9,0,0.5,1\n29,2,0.5,2\n")
    board = board_of(tmp_path)
    if step is None:
        board.show({"figures/samples": Image.new("RGB", (3, 2))}, 29)
        board.conclude(Results(29, {}, [], {}))
    else:
        board.rewind(step)
    board.close(failed=False)
    (piece,) = pieces(tmp_path)
    assert digest(piece)["summary"]["val/elbo"]["max"] == -1
    with server() as stub:
        sync([piece], stub.url, os.environ)
        (rows,) = (stub.rows(identity) for identity in stub.runs)
        (only,) = stub.runs.values()
    assert only["group"] == "sweep"
    assert [row["_step"] for row in rows] == list(range(len(rows)))
    assert [row["trainer/global_step"] for row in rows if "val/elbo" in row] == seen
    heats = [row["trainer/global_step"] for row in rows if "val/kl_per_dim" in row]
    assert heats == [at for at in (9, 29) if at in seen]


def test_a_server_that_knows_the_run_is_told_the_rest(nobody, tmp_path, monkeypatch):
    (tmp_path / "metrics.csv").write_text(CURVES)
    (tmp_path / "wandb_id.txt").write_text("known001\n")
    with server() as stub:
        row = {"_step": 0, "trainer/global_step": 9, "val/elbo": -3.0}
        stub.runs["known001"] = {"rows": {0: row}}
        monkeypatch.setenv("WANDB_BASE_URL", stub.url)
        monkeypatch.setenv("WANDB_API_KEY", "ab12" * 10)
        board = board_of(tmp_path)
        board.rewind(20)  # of a kill; what is told from here on may be known
        for step in (5, 9, 29):
            board.log_metrics({"val/elbo": -2.0}, step)
            board.heat("val/kl_per_dim", np.ones(2), step)
        board.close(failed=False)
    rows = stub.rows("known001")
    assert [row["trainer/global_step"] for row in rows if "val/elbo" in row] == [9, 19, 29]
    assert [row["trainer/global_step"] for row in rows if "val/kl_per_dim" in row] == [29]


def test_a_server_of_ones_own_gets_the_run(nobody, tmp_path, monkeypatch):
    with server() as stub:
        monkeypatch.setenv("WANDB_BASE_URL", stub.url)
        monkeypatch.setenv("WANDB_API_KEY", "ab12" * 10)
        board = board_of(tmp_path)
        assert not board.experiment.offline
        board.log_metrics({"val/elbo": -1.0}, 9)
        (line,) = board.close(failed=False)
        (identity,) = stub.runs
    assert line == f"W&B: {stub.url}/me/p/runs/{identity}"
    assert stub.rows(identity)[0]["val/elbo"] == -1.0


def test_an_old_word_for_offline_is_understood(nobody, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("WANDB_MODE", "dryrun")
    board = board_of(tmp_path)
    assert board.experiment.offline
    board.close(failed=True)
    assert "WANDB_MODE=dryrun is an old word for offline" in caplog.text
    assert digest(pieces(tmp_path)[0])["exit_code"] == 1


@pytest.mark.parametrize("offline", [False, True])
def test_a_mode_that_is_none_is_refused(nobody, tmp_path, monkeypatch, offline):
    monkeypatch.setenv("WANDB_MODE", "ofline")
    with pytest.raises(ValueError, match="^WANDB_MODE=ofline: W&B knows online, offline and disabled$"):
        board_of(tmp_path, offline=offline)


def test_disabled_is_said(nobody, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    board = board_of(tmp_path)
    board.log_metrics({"a": 1.0}, 0)
    assert board.close(failed=False) == ["W&B: disabled, nothing was recorded"]


def test_under_an_agent_the_run_is_the_agents_and_its_metric_a_number(nobody, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep1")
    monkeypatch.setenv("WANDB_RUN_ID", "run00001")
    board = WandbBoard("elbolab", tmp_path, offline=True)
    board.begin({"val/elbo": "max"})
    board.log_hyperparams({"model": {"beta": 4.0}})
    board.log_metrics({"val/elbo": -1.0, "val/loss": 1.0}, 9)
    board.close(failed=False)
    found = digest(pieces(tmp_path)[0])
    assert found["run_id"] == "run00001"
    assert found["config"] == {"model.beta": 4}
    assert found["summary"]["val/loss"] == {"min": 1, "last": 1}
    assert found["summary"]["val/elbo"] == {"last": -1}


def test_a_run_that_somebody_else_began_is_ended(nobody, tmp_path):
    import wandb

    wandb.init(mode="offline", dir=str(tmp_path))
    end_live_run(failed=False)
    assert wandb.run is None


def children(pid):
    return [int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds W&B's service by /proc")
def test_the_death_of_its_service_ends_neither_the_run_nor_the_next(nobody, tmp_path, caplog):
    before = set(children(os.getpid()))
    first = WandbBoard("elbolab", tmp_path / "first", offline=True)
    first.begin({})
    for pid in set(children(os.getpid())) - before:
        os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # a busy machine takes its time to end it
    for step in count():
        first.log_metrics({"val/elbo": 1.0}, step)
        if first.lost:
            break
        time.sleep(0.01)
    assert any("writes were lost" in line for line in first.close(failed=False))
    end_live_run(failed=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of the process that was killed
        del first
        gc.collect()
    second = WandbBoard("elbolab", tmp_path / "second", offline=True)
    second.begin({})
    second.log_metrics({"val/elbo": 1.0}, 9)
    (line,) = second.close(failed=False)
    assert "recorded offline" in line
    assert history(pieces(tmp_path / "second")[0])[0]["val/elbo"] == 1


def test_a_run_that_cannot_begin_at_all_is_told(tmp_path, monkeypatch, caplog):
    import wandb

    def fail(**_):
        raise RuntimeError("no service")

    monkeypatch.setattr(wandb, "init", fail)
    board = WandbBoard("elbolab", tmp_path, offline=True)
    board.begin({})
    board.log_metrics({"val/elbo": 1.0}, 9)
    assert "W&B: the run goes on, but something was not recorded: no service" in caplog.text
    assert board.close(failed=False)[-1] == "W&B: 2 writes were lost, the first because no service"
