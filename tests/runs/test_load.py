"""A run in a notebook."""

import os

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from tests.helpers import refused
from tests.models.registry import labelled
from tests.shell import QUICK, Shell

import elbolab
from elbolab.common.rng import isolated_rng, seed_of
from elbolab.runs.load import Run


@pytest.fixture(scope="module")
def run(finished):
    return elbolab.load_run(finished[0])


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    shell = Shell(tmp_path_factory.mktemp("conditional"))
    options = ["model=cvae", "prior=class_centres", "trainer.max_epochs=1", "evaluation.limit=20"]
    shell("train", *QUICK, *options, "hydra.run.dir=run")
    return elbolab.load_run(shell.folder / "run")


X = torch.ones(3, 1, 8, 8)


@pytest.mark.parametrize("x", [X.numpy(), X.double(), X.bool(), X.numpy().astype("uint8")], ids=lambda x: str(x.dtype))
def test_data_of_any_type_are_cast_to_that_of_the_weights(run, x):
    assert torch.equal(run.encode(x), run.encode(X))
    assert torch.equal(run.reconstruct(x), run.reconstruct(X))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (X[0], r"shape \(1, 8, 8\) of one datum: give a batch of it, x\[None\]"),
        (np.ones((3, 64)), r"x has shape \(3, 64\); this run's data have \(B, 1, 8, 8\)"),
        (X[0, 0], r"x has shape \(8, 8\)"),
    ],
)
def test_data_of_another_shape_are_refused(run, x, message):
    for ask in (run.encode, run.reconstruct):
        with pytest.raises(ValueError, match=message):
            ask(x)


def test_conditions_are_asked_for_and_taken(conditional):
    given = torch.nn.functional.one_hot(torch.tensor([1, 2, 3]), 10)
    assert conditional.encode(X, given).shape == (3, 2)
    assert conditional.reconstruct(X, given.numpy()).shape == X.shape
    assert conditional.sample(4, given, seed=0).shape == (4, 3, 1, 8, 8)
    for ask in (lambda: conditional.encode(X), lambda: conditional.sample(3), lambda: conditional.reconstruct(X)):
        with pytest.raises(ValueError, match=r"data.given=labels, and 0 .* \(B, 10\).*names of the classes"):
            ask()


def test_the_seed_of_samples_is_not_the_users_own_stream(run):
    torch.manual_seed(1)
    bare = run.densities.generate(3).mean
    assert torch.equal(run.sample(3, seed=1), run.sample(3, seed=1))
    assert not torch.allclose(run.sample(3, seed=1), bare)
    assert not torch.allclose(run.sample(3, seed=1), run.sample(3, seed=2))


@pytest.mark.parametrize("shape", [(3, 9), (3, 1, 10)])
def test_conditions_of_another_size_are_refused(conditional, shape):
    given = torch.ones(shape)
    for ask in (lambda: conditional.sample(4, given), lambda: conditional.encode(X, given)):
        with pytest.raises(ValueError, match=r"condition 1 has shape .*data.given=labels this run's have \(B, 10\)"):
            ask()


def test_data_and_conditions_of_different_numbers_are_refused(conditional):
    x = torch.zeros(3, *conditional.spec.x)
    for ask in (conditional.encode, conditional.reconstruct):
        with pytest.raises(ValueError, match="3 data and 10 conditions: give one for each datum"):
            ask(x, torch.eye(10))


def test_a_label_is_drawn_by_name(conditional, finished, monkeypatch):
    monkeypatch.setattr("elbolab.cli.sample.draw_all", lambda *_, **__: {})  # which takes seconds
    shell = Shell(conditional.dir.path.parent)
    shell("sample", "run=run", "num=3", "label=7", "out=sevens")
    given = torch.nn.functional.one_hot(torch.tensor([7] * 3), 10).float()
    with isolated_rng(torch.device("cpu"), seed_of("samples", 0)):
        means = conditional.densities.generate(1, given).mean[0].detach().numpy()
    np.testing.assert_allclose(np.load(shell.folder / "sevens" / "samples.npz")["means"], means, atol=1e-6)
    np.testing.assert_allclose(conditional.sample(3, label="7", seed=0), means, atol=1e-6)
    for label, message in (("10", "classes 0 to 9"), ("x", "label=x: this run has the classes 0 to 9")):
        assert message in shell("sample", "run=run", f"label={label}", fails=True)
        with pytest.raises(ValueError, match=message):
            conditional.sample(3, label=label)
    with pytest.raises(ValueError, match="label=7: .*leave conditions out"):
        conditional.sample(3, given, label=7)
    assert "this run draws by no class" in shell("sample", f"run={finished[0]}", "label=1", fails=True)
    with refused("label=1: this run draws by no class"):
        elbolab.load_run(finished[0]).sample(3, label=1)


