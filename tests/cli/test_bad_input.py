"""Every user's error: one message that names the mend, no traceback, a code other than 0, nothing lost."""

import shutil

import numpy as np
import pytest
from filelock import FileLock
from tests.cli.conftest import QUICK

GREY = "data.binarize=none"

BAD = {
    "a misspelt command": (["trian"], "did you mean 'elbolab train'"),
    "a misspelt group": (["train", "modle=vae"], "did you mean 'model'"),
    "a misspelt option": (["train", "model=vea"], "did you mean 'vae'"),
    "a misspelt key": (["train", "data.batch_sizee=10"], "did you mean 'data.batch_size'"),
    "a misspelt value": (["train", *QUICK, "net.activation=Rleu"], "ReLU"),
    "an unreadable override": (["train", "data"], "KEY=VALUE"),
    "Bernoulli on grey data": (["train", *QUICK, GREY], "data.binarize=dynamic.*likelihood=continuous_bernoulli"),
    "a posterior that leaves the prior's support": (["train", *QUICK, "posterior=bernoulli"], "prior=bernoulli"),
    "no latent dimension": (["train", *QUICK, "densities.latent_dim=0"], "latent_dim=0.*at least one"),
    "labels of unlabelled data": (
        ["train", *QUICK, "data=arrays", "data.path=x.npy", "~data.binarize", "data.given=labels"],
        "data.given=none",
    ),
    "too few images": (["train", *QUICK, "data.train_limit=5"], "batch_size"),
    "NaN in the data": (
        ["train", *QUICK, "data=arrays", "data.path=nan.npy", "~data.binarize", "likelihood=gaussian"],
        "NaN|not finite",
    ),
    "a prior that an autoencoder ignores": (["train", *QUICK, "model=ae", "prior=mixture"], "prior=none"),
    "a precision that is none": (["train", *QUICK, "trainer.precision=16-mixed"], "bf16-mixed"),
    "no end": (["train", *QUICK, "trainer.max_epochs=null"], "trainer.max_epochs"),
    "a latent dimension in words": (["train", *QUICK, "densities.latent_dim=two"], "latent_dim=two.*at least one"),
    "a seed in words": (["train", *QUICK, "seed=x"], "seed=x: a seed is a whole number"),
    "no epochs": (["train", *QUICK, "trainer.max_epochs=0"], "train for at least one"),
    "a key that nothing reads": (["train", *QUICK, "+sede=1"], "did you mean 'seed'"),
    "an experiment that does not exist": (["train", "experiment=burda"], "did you mean 'burda2016/vae"),
    "a module that is not there": (["train", *QUICK, "model._target_=nowhere.VAE"], "nowhere.VAE.*--config-dir"),
    "no runs to compare": (["compare"], "which runs"),
    "a run directory that is none": (["evaluate", "run=nowhere"], "no run directory"),
    "resuming what is no run": (["train", "resume=nowhere"], "no run directory"),
    "no run named": (["sample"], "run=DIR"),
    "comparing one run": (["compare", "nowhere"], "name two run directories"),
    "an unknown group to list": (["list", "modle"], "model"),
    "a missing data file": (["train", *QUICK, "data=arrays", "data.path=missing.npz", "~data.binarize"], "missing.npz"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_has_one_clear_message(name, shell):
    args, message = BAD[name]
    np.save(shell.folder / "x.npy", (np.random.default_rng(0).random((300, 8)) < 0.5).astype("uint8"))
    np.save(shell.folder / "nan.npy", np.where(np.arange(2400).reshape(300, 8) == 77, np.nan, 0.5).astype("float32"))
    err = shell(*args, fails=True)
    import re

    assert re.search(message, err, re.DOTALL), err
    assert err.count("error:") == 1
    assert "Traceback" not in err
    assert {path.name for path in shell.folder.iterdir()} == {"x.npy", "nan.npy"}, "nothing that looks like a run"


def test_v_shows_the_traceback(shell):
    assert "Traceback" in shell("train", *QUICK, "densities.latent_dim=0", "-v", fails=True)


def test_resume_refuses_another_experiment(finished, shell):
    err = shell("train", f"resume={finished[0]}", "densities.latent_dim=3", fails=True)
    assert "cannot change when a run is resumed" in err


def test_a_part_that_is_missing_from_a_run_is_named(finished, shell):
    shutil.copytree(finished[0], shell.folder / "half")
    (shell.folder / "half" / "spec.json").unlink()
    assert "it has no spec.json" in shell("evaluate", "run=half", fails=True)
    shutil.copy(finished[0] / "spec.json", shell.folder / "half")
    (shell.folder / "half" / "weights.safetensors").unlink()
    assert "finish it with elbolab train resume=" in shell("evaluate", "run=half", fails=True)


def test_one_directory_is_trained_in_once_at_a_time(finished, shell):
    shutil.copytree(finished[0], shell.folder / "busy")
    with FileLock(shell.folder / "busy" / ".lock"):
        assert "another process is training" in shell("train", "resume=busy", fails=True)
    assert (shell.folder / "busy" / "weights.safetensors").exists()


def test_a_resumed_run_cannot_end_before_where_it_is(finished, shell):
    shutil.copytree(finished[0], shell.folder / "long")
    assert "max_epochs=1" in shell("train", "resume=long", "trainer.max_epochs=1", fails=True)


def test_any_path_can_name_a_run(finished, shell):
    name = "lr=0.1, seed='0' (a run)"
    shutil.copytree(finished[0], shell.folder / name)
    shell("train", f"resume={name}", "evaluation.limit=50")
    shell("sample", f"run={name}", "num=1")
    assert (shell.folder / name / "samples" / "samples.npz").exists()


def test_a_loss_that_becomes_nan_keeps_the_last_good_state(shell):
    err = shell(
        "train",
        *QUICK,
        "optimizer=sgd",
        "optimizer.lr=1e9",
        "model.beta=1",
        "model=beta_vae",
        "callbacks.newest.every_n_steps=1",
        "hydra.run.dir=run",
        fails=True,
    )
    assert "left the finite numbers" in err
    assert "optimizer.lr" in err
    assert (shell.folder / "run" / "config.yaml").exists()
