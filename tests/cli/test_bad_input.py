"""Every user's error: one message that names the mend, no traceback, a code other than 0, nothing lost."""

import csv
import os
import re
import shutil

import numpy as np
import pytest
import torch
from filelock import FileLock
from tests.shell import QUICK

from elbolab.runs.status import read_status

GREY = "data.binarize=none"
TOY = ["data=toy", *QUICK[2:]]

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
    "no images": (["train", *QUICK, "data.train_limit=0"], "data.train_limit=0"),
    "NaN in the data": (
        ["train", *QUICK, "data=arrays", "data.path=nan.npy", "~data.binarize", "likelihood=gaussian"],
        "NaN|not finite",
    ),
    "a prior that an autoencoder ignores": (["train", *QUICK, "model=ae", "prior=mixture"], "prior=none"),
    "a precision that is none": (["train", *QUICK, "trainer.precision=16-mixed"], "bf16-mixed"),
    "no end": (["train", *QUICK, "trainer.max_epochs=null"], "trainer.max_epochs"),
    "a latent dimension in words": (
        ["train", *QUICK, "densities.latent_dim=two"],
        "latent_dim=two: give a whole number",
    ),
    "a seed in words": (["train", *QUICK, "seed=x"], "^error: seed=x: give a whole number"),
    "another working directory": (["train", *QUICK, "hydra.job.chdir=true"], "hydra.job.chdir=true.*leave it out"),
    "another working directory for a sweep": (
        ["train", "-m", *QUICK, "seed=1,2", "hydra.job.chdir=true", "hydra.sweep.dir=sweep"],
        "hydra.job.chdir=true.*leave it out",
    ),
    "no epochs": (["train", *QUICK, "trainer.max_epochs=0"], "train for at least one"),
    "a key that nothing reads": (["train", *QUICK, "+sede=1"], "did you mean 'seed'"),
    "an experiment that does not exist": (["train", "experiment=burda"], "did you mean 'burda2016/vae"),
    "a module that is not there": (["train", *QUICK, "model._target_=nowhere.VAE"], "nowhere.VAE.*--config-dir"),
    "no runs to compare": (["compare"], "which runs"),
    "a run directory that is none": (["evaluate", "run=nowhere"], "no run directory"),
    "resuming what is no run": (["train", "resume=nowhere"], "no run directory"),
    "no run named": (["sample"], "run=DIR"),
    "comparing one run": (["compare", "nowhere"], "name two run directories"),
    "an unknown group to list": (["list", "modle"], "no config group 'modle'; did you mean 'model'"),
    "two groups to list": (["list", "model", "data"], "takes one group"),
    "a missing data file": (
        ["train", *QUICK, "data=arrays", "data.path=missing.npz", "~data.binarize"],
        "missing.npz: there is no such file",
    ),
    "a folder of configs that is not there": (["list", "--config-dir", "nope"], "no folder .*nope"),
    "another one": (["train", "--config-dir=nope"], "no folder .*nope"),
    "a group without a choice": (
        ["train", "model=null"],
        "model=null chooses nothing: choose one of aae, aae_clustering",
    ),
    "a misspelt corruption": (["train", "corruption=maskin"], "no option 'maskin'; did you mean 'masking'"),
    "a denoising model without a corruption": (
        ["train", *QUICK, "model=dvae", "corruption=none"],
        "needs a corruption: choose corruption=bit_flip",
    ),
    "a denoising loss of a model that corrupts nothing": (
        ["train", *QUICK, "model=dvae", "densities=single_layer"],
        "densities=single_layer: this model has densities of its own",
    ),
    "attributes of none": (
        ["train", *QUICK, "model=cmma", "data.given=none"],
        "determined by attributes needs .*set data.given=labels, factors or own",
    ),
    "a prior that does not read attributes": (
        ["train", *QUICK, "model=cmma", "prior=mixture"],
        "must read the attributes: choose prior=conditional_normal",
    ),
    "an experiment for other data": (
        ["train", *QUICK, "experiment=burda2016/vae", "data=digits"],
        "the experiment sets data.split, which data=digits does not take.*~data.split",
    ),
    "no run named after resume=": (["train", "resume="], "resume= is empty"),
    "no run named after run=": (["evaluate", "run="], "run= is empty"),
    "two runs": (["train", "resume=a", "resume=b"], r"resume is given 2 times \(a, b\)"),
    "a quantity that nobody reports": (["train", *QUICK, "monitor=val/foo"], "monitor=val/foo: .* choose val/elbo or"),
    "another one, to a callback": (
        ["train", *QUICK, "callbacks=early_stopping", "callbacks.early_stopping.monitor=val/foo"],
        "callbacks.early_stopping.monitor=val/foo",
    ),
    "another one, to the model": (["train", *QUICK, "model.monitor=val/foo"], "model.monitor=val/foo"),
    "an encoder that would not be trained": (
        ["train", *QUICK, "model=cvae", "model.alpha=0"],
        "^error: model.alpha=0: .*: set model.alpha=1 or 0.5, or choose model=gsnn$",
    ),
    "noise of binary data on grey ones": (
        ["train", *QUICK, GREY, "likelihood=gaussian", "model=dvae", "corruption=bit_flip"],
        r"bit_flip is a corruption of binary data, .* grey values in \[0, 1\]: choose corruption=gaussian_noise, m",
    ),
    "noise of binary data on real ones, in an encoder": (
        ["train", *TOY, "likelihood=gaussian", "model=denoising_ae", "corruption=salt_and_pepper"],
        "salt_and_pepper .* real numbers: choose corruption=gaussian_noise or masking",
    ),
    "noise of binary data on real ones, in the evaluation": (
        ["train", *TOY, "likelihood=gaussian", "corruption=im2017"],
        "im2017 .* real numbers: choose corruption=gaussian_noise or masking",
    ),
    "no labels for a model that needs some": (
        ["train", *QUICK, "model=m2"],
        "needs some labels: set data.num_labelled",
    ),
    "few labels for a model that looks at none": (
        ["train", *QUICK, "model=aae_clustering", "data.num_labelled=100"],
        "does not look at labels: set data.num_labelled=null, or choose model=m1",
    ),
    "more labels than there are": (
        ["train", *QUICK, "model=m2", "data.num_labelled=2000"],
        "takes 200 data of each class, and class 8 has 121 .*: choose at most 1210",
    ),
    "fewer labels than classes": (
        ["train", *QUICK, "model=m2", "data.num_labelled=5"],
        "10 classes have .*; choose 10$",
    ),
    "a critic of images": (
        ["train", *QUICK, "model=aae", "net@model.critic=conv"],
        "not codes: choose net@model.c.*mlp",
    ),
    "centres of classes without labels": (
        ["train", *QUICK, "model=cvae", "data.given=quadrants", "data.quadrants=1", "prior=class_centres"],
        "set data.given=labels, or choose prior=",
    ),
    "a split that is none": (["train", *QUICK, "evaluation.splits=[foo]"], "evaluation.splits=.*train, val, test"),
    "a conditional model of nothing": (
        ["train", *QUICK, "model=cvae", "data.given=none"],
        "model=cvae needs conditions, and these data have none: set data.given=labels",
    ),
    "no samples to measure with": (["train", *QUICK, "evaluation.num_samples=0"], "evaluation.num_samples=0"),
    "no votes": (["train", *QUICK, "evaluation.scores.num_train=0"], "evaluation.scores.num_train=0"),
    "a negative seed of the evaluation": (["train", *QUICK, "evaluation.seed=-1"], "evaluation.seed=-1"),
    "a negative seed": (["train", *QUICK, "seed=-1"], "seed=-1: a seed is a whole number from 0"),
    "a rate that the optimiser refuses, with a logger": (
        ["train", *QUICK, "optimizer.lr=-1", "optimizer.eps=0.1", "logger=tensorboard"],
        "^error: optimizer.lr=-1: Invalid learning rate",
    ),
    "a moment that an optimiser of several refuses": (
        ["train", *QUICK, "model=aae", "model.critic_optimizer.betas=[1,2]"],
        r"^error: model.critic_optimizer.betas=\[1,2\]: Invalid beta",
    ),
    "a length that Lightning refuses": (
        ["train", *QUICK, "trainer.max_epochs=-5"],
        "^error: .*trainer.max_epochs=-5: ",
    ),
    "no such number of devices": (["train", *QUICK, "trainer.devices=-3"], "^error: trainer.devices=-3: [^:]*$"),
    "a strategy that is none": (["train", *QUICK, "trainer.strategy=foo"], "^error: trainer.strategy=foo: choose "),
    "a weight below nothing": (
        ["train", *QUICK, "cost=free_bits", "model.costs.free_bits.weight=-1"],
        "^error: model.costs.free_bits.weight=-1: choose",
    ),
    "a width of nothing, where it is typed": (
        ["train", *QUICK, "mlp.hidden=[3, 0]"],
        r"^error: mlp.hidden=\[3, 0\]: every",
    ),
    "a width in words, where it is typed": (["train", *QUICK, "mlp.hidden=x"], "^error: mlp.hidden=x: give a list"),
    "a schedule without a plus": (
        ["train", "model=beta_vae", "schedule@model.beta=linear"],
        r"with a plus, \+schedule@model.beta=linear$",
    ),
    "a schedule of what the model has not": (
        ["train", "+model.x=1", "schedule@model.beta=linear"],
        "it is a key of model=beta_vae",
    ),
    "a misspelt key beside one of another part": (
        ["train", "model=beta_vae", "model.bta=4"],
        "did you mean 'model.beta'\\?$",
    ),
    "a misspelt key of another model": (["train", "model.bta=4"], "mean 'model.beta', a key of model=beta_vae"),
    "a cost that does not exist": (
        ["train", "cost=[mmd,free_bits]"],
        "no option 'mmd'; the options are capacity, free_bits, .*; cost/mmd.yaml .*--config-dir$",
    ),
    "a flag without dashes": (["train", "model=mine", "config-dir=."], "config-dir=. is a flag.*: --config-dir=.;"),
    "a flag without dashes, as Python has it": (["train", "config_dir=."], "--config-dir=.;.*Python: config_dir='.'"),
    "validation at no epoch": (["train", *QUICK, "trainer.check_val_every_n_epoch=0"], "check_val_every_n_epoch=0"),
    "convolutions of vectors": (
        ["train", *QUICK[2:], "data=toy", "net=conv", "likelihood=gaussian"],
        r"convolutions .* \(2,\): choose net=mlp",
    ),
    "no posterior": (["train", *QUICK, "posterior=none"], "^error: this model needs a posterior"),
    "conditions of a prior without any": (["train", *QUICK, "prior=conditional_normal"], "data.given=labels"),
    "a callback that is none": (["train", *QUICK, "+callbacks.x=5"], "callbacks.x=5: give a node with _target_"),
    "a scale below nothing": (["train", *QUICK, "densities.posterior.family.min_scale=-1"], "min_scale=-1"),
    "an accelerator that is none": (["train", *QUICK, "trainer.accelerator=tpu"], "no device 'tpu': choose auto"),
} | {
    f"{value} of another type": (["train", *QUICK, value], f"^error: {re.escape(value)}: give {wanted}")
    for value, wanted in (
        ("trainer.max_epochs=1.5", "a whole number, or null"),
        ("trainer.deterministic=foo", "true or false, or warn"),
        ("model.accumulate=1.5", "a whole number"),
        ("optimizer.lr=abc", "a number"),
        ("net.hidden=5", "a list in brackets, of whole numbers"),
        ("densities.likelihood.init_to_mean=maybe", "true or false"),
        ("evaluation.splits=test", "a list in brackets, of text"),
    )
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_has_one_clear_message(name, shell):
    args, message = BAD[name]
    np.save(shell.folder / "x.npy", (np.random.default_rng(0).random((300, 8)) < 0.5).astype("uint8"))
    np.save(shell.folder / "nan.npy", np.where(np.arange(2400).reshape(300, 8) == 77, np.nan, 0.5).astype("float32"))
    err = shell(*args, fails=True)
    assert re.search(message, err, re.DOTALL | re.MULTILINE), err
    assert err.count("error:") == 1
    assert "Traceback" not in err
    assert {path.name for path in shell.folder.iterdir()} == {"x.npy", "nan.npy"}, "nothing that looks like a run"


def test_a_module_of_ones_own_that_cannot_be_imported_says_why(shell):
    (shell.folder / "broken.py").write_text("from math import nothing\n")
    err = shell("train", *QUICK, "model._target_=broken.VAE", fails=True)
    assert "broken.VAE cannot be imported: cannot import name 'nothing' from 'math'" in err
    (shell.folder / "needy.py").write_text("import not_installed\n")
    err = shell("train", *QUICK, "model._target_=needy.VAE", fails=True)
    assert "needy.VAE cannot be imported: No module named 'not_installed'" in err
    (shell.folder / "unread.py").write_text("def f(:\n")
    err = shell("train", *QUICK, "model._target_=unread.VAE", fails=True)
    assert "unread.VAE cannot be imported: SyntaxError: " in err


def test_an_error_in_a_class_of_ones_own_names_its_line(shell):
    (shell.folder / "mine.py").write_text("def build(**parts):\n    return {}['gamma']\n")
    err = shell("train", *QUICK, "model._target_=mine.build", fails=True)
    assert "KeyError: 'gamma' (mine.py:2 in build; -v shows where)" in err


def test_v_shows_the_traceback(shell):
    assert "Traceback" in shell("train", *QUICK, "densities.latent_dim=0", "-v", fails=True)


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "log.txt"}


