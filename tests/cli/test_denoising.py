"""A denoising VAE on the command line, from training to restorations under another noise."""

import json
import shutil

import pytest
from tests.shell import QUICK, Shell


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    shell = Shell(tmp_path_factory.mktemp("denoising"))
    options = ["corruption=bit_flip", "corruption.probability=0.2", "trainer.max_epochs=1", "evaluation.limit=40"]
    out = shell("train", "model=dvae", *QUICK, *options, "hydra.run.dir=run")
    return shell.folder / "run", out


def test_it_is_measured_by_its_own_bound_and_by_what_it_restores(run):
    folder, out = run
    report = json.loads((folder / "evaluation.json").read_text())["test"]
    assert report["dvae_bound"]["value"] < report["mixture_bound"]["value"]
    assert report["corruption_mse"]["value"] == pytest.approx(0.2, abs=0.03)
    assert {"DVAE bound, K=5 [nats]", "restoration [nats]"} <= {line.split("  ")[0] for line in out.splitlines()}
    assert (folder / "figures" / "restorations.png").is_file()
    assert "val/dvae_bound" in (folder / "metrics.csv").read_text()


def test_evaluation_restores_from_another_corruption_and_leaves_the_model_its_own(run, shell):
    folder = shutil.copytree(run[0], shell.folder / "run")
    shell("evaluate", "run=run", "corruption=masking", "corruption.probability=1")
    before, after = (json.loads((path / "evaluation.json").read_text())["test"] for path in (run[0], folder))
    assert after["corruption_mse"] != before["corruption_mse"]
    assert after["dvae_bound"] == before["dvae_bound"]


@pytest.mark.slow
def test_a_vae_is_measured_under_a_corruption_too(finished, shell):
    folder = shutil.copytree(finished[0], shell.folder / "run")
    assert "restoration" not in json.loads((folder / "evaluation.json").read_text())["test"]
    shell("evaluate", "run=run", "corruption=bit_flip", "evaluation.limit=20")
    assert "restoration" in json.loads((folder / "evaluation.json").read_text())["test"]


def test_a_corruption_out_of_range_is_refused_before_training(shell):
    message = shell("train", *QUICK, "corruption=bit_flip", "corruption.probability=2", fails=True)
    assert "corruption probability=2" in message
