"""A few data train, and what cannot be measured of them is left out of the report, and said."""

import json

import numpy as np
import pytest

SMALL = ["data=arrays", "data.path=x.npz", "likelihood=gaussian_learned", "net.hidden=[8]", "densities.latent_dim=2"]
SHORT = ["trainer.max_epochs=1", "evaluation.num_samples=4", "hydra.run.dir=run"]
OF_SPREAD = {"active_units", "mmd2", "ks", "mig", "sap"}


def real(num):
    return np.random.default_rng(num).normal(size=(num, 3)).astype("float32")


def labels(num):
    return {"y": np.arange(num) % 2, "factors": np.stack([np.arange(num) % 2, np.arange(num) % 3], 1)}


def train(shell, *words, **arrays):
    """The measured test data of a run on these arrays, and what its log says."""
    np.savez(shell.folder / "x.npz", **arrays)
    shell("train", *SMALL, *SHORT, *words)
    report = json.loads((shell.folder / "run" / "evaluation.json").read_text(), parse_constant=pytest.fail)
    return report["test"], (shell.folder / "run" / "log.txt").read_text()


@pytest.mark.parametrize("num", [3, 10])
def test_few_data_with_labels_and_factors_train_and_are_pictured(shell, num):
    measured, log = train(shell, "data.batch_size=4", x=real(num), **labels(num))
    assert {"elbo", "nll", "rate"} <= set(measured)
    assert not OF_SPREAD & set(measured)
    assert log.count("one datum has no spread: standard errors, active units") == 1


@pytest.mark.parametrize("which", ["val", "test"])
def test_a_split_of_one_datum_is_measured(shell, no_pictures, which):
    splits = {name: real(1 if name == which else 33) for name in ("train", "val", "test")}
    measured, log = train(shell, "data.batch_size=32", "data.eval_batch_size=32", **splits)  # a last batch of one
    assert ("active_units" in measured) == ("one datum has no spread" not in log) == (which == "val")


def test_the_default_batch_takes_all_of_fewer_data(shell, no_pictures):
    _, log = train(shell, x=real(100), y=np.zeros(100, int))
    assert "data.batch_size=128 is more than the 80 training data" in log
    assert "of one class: probe_accuracy and knn_accuracy are left out" in log


def test_scores_of_few_data_with_factors_are_left_out(shell, no_pictures):
    measured, log = train(shell, "data.batch_size=16", x=real(60), factors=labels(60)["factors"])
    assert not {"mig", "sap", "dci_disentanglement"} & set(measured)
    assert "disentanglement scores of 6 data are left out: they need 40 data" in log


def test_binary_data_with_a_density_are_told_apart_from_a_bernoulli_bound(shell, no_pictures):
    _, log = train(shell, x=np.random.default_rng(0).integers(2, size=(60, 3), dtype=np.uint8))
    assert log.count("compare with no bound or NLL of a Bernoulli likelihood") == 1