RESUMED = {
    "another experiment": (["densities.latent_dim=3"], "cannot change when a run is resumed"),
    "another trainer": (["trainer=auto"], "change only .*trainer.accelerator"),
    "a length in words": (["trainer.max_epochs=x"], "trainer.max_epochs=x: give a whole number"),
    "a length that is over": (["trainer.max_epochs=1"], "max_epochs=1"),
    "a split that is none": (["trainer.max_epochs=4", "evaluation.splits=[foo]"], "evaluation.splits"),
    "a callback's option": (["trainer.max_epochs=4", "callbacks.newest.every_n_steps=0"], "every_n_steps=0"),
    "a monitor": (["trainer.max_epochs=4", "callbacks.best.monitor=val/foo"], "callbacks.best.monitor=val/foo"),
    "another directory": (["hydra.run.dir=other"], "leave out hydra.run.dir"),
    "a sweep": (["-m", "trainer.max_epochs=4,5"], "leave out -m"),
}


@pytest.mark.parametrize("name", RESUMED)
def test_a_resume_that_is_refused_leaves_the_run_as_it_was(name, finished, shell):
    shutil.copytree(finished[0], shell.folder / "run")
    before = files(shell.folder)
    args, message = RESUMED[name]
    err = shell("train", "resume=run", *args, fails=True)
    assert re.search(message, err, re.DOTALL), err
    assert err.count("error:") == 1
    assert "Traceback" not in err
    assert files(shell.folder) == before


