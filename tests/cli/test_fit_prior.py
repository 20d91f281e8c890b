"""`elbolab fit-prior`: a run with a prior that was fitted to the codes of another."""

import json
import re
import shutil

import pytest
import torch
from tests.shell import QUICK, Shell

import elbolab
from elbolab.distributions.priors import FittedMixture


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """A folder with an autoencoder, ``run``, and one whose prior was fitted, ``run_gmm3``."""
    shell = Shell(tmp_path_factory.mktemp("fitted"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("elbolab.cli.evaluate.draw_all", lambda *_, **__: {})
        shell("train", *QUICK, "model=rae", "trainer.max_epochs=1", "evaluation.limit=50", "hydra.run.dir=run")
        before = {path.name: path.read_bytes() for path in (shell.folder / "run").iterdir() if path.is_file()}
        shell("fit-prior", "run=run", "components=3")
    kept = {path.name: path.read_bytes() for path in (shell.folder / "run").iterdir() if path.is_file()}
    assert kept | {"log.txt": b""} == before | {"log.txt": b""}
    return shell


def test_the_new_run_has_the_same_model_and_a_prior_of_its_codes(shell):
    run, fitted = (elbolab.load_run(shell.folder / name) for name in ("run", "run_gmm3"))
    z = run.codes("train").z
    assert torch.equal(fitted.codes("train").z, z)
    prior = fitted.densities.prior
    assert isinstance(prior, FittedMixture)
    torch.testing.assert_close(prior.probs @ prior.loc, z.mean(0), rtol=1e-4, atol=1e-5)
    assert fitted.sample(4, seed=0).shape == (4, 1, 8, 8)
    with pytest.raises(elbolab.densities.latents.Undefined):
        run.sample(4)
    note = json.loads((fitted.dir.environment).read_text())
    assert note["fitted_prior"] == {"run": str(run.dir.path), "components": 3, "seed": 0}
    assert note["command"] == ["elbolab", "fit-prior", "run='run'", "components=3"]


def test_other_commands_take_it(shell, no_pictures):
    assert "MMD²" in shell("evaluate", "run=run_gmm3")
    assert "samples (4, 1, 8, 8)" in shell("sample", "run=run_gmm3", "num=4")
    assert "run_gmm3" in shell("runs", ".")
    assert "z (300, 2)" in shell("encode", "run=run_gmm3")


def test_it_moves_with_its_folder(shell):
    shell("fit-prior", "run=run", "components=1", "out=new")
    shutil.move(shell.folder / "new", shell.folder / "moved")
    assert elbolab.load_run(shell.folder / "moved").data().spec.x == (1, 8, 8)


def test_a_prior_can_be_fitted_anew(shell):
    """That of a run whose prior was fitted: the codes are the same."""
    shell("fit-prior", "run=run_gmm3", "components=2", "out=twice")
    shell("fit-prior", "run=run", "components=2", "out=once")
    once, twice = (elbolab.load_run(shell.folder / name).densities.prior for name in ("once", "twice"))
    assert torch.equal(once.loc, twice.loc)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["run=run", "components=3"], "run_gmm3 is there already: choose another folder, out=DIR"),
        (["run=run", "components=0"], "components=0: a mixture has at least one"),
        (["run=run", "components=5000"], "components=1297 at most"),
        (["run=run", "components=many"], "components"),
        (["run=run", "component=3"], "did you mean 'components'"),
        (["run=run", "prior=vamp"], "prior"),
        (["run=run", "seed=-1"], "seed=-1"),
        (["run=nowhere"], "nowhere is no run directory"),
        (["components=3"], "which run"),
    ],
)
def test_bad_input_is_one_line(shell, args, message):
    said = shell("fit-prior", *args, fails=True).strip()
    assert len(said.splitlines()) == 1
    assert re.search(message, said)
    assert not (shell.folder / "run_gmm0").exists()


def test_it_is_not_trained_on(shell):
    assert "run_gmm3 was not trained" in shell("train", "resume=run_gmm3", fails=True)
