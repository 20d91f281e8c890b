"""A run directory as it is written and read: weights each once, and no run of an edition that had other parts."""

import re
from pathlib import Path

import pytest
import torch
from hydra.utils import get_object
from omegaconf import OmegaConf
from safetensors.torch import load_file
from tests.densities.registry import DENSITIES
from tests.runs.fake_runs import make_run

from elbolab.runs.run_dir import FIRST_EDITION, RENAMED, RunDir, load_weights, read_config, save_weights

ROOT = Path(__file__).parents[2]


def test_weights_that_two_parts_share_are_saved_once_and_restored_in_both(tmp_path):
    """safetensors refuses two names of one tensor, on a CPU alone."""
    torch.manual_seed(0)
    saved, loaded, x = DENSITIES["tied"](), DENSITIES["tied"](), torch.randn(3, 6)
    save_weights(tmp_path / "weights.safetensors", saved)
    assert list(load_file(tmp_path / "weights.safetensors")) == ["posterior.tied.bias", "posterior.tied.weight"]
    assert not torch.equal(saved.encode(x), loaded.encode(x))
    load_weights(tmp_path / "weights.safetensors", loaded)
    assert torch.equal(saved.encode(x), loaded.encode(x))
    assert torch.equal(saved.decode(saved.encode(x)).mean, loaded.decode(loaded.encode(x)).mean)
    assert loaded.likelihood.net.tied.weight is loaded.posterior.tied.weight


@pytest.mark.parametrize("name", ["single_layer.SingleLayer", "labelled.Labelled", "adversarial.ClassAutoencoder"])
def test_a_run_of_the_first_edition_says_what_wrote_it(tmp_path, name):
    run = make_run(tmp_path / "old", densities={"_target_": f"elbolab.densities.{name}"})
    with pytest.raises(ValueError, match=rf"{run} was written by an earlier elbolab, whose .*{name}.*train it again"):
        read_config(RunDir(run))


@pytest.mark.parametrize("old", RENAMED)
def test_a_run_whose_parts_have_other_names_today_is_built_by_those(tmp_path, old):
    part = "model" if ".models." in old else "densities"
    run = RunDir(make_run(tmp_path / "old"))
    cfg = OmegaConf.load(run.config)
    OmegaConf.update(cfg, part, {"_target_": old}, merge=False, force_add=True)
    OmegaConf.save(cfg, run.config)
    assert read_config(run)[part]._target_ == RENAMED[old]
    assert callable(get_object(RENAMED[old]))


def test_a_run_says_in_todays_words_whether_its_posterior_sees_attributes(tmp_path):
    target = "elbolab.densities.wiring.attribute_layer"
    run = make_run(tmp_path / "old", densities={"_target_": target, "posterior_sees_attributes": True})
    assert read_config(RunDir(run)).densities == {"_target_": target, "posterior_sees_conditions": True}


def test_the_densities_of_this_edition_are_no_earlier_ones():
    texts = [path.read_text() for path in (ROOT / "conf").rglob("*.yaml")]
    targets = {target for text in texts for target in re.findall(r"_target_: (elbolab\.densities\.\S+)", text)}
    assert len(targets) > 10
    assert not any(FIRST_EDITION.fullmatch(target) for target in targets)