NOT_MEASURED = {
    "no such device": (["evaluate", "device=cuda"], "device=cuda: there is none here; choose auto or cpu"),
    "no such kind of device": (["evaluate", "device=foo"], "no device 'foo': choose auto, gpu or cpu"),
    "a key of another command": (["evaluate", "model=ae"], "elbolab evaluate has no 'model': .* when a run is trained"),
    "a group of another command": (["sample", "evaluation.limit=5"], "elbolab sample has no 'evaluation'"),
    "an added key": (["evaluate", "+foo=1"], "nothing reads 'foo'"),
    "draws in words": (["sample", "num=x"], "num=x: give a whole number"),
    "half a draw": (["sample", "num=2.5"], "num=2.5: give a whole number"),
    "a label of a run without classes": (["sample", "label=7"], "label=7: this run draws by no class"),
    "a seed in words": (["sample", "seed=x"], "seed=x: give a whole number"),
    "a negative seed": (["sample", "seed=-1"], "seed=-1: a seed is"),
}


@pytest.mark.parametrize("name", NOT_MEASURED)
def test_bad_input_to_commands_that_read_a_run(name, finished, shell):
    (command, *args), message = NOT_MEASURED[name]
    before = files(finished[0])
    err = shell(command, f"run={finished[0]}", *args, fails=True)
    assert re.search(message, err, re.DOTALL), err
    assert err.count("error:") == 1
    assert files(finished[0]) == before


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


