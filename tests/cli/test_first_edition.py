"""A run of the first edition: one line says which version wrote it, and its numbers are shown as ever."""

import json
import re
import shutil

import pytest
from omegaconf import OmegaConf
from tests.shell import QUICK

import elbolab

OLD = "elbolab.densities.single_layer.SingleLayer"
SAYS = rf"old was written by elbolab 0\.0\.9 at 1234abcd-dirty, whose models were built by {OLD}.*train it again"


@pytest.fixture
def old(finished, tmp_path):
    """A finished run as the first edition left it."""
    shutil.copytree(finished[0], tmp_path / "old")
    config, environment = tmp_path / "old" / "config.yaml", tmp_path / "old" / "environment.json"
    cfg = OmegaConf.load(config)
    cfg.densities._target_ = OLD
    OmegaConf.save(cfg, config)
    written = json.loads(environment.read_text())
    written["packages"]["elbolab"], written["git"] = "0.0.9", "1234abcd-dirty"
    environment.write_text(json.dumps(written))
    return tmp_path / "old"


@pytest.mark.parametrize(
    "command",
    [
        ["evaluate", "run=old"],
        ["sample", "run=old"],
        ["encode", "run=old", "split=test"],
        ["train", "resume=old"],
        ["train", *QUICK, "model=m1", "data.num_labelled=100", "pretrained.m1=old"],
    ],
    ids=" ".join,
)
def test_what_needs_the_model_says_which_version_wrote_it(command, old, shell):
    before = {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}
    said = shell(*command, fails=True)
    assert re.search(SAYS, said)
    assert len(said.splitlines()) == 1
    assert {path: path.read_bytes() for path in old.rglob("*") if path.is_file()} == before


def test_so_do_functions(old, monkeypatch):
    with pytest.raises(ValueError, match=SAYS):
        elbolab.load_run(old)
    monkeypatch.chdir(old.parent)
    with pytest.raises(ValueError, match=SAYS):
        elbolab.train("resume=old")


def test_without_an_environment_the_edition_is_named(old):
    (old / "environment.json").unlink()
    with pytest.raises(ValueError, match=rf"old was written by an earlier elbolab, whose models were built by {OLD}"):
        elbolab.load_run(old)


def test_its_numbers_are_shown(old, shell):
    assert "finished" in shell("runs", ".")
    shell("report", ".", "out=report.html")
    assert (shell.folder / "report.html").is_file()
