"""`elbolab train`, from the outside: what it leaves, and that a killed run ends as if it had not been killed."""

import csv
import json
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from omegaconf import OmegaConf
from safetensors.torch import load_file
from tests.helpers import mlp
from tests.shell import QUICK
from tests.stages.small_stages import small_stages
from torch import nn

import elbolab
from elbolab.cli.train import best_value, compile_networks
from elbolab.config.build import build_densities
from elbolab.distributions.conditional import Head
from elbolab.distributions.family import DiagonalNormal
from elbolab.evaluation.report import check_report
from elbolab.runs.run_dir import RunDir, read_config, read_spec

pytestmark = pytest.mark.usefixtures("no_pictures")  # but those of the finished run, which is made before


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_everything(finished):
    run, out = finished
    names = {str(p.relative_to(run)) for p in run.rglob("*") if p.is_file()}
    assert {
        "config.yaml",
        "status.json",
        "spec.json",
        "data.json",
        "environment.json",
        "timing.json",
        "weights.safetensors",
        "metrics.csv",
        "kl_per_dim.csv",
        "evaluation.json",
        "log.txt",
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
        *(
            f"figures/{f}.png"
            for f in (
                "samples",
                "reconstructions",
                "interpolations",
                "traversals",
                "latent_space",
                "codes_and_prior",
                "posterior_and_truth",
                "manifold",
                "loss_curves",
                "kl_per_dim",
                "kl_over_training",
            )
        ),
    } == names
    for word in ("elbo", "rate", "distortion", "nll, K=4", "active units", "images/s", "evaluation.json"):
        assert word in out


def test_the_report_follows_its_schema(finished):
    report = json.loads((finished[0] / "evaluation.json").read_text())
    check_report(report)
    test = report["test"]
    assert {
        "elbo",
        "rate",
        "distortion",
        "nll",
        "ess",
        "active_units",
        "kl_per_dim",
        "probe_accuracy",
        "knn_accuracy",
        "cross_entropy",
        "posterior_entropy",
        "mse",
        "psnr",
    } <= set(test)
    assert test["nll"]["k"] == 4
    assert test["elbo"]["value"] == pytest.approx(-test["rate"]["value"] - test["distortion"]["value"], rel=1e-5)
    assert test["nll"]["value"] <= -test["elbo"]["value"] + 1


def test_curves_have_a_row_a_block_and_validation_at_epoch_ends(finished):
    table = rows(finished[0] / "metrics.csv")
    steps = [int(row["step"]) for row in table]
    assert steps == sorted(set(steps))
    assert [int(row["epoch"]) for row in table if row["val/elbo"]] == [0, 1, 2]
    assert all(
        float(row["train/loss"]) == pytest.approx(-float(row["train/elbo"])) for row in table if row["train/loss"]
    )


def test_the_best_checkpoint_is_exported(finished):
    run = finished[0]
    state = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    for name, weight in load_file(run / "weights.safetensors").items():
        assert torch.equal(weight, state[f"densities.{name}"])


def test_evaluation_repeats_and_changes_with_k(finished, shell):
    run, _ = finished
    before = (run / "evaluation.json").read_bytes()
    shell("evaluate", f"run={run}", "evaluation.num_samples=4")
    assert (run / "evaluation.json").read_bytes() == before
    shell("evaluate", f"run={run}", "evaluation.num_samples=40", "evaluation.splits=[val]")
    report = json.loads((run / "evaluation.json").read_text())
    assert set(report) == {"test", "val"}
    assert report["val"]["nll"]["k"] == 40
    shell("evaluate", f"run={run}", "evaluation.num_samples=4")


def test_samples_are_written_as_arrays_and_pictures(finished, shell, tmp_path):
    import numpy as np

    shell("sample", f"run={finished[0]}", "num=7", f"out={tmp_path / 'drawn'}")
    with np.load(tmp_path / "drawn" / "samples.npz") as file:
        arrays = dict(file)
    assert arrays["means"].shape == (7, 1, 8, 8)
    assert set(np.unique(arrays["samples"])) <= {0.0, 1.0}
    assert (tmp_path / "drawn" / "samples.png").stat().st_size > 1000


def test_what_is_drawn_can_be_said(finished, shell, tmp_path, monkeypatch):
    import numpy as np

    drawn = {}
    monkeypatch.setattr("elbolab.cli.sample.draw_all", lambda *_, **told: drawn.update(told) or {})
    for what, name in (("sample", "samples"), ("mean", "means")):
        shell("sample", f"run={finished[0]}", f"what={what}", "num=3", f"out={tmp_path / what}")
        with np.load(tmp_path / what / "samples.npz") as file:
            assert list(file) == [name]
        assert drawn["what"] == what
    refusal = "what=foo: there is no such output: set what=mean or sample"
    assert refusal in shell("sample", f"run={finished[0]}", "what=foo", fails=True)