def test_a_new_run_does_not_take_the_place_of_another(finished, shell):
    """Ended before its first checkpoint it would go on from the other's, under its own configuration."""
    run = shell.folder / "there"
    shutil.copytree(finished[0], run)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "log.txt"}
    err = shell("train", *QUICK, "model=beta_vae", f"hydra.run.dir={run}", fails=True)
    assert f"error: {run} holds a run: go on with it by resume={run}, or choose another hydra.run.dir\n" in err
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "log.txt"} == before


@pytest.mark.usefixtures("no_pictures")
def test_a_damaged_checkpoint_is_named_with_the_way_on(finished, shell):
    """A power cut leaves its name, and nothing behind it."""
    run = shell.folder / "cut"
    shutil.copytree(finished[0], run)
    os.truncate(run / "checkpoints" / "last.ckpt", 100)
    err = shell("train", f"resume={run}", "trainer.max_epochs=4", fails=True)
    assert f"error: {run / 'checkpoints' / 'last.ckpt'} is damaged and cannot be gone on with: remove it" in err
    (run / "checkpoints" / "last.ckpt").unlink()
    shell("train", f"resume={run}", "trainer.max_epochs=1")
    assert read_status(run)["state"] == "finished"


@pytest.mark.usefixtures("no_pictures")
def test_any_path_can_name_a_run(finished, shell):
    name = "lr=0.1, seed='0' (a run)"
    shutil.copytree(finished[0], shell.folder / name)
    shell("train", f"resume={name}", "evaluation.limit=50")
    shell("sample", f"run={name}", "num=1")
    assert (shell.folder / name / "samples" / "samples.npz").exists()


def test_a_loss_that_becomes_nan_keeps_the_last_good_state(shell):
    rate = ["optimizer=sgd", "schedule=linear", "schedule.end=1e12", "schedule.steps=4", "schedule.delay=8"]
    err = shell("train", *QUICK, *rate, "callbacks.newest.every_n_steps=1", "hydra.run.dir=run", fails=True)
    run = shell.folder / "run"
    assert f"the last good state is {run / 'checkpoints' / 'last.ckpt'}" in err
    assert "optimizer.lr" in err
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert all(weight.isfinite().all() for weight in state.values())
    assert (run / "config.yaml").exists()
    with (run / "metrics.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [3, 7]