def test_a_class_that_is_a_latent_is_drawn_by_name():
    densities = labelled()
    run = Run(None, OmegaConf.create({"trainer": {"precision": "32-true"}}), densities.spec, densities)
    drawn = run.sample(5, label=2, seed=0)
    assert drawn.shape == (5, 6)
    with isolated_rng(torch.device("cpu"), seed_of("samples", 0)):
        y = torch.eye(3)[2].expand(5, -1)
        means = densities.likelihood_of(densities.imagine((), top=(y,))).mean
    torch.testing.assert_close(drawn, means)
    assert not torch.allclose(run.sample(5, label=1, seed=0), drawn)
    assert set(run.sample(5, label=1, what="sample").unique().tolist()) <= {0.0, 1.0}


def test_conditions_that_the_run_does_not_have_are_refused(run):
    with pytest.raises(ValueError, match="data.given=none, and 1 conditions were given: leave them out"):
        run.sample(3, X)


def test_a_run_shows_what_it_is(run, finished):
    assert repr(run) == f"Run('{finished[0]}': VAE of Digits, x (1, 8, 8), codes (2,), on cpu)"


def test_the_codes_of_a_split_are_in_its_order_with_its_labels(run, conditional):
    for each in (run, conditional):
        data = each.data()
        found = each.codes("val")
        batches = list(data.batches("val"))
        with torch.no_grad():
            z = torch.cat([each.densities.encode(batch.x, *batch.given) for batch in batches])
        assert torch.equal(found.z, z)
        np.testing.assert_array_equal(found.y, data.arrays("val").y)
    with pytest.raises(ValueError, match="no split 'tset'"):
        run.codes("tset")


def test_a_run_takes_what_its_training_took(run, conditional):
    grey = np.random.default_rng(0).integers(0, 256, (5, 8, 8)).astype(np.uint8)
    seen = run.batch(grey).x  # binarised, as its training data were
    assert set(seen.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(run.encode(grey), run.encode(seen))
    assert torch.equal(run.reconstruct(grey[..., None]), run.reconstruct(seen))
    with pytest.raises(ValueError, match="zeros and ones"):
        run.encode(grey / 255)
    vectors = torch.eye(10)[[3, 4, 5, 3, 3]]
    for labels in (np.array([3, 4, 5, 3, 3]), np.array(list("34533"))):
        assert torch.equal(conditional.encode(seen, labels), conditional.encode(seen, vectors))
        assert torch.equal(conditional.sample(2, labels, seed=0), conditional.sample(2, vectors, seed=0))


def test_runs_in_a_folder_that_is_none_are_named_newest_first(tmp_path):
    for num, name in enumerate(("a/1", "a/2", "sweeps/b/3", "4", "4/pretrained/m1")):
        (tmp_path / name).mkdir(parents=True)
        for part in ("config.yaml", "spec.json"):
            (tmp_path / name / part).touch()
            os.utime(tmp_path / name / part, (num, num))
    (tmp_path / "5").mkdir()
    (tmp_path / "5" / "spec.json").touch()
    names = [str(tmp_path / name) for name in ("4", "sweeps/b/3", "a/2")]
    with pytest.raises(FileNotFoundError, match=f"Runs in it, newest first: {', '.join(names)} and 1 more$"):
        elbolab.load_run(tmp_path)
    with pytest.raises(FileNotFoundError, match=f"Runs beside it, newest first: {tmp_path / '4'}$"):
        elbolab.load_run(tmp_path / "6")