def test_a_run_is_loaded_without_its_data(finished):
    run = elbolab.load_run(finished[0])
    assert run.sample(3, seed=1).shape == (3, 1, 8, 8)
    assert torch.equal(run.sample(3, seed=1), run.sample(3, seed=1))
    bits = run.sample(3, seed=1, what="sample")
    assert bits.shape == (3, 1, 8, 8)
    assert set(bits.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(bits, run.sample(3, seed=1, what="sample"))
    x = next(iter(run.data().batches("test"))).x
    assert run.encode(x).shape == (len(x), 2)
    assert run.reconstruct(x).shape == x.shape


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # fork, by intent
def test_a_killed_run_ends_as_one_that_was_not(shell):
    options = [
        *QUICK,
        "trainer.max_epochs=12",  # a record takes over after 100 of 132 steps
        "callbacks.newest.every_n_steps=20",
        "model=beta_vae",
        "model.ema=0.9",
        "model.beta={_target_: elbolab.training.schedules.Linear, start: 0, end: 1, epochs: 6}",
        "evaluation.limit=100",
        "data.train_limit=1200",
        "callbacks.newest.every_seconds=null",
    ]
    killed = shell.fork("train", *options, "hydra.run.dir=killed")
    state = shell.folder / "killed" / "checkpoints" / "last.ckpt"
    while not (state.exists() and len(rows(shell.folder / "killed" / "metrics.csv")) > 12):
        assert killed.is_alive()
        time.sleep(0.02)
    killed.kill()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert not (shell.folder / "killed" / "weights.safetensors").exists()
    shell("train", "resume=killed")
    shell("train", *options, "hydra.run.dir=whole")
    one, other = (load_file(shell.folder / d / "weights.safetensors") for d in ("whole", "killed"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    ends = [
        torch.load(shell.folder / d / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for d in ("whole", "killed")
    ]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    assert rows(shell.folder / "whole" / "metrics.csv") == rows(shell.folder / "killed" / "metrics.csv")


def test_a_finished_run_can_be_made_longer(finished, shell):
    import shutil

    shutil.copytree(finished[0], shell.folder / "longer")
    before = (finished[0] / "checkpoints" / "last.ckpt").read_bytes()
    shell("train", "resume=longer", "trainer.max_epochs=4", "evaluation.limit=50")
    assert (finished[0] / "checkpoints" / "last.ckpt").read_bytes() == before
    assert "max_epochs: 4" in (shell.folder / "longer" / "config.yaml").read_text()
    shell("train", "resume=longer", "evaluation.limit=50")  # nothing is left to train; it is measured again
    timing = json.loads((shell.folder / "longer" / "timing.json").read_text())
    assert timing["epochs"] == 4
    assert timing["steps"] == 44
    assert [int(row["epoch"]) for row in rows(shell.folder / "longer" / "metrics.csv") if row["val/elbo"]] == [
        0,
        1,
        2,
        3,
    ]


def test_an_experiment_that_sweeps_takes_other_values_and_has_a_directory_of_its_own(shell):
    short = ["trainer.max_epochs=1", "evaluation.limit=20", "hydra/launcher=basic"]
    shell("train", *QUICK, "experiment=tutorial/beta", "model.beta=2", *short)
    (sweep,) = (shell.folder / "outputs" / "sweeps").iterdir()
    assert OmegaConf.load(sweep / "0" / "config.yaml").model.beta == 2


def test_averaged_weights_are_exported(shell):
    shell("train", *QUICK, "model.ema=0.5", "evaluation.limit=20", "hydra.run.dir=run")
    state = torch.load(shell.folder / "run" / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    exported = load_file(shell.folder / "run" / "weights.safetensors")
    densities = build_densities(read_config(RunDir(shell.folder / "run")), read_spec(RunDir(shell.folder / "run")))
    for i, (name, _) in enumerate(densities.named_parameters()):
        assert torch.equal(exported[name], state[f"ema.{i}"])
        assert not torch.equal(exported[name], state[f"densities.{name}"])


def test_a_run_in_float64_is_so_from_end_to_end(shell):
    options = ["trainer.precision=64-true", "trainer.max_epochs=1", "evaluation.limit=50"]
    shell("train", *QUICK, *options, "hydra.run.dir=run")
    assert {w.dtype for w in load_file(shell.folder / "run" / "weights.safetensors").values()} == {torch.float64}
    report = json.loads((shell.folder / "run" / "evaluation.json").read_text())
    assert all("float64" in entry["dtype"] for entry in report["test"].values())
    before = (shell.folder / "run" / "evaluation.json").read_bytes()
    shell("evaluate", "run=run")
    assert (shell.folder / "run" / "evaluation.json").read_bytes() == before
    assert torch.get_default_dtype() is torch.float32
    run = elbolab.load_run(shell.folder / "run")
    x = torch.ones(2, 1, 8, 8)  # float32, as the notebook has it
    assert {run.encode(x).dtype, run.sample(2).dtype, run.reconstruct(x).dtype} == {torch.float64}


def test_without_curves_no_file_of_curves_is_named(shell):
    out = shell("train", *QUICK, "logger=none", "evaluation.limit=20", "trainer.max_epochs=1")
    assert "metrics.csv" not in out
    assert "weights.safetensors" in out


@pytest.mark.parametrize(
    ("best", "seen", "value"), [(torch.tensor(-2.5), -3.0, -2.5), (None, -3.0, -3.0), (None, None, float("nan"))]
)
def test_sweepers_get_the_best_value(best, seen, value):
    checkpoint = ModelCheckpoint()
    checkpoint.best_model_score = best
    metrics = {} if seen is None else {"val/elbo": torch.tensor(seen)}
    trainer = SimpleNamespace(checkpoint_callbacks=[checkpoint], callback_metrics=metrics)
    assert best_value(trainer, "val/elbo") == pytest.approx(value, nan_ok=True)


def test_data_are_found_from_any_folder(shell, monkeypatch):
    x = (np.random.default_rng(0).random((300, 8)) < 0.5).astype("uint8")
    np.save(shell.folder / "x.npy", x)
    monkeypatch.setenv("ELBOLAB_DATA", "data")
    options = ["data=arrays", "data.path=x.npy", "evaluation.limit=20", "trainer.max_epochs=1"]
    shell("train", *QUICK[2:], *options, "hydra.run.dir=run")
    monkeypatch.delenv("ELBOLAB_DATA")
    cfg = OmegaConf.load(shell.folder / "run" / "config.yaml")
    assert cfg.data.path == str(shell.folder / "x.npy")
    assert cfg.data.root == str(shell.folder / "data")
    other = shell.folder / "other"
    other.mkdir()
    type(shell)(other)("evaluate", "run=../run")


def test_networks_are_compiled_in_place():
    head = Head(((2,), (1, 3)), (4,), mlp(3), DiagonalNormal)
    parents = torch.randn(6, 2), torch.randn(6, 1, 3)
    plain, names, graphs = head(*parents).mean, list(head.state_dict()), []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph

    compile_networks(nn.ModuleList([head]), backend=backend)
    torch.testing.assert_close(head(*parents).mean, plain)
    assert list(head.state_dict()) == names
    assert len(graphs) == 1


@pytest.mark.slow
def test_networks_are_compiled_on_request(shell, monkeypatch):
    from elbolab.cli import train

    compiled = []
    monkeypatch.setattr(train, "compile_networks", compiled.append)
    monkeypatch.setenv("CXX", sys.executable)
    shell("train", *QUICK, "scale=smoke", "compile=true")
    assert [type(model).__name__ for model in compiled] == ["VAE"]
    assert "compile=maybe: give true or false" in shell("train", *QUICK, "scale=smoke", "compile=maybe", fails=True)


@pytest.mark.parametrize("compiler", ["g++", "no-compiler"])
def test_networks_are_not_compiled_without_a_compiler(shell, monkeypatch, tmp_path, compiler):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", compiler)
    (line,) = shell("train", *QUICK, "compile=true", "hydra.run.dir=run", fails=True).splitlines()
    assert "compile=true" in line
    assert compiler in line
    assert not (shell.folder / "run").exists()


def test_an_unknown_engine_leaves_nothing(shell):
    error = shell("train", *QUICK, "scale=smoke", "trainer.engine=graph", "hydra.run.dir=run", fails=True)
    assert "trainer.engine=graph: choose auto, captured, eager" in error
    assert not (shell.folder / "run").exists()


@pytest.mark.slow
def test_two_ranks_leave_one_run_measured_as_one_process_measures_it(shell):
    """With a stage, which they train together first."""
    small_stages(shell.folder)
    script = shell.folder / "start.py"  # Lightning starts the other rank by the name of the script
    no_pictures = "from elbolab.cli import evaluate\n\nevaluate.draw_all = lambda *_, **__: {}\n"
    script.write_text(f"{no_pictures}from elbolab.cli import main\n\nmain()\n")
    own = ["--config-dir=own", "experiment=toy/top", "evaluation.limit=null"]
    options = [*own, "trainer.devices=2", "trainer.accelerator=cpu", "hydra.run.dir=run"]
    options += ["logger=[tensorboard,wandb]", "logger.wandb.offline=true"]  # one rank writes
    command = [sys.executable, str(script), "train", *options]
    done = subprocess.run(command, cwd=shell.folder, env=shell.env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("images/s") == 2
    assert done.stderr.count("pretrained.below: training toy/below") == 1
    table = rows(shell.folder / "run" / "metrics.csv")
    assert [int(row["epoch"]) for row in table if row["val/elbo"]] == [0, 1]
    assert len({row["step"] for row in table}) == len(table)
    (stage,) = (shell.folder / "outputs" / "pretrained").glob("toy_*")
    assert OmegaConf.load(stage / "config.yaml").trainer.devices == 2
    assert done.stdout.count("W&B: recorded offline") == 2
    below, run = (load_file(folder / "weights.safetensors") for folder in (stage, shell.folder / "run"))
    assert all(torch.equal(weight, run[f"below.{name}"]) for name, weight in below.items())
    together = (shell.folder / "run" / "evaluation.json").read_bytes()
    (shell.folder / "run" / "evaluation.json").unlink()
    shell("evaluate", "--config-dir=own", "run=run")
    assert (shell.folder / "run" / "evaluation.json").read_bytes() == together
