"""What `elbolab train` leaves in dashboards, from the outside."""

import csv
import json
import os
import shutil
import signal
import time

import pytest
from tests.shell import QUICK
from tests.wandb_files import digest, history, pieces, records, server, sync

from elbolab.cli.boards import flatten_report, title_of

pytestmark = pytest.mark.usefixtures("no_pictures")  # but those of the finished run, which is made before

SHORT = [*QUICK, "evaluation.limit=50", "logger=wandb", "logger.wandb.offline=true"]


@pytest.fixture
def one_picture(monkeypatch):
    from elbolab.evaluation.figures.looks import blank

    monkeypatch.setattr("elbolab.cli.evaluate.draw_all", lambda *_, **__: {"samples": blank(1, 1)})


@pytest.mark.slow
def test_a_finished_run_has_everything_in_every_dashboard(shell, one_picture):
    out = shell("train", *SHORT, "logger=[wandb,tensorboard]", "logger.wandb.artifacts=[model]", "hydra.run.dir=run")
    run = shell.folder / "run"
    (piece,) = pieces(run)
    assert f"W&B: recorded offline; upload with: wandb sync {piece}" in out
    assert f"TensorBoard: tensorboard --logdir {run}/tensorboard" in out
    found = digest(piece)
    assert found["name"] == "digits_vae"
    assert found["tags"] == ["digits", "vae"]
    assert found["config"]["densities"]["latent_dim"] == 2
    assert {"nll", "nll_stderr", "elbo", "rate", "distortion"} <= set(found["summary"]["test"])
    assert found["summary"]["best"]["elbo"] == pytest.approx(found["summary"]["val/elbo"]["max"])
    assert len(found["summary"]["val/kl_per_dim"]["values"]) == 2
    with (run / "metrics.csv").open() as file:
        curve = [(int(row["step"]), float(row["val/elbo"])) for row in csv.DictReader(file) if row["val/elbo"]]
    logged = [(row["trainer/global_step"], row["val/elbo"]) for row in history(piece) if "val/elbo" in row]
    assert [step for step, _ in logged] == [step for step, _ in curve]
    assert dict(logged) == pytest.approx(dict(curve))
    assert "figures/samples" in found["summary"]
    assert [artifact["type"] for artifact in records(piece, "artifact")] == ["model"]
    from tests.loggers.test_tensorboard import events

    tags = events(run).Tags()
    assert {"figures/samples"} == set(tags["images"])
    assert {"val/elbo", "test/nll", "best/elbo"} <= set(tags["scalars"])
    command = json.loads((run / "environment.json").read_text())["command"]
    assert command == ["elbolab", "train", *SHORT, "logger=[wandb,tensorboard]", *command[-2:]]

    again = shell("evaluate", "run=run", "evaluation.num_samples=2")
    (newest,) = pieces(run)
    assert newest != piece
    assert f"wandb sync {newest}\n" in again
    nll = json.loads((run / "evaluation.json").read_text())["test"]["nll"]
    assert nll["k"] == 2
    new = digest(newest)
    assert (new["run_id"], new["config"], new["state"]) == (found["run_id"], found["config"], "finished")
    assert new["summary"]["test"]["nll"] == pytest.approx(nll["value"]) != found["summary"]["test"]["nll"]
    assert new["summary"]["best"] == pytest.approx(found["summary"]["best"])
    relogged = [(row["trainer/global_step"], row["val/elbo"]) for row in history(newest) if "val/elbo" in row]
    assert relogged == logged
    assert events(run).Scalars("test/nll")[-1].value == pytest.approx(nll["value"])
    shell("evaluate", "run=run", "dashboards=false")
    assert pieces(run) == [newest]


def test_dashboards_that_cannot_be_told_cost_an_evaluation_a_warning(shell, one_picture):
    shell("train", *QUICK, "trainer.max_epochs=1", "evaluation.limit=50", "logger=tensorboard", "hydra.run.dir=run")
    shutil.rmtree(shell.folder / "run" / "tensorboard")
    (shell.folder / "run" / "tensorboard").write_text("")
    assert "evaluation.json" in shell("evaluate", "run=run", "evaluation.num_samples=2")
    assert "dashboards were not told: logger.tensorboard.save_dir=" in (shell.folder / "run" / "log.txt").read_text()


@pytest.mark.slow
def test_every_job_of_a_sweep_is_a_run_of_one_group(shell):
    sweep = ["seed=0,1", "optimizer.lr=0.001,0.002", "hydra.sweep.dir=sweep"]
    shell("train", "-m", *SHORT, *sweep, "trainer.max_epochs=1", "trainer.limit_train_batches=2")
    runs = [records(piece, "run")[0] for job in range(4) for piece in pieces(shell.folder / "sweep" / str(job))]
    assert len({run["run_id"] for run in runs}) == 4
    assert {run["run_group"] for run in runs} == {"sweep"}
    assert [run["display_name"] for run in runs] == [
        f"digits_vae seed={seed} optimizer.lr={lr}" for seed in (0, 1) for lr in (0.001, 0.002)
    ]


def test_a_run_that_fails_is_ended_and_is_a_new_one_where_it_begins_again(shell, monkeypatch):
    def fail(*_):
        raise ValueError("no measure")

    options = [*SHORT, "trainer.max_epochs=1", "hydra.run.dir=run"]
    with monkeypatch.context() as failing:
        failing.setattr("elbolab.cli.train.measure", fail)
        err = shell("train", *options, fails=True)
    (piece,) = pieces(shell.folder / "run")
    assert digest(piece)["exit_code"] == 1
    assert f"W&B: recorded offline; upload with: wandb sync {piece}" in err
    shutil.rmtree(shell.folder / "run" / "checkpoints")
    shell("train", "resume=run")
    first, second = (digest(piece)["run_id"] for piece in pieces(shell.folder / "run"))
    assert first != second


def test_an_error_of_one_logger_ends_the_others(shell):
    sick = "+logger.sick={_target_: elbolab.loggers.tensorboard.TensorBoard, save_dir: file/x}"
    (shell.folder / "file").write_text("")
    err = shell("train", *SHORT, sick, "hydra.run.dir=run", fails=True)
    assert "logger.tensorboard.save_dir=" in err
    import wandb

    assert wandb.run is None


@pytest.mark.slow
def test_a_killed_run_goes_on_in_the_same_wandb_run(shell):
    options = [
        *SHORT,
        "trainer.max_epochs=40",
        "callbacks.newest.every_n_steps=20",
        "callbacks.newest.every_seconds=null",
    ]
    run = shell.folder / "run"
    killed = shell.start("train", *options, "hydra.run.dir=run")
    while not ((run / "checkpoints/last.ckpt").exists() and (run / "metrics.csv").read_text().count("\n") > 30):
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    (torn,) = pieces(run)
    out = shell("train", "resume=run")
    (piece,) = pieces(run)
    assert f"wandb sync {piece}\n" in out
    assert (run / "wandb" / f"repeated-{torn.name}").is_dir()
    with server() as stub:
        sync([piece], stub.url, os.environ)
        (identity,) = stub.runs
    assert torn.name.endswith(identity)
    rows = stub.rows(identity)
    assert [row["_step"] for row in rows] == list(range(len(rows)))
    logged = [(row["trainer/global_step"], row["val/elbo"]) for row in rows if "val/elbo" in row]
    with (run / "metrics.csv").open() as file:
        curve = [(int(row["step"]), float(row["val/elbo"])) for row in csv.DictReader(file) if row["val/elbo"]]
    assert [step for step, _ in logged] == [step for step, _ in curve]  # neither a gap nor anything twice
    assert dict(logged) == pytest.approx(dict(curve))


def test_a_report_is_flattened_with_its_standard_errors():
    quantity = {"n": 1, "k": None, "seed": 0, "dtype": "float64", "unit": "nats"}
    report = {
        "test": {
            "nll": {"value": 1.0, "stderr": 0.1} | quantity,
            "ssim": {"value": 0.5, "stderr": None} | quantity,
            "kl_per_dim": {"value": [1.0, 2.0], "stderr": [0.1, 0.1]} | quantity,
        }
    }
    assert flatten_report(report) == {"test/nll": 1.0, "test/nll_stderr": 0.1, "test/ssim": 0.5}


def test_a_title_holds_what_the_sweep_set(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["elbolab", "-m", "data=digits", "seed=0,1"])
    assert title_of("digits_vae", tmp_path, ["data=digits", "seed=1"]) == "digits_vae seed=1"
    (tmp_path / "sweep.json").write_text('{"command": ["data=digits,toy", "seed=1"]}')
    assert title_of("digits_vae", tmp_path, ["data=digits", "seed=1"]) == "digits_vae data=digits"
