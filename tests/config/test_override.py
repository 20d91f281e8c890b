"""A saved configuration under the options of a later command."""

import json
import shutil

import pytest
import torch
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from elbolab.config.override import is_within, override

SAVED = {
    "name": "mine",
    "evaluation": {"_target_": "a.evaluate", "num_samples": 4, "scores": {"num_train": 7}},
    "callbacks": {"best": {"_target_": "a.Best", "monitor": None}, "newest": {"_target_": "a.Newest", "every": 20}},
}
COMPOSED = {
    "name": "other",
    "evaluation": {"_target_": "b.evaluate", "num_samples": 500},
    "callbacks": {
        "best": {"_target_": "a.Best", "monitor": "val/elbo"},
        "early": {"_target_": "a.Early", "label": "${name}", "patience": 10},
    },
}


def changed(*words):
    saved = OmegaConf.create(SAVED)
    override(saved, OmegaConf.create(COMPOSED), [OverridesParser.create().parse_override(word) for word in words])
    return OmegaConf.to_container(saved, resolve=True)


def test_values_are_set_among_those_that_are_saved():
    evaluation = changed("evaluation.num_samples=40", "+evaluation.scores.num_eval=3")["evaluation"]
    assert evaluation == {"_target_": "a.evaluate", "num_samples": 40, "scores": {"num_train": 7, "num_eval": 3}}


def test_an_option_replaces_a_recipe_whole_and_values_come_after_it():
    evaluation = changed("evaluation.num_samples=40", "evaluation=default")["evaluation"]
    assert evaluation == {"_target_": "b.evaluate", "num_samples": 40}


def test_an_option_of_parts_says_which_there_are_and_the_run_how_they_are_set():
    """What the experiment has set stays: without it another checkpoint would be the best."""
    callbacks = changed("callbacks=early", "callbacks.early.patience=3")["callbacks"]
    assert callbacks == {
        "best": {"_target_": "a.Best", "monitor": None},
        "early": {"_target_": "a.Early", "label": "mine", "patience": 3},
    }


def test_parts_can_be_taken_away():
    assert set(changed("~callbacks.best")["callbacks"]) == {"newest"}
    assert changed("~callbacks.nothing") == SAVED


@pytest.mark.parametrize(("key", "inside"), [("a.b", True), ("a.b.c", True), ("a.bc", False), ("a", False)])
def test_within(key, inside):
    assert is_within(key, ["x", "a.b"]) == inside


@pytest.fixture
def run(finished, shell):
    """A run that was measured by its own rules."""
    shutil.copytree(finished[0], shell.folder / "run")
    path = shell.folder / "run" / "config.yaml"
    cfg = yaml.safe_load(path.read_text())
    cfg["evaluation"] |= {"splits": ["val"], "limit": 30, "seed": 5, "num_samples": 4}
    path.write_text(yaml.safe_dump(cfg))
    return shell.folder / "run"


def test_evaluate_starts_from_the_runs_own_settings(run, shell, monkeypatch):
    seeds = []
    monkeypatch.setattr("elbolab.cli.evaluate.draw_all", lambda *_, seed: seeds.append(seed) or {})
    shell("evaluate", "run=run", "evaluation.num_samples=6")
    report = json.loads((run / "evaluation.json").read_text())
    nll = report["val"]["nll"]
    assert (nll["k"], nll["n"], nll["seed"]) == (6, 30, 5)
    shell("evaluate", "run=run", "evaluation=default", "evaluation.num_samples=3")
    nll = json.loads((run / "evaluation.json").read_text())["test"]["nll"]
    assert (nll["k"], nll["n"], nll["seed"]) == (3, 300, 0)
    assert seeds == [5, 0]


@pytest.mark.slow
def test_a_resumed_run_may_be_watched_in_other_ways(run, shell):
    shell("train", "resume=run", "trainer.max_epochs=4", "logger=tensorboard", "callbacks=early_stopping")
    cfg = OmegaConf.load(run / "config.yaml")
    assert set(cfg.logger) == {"csv", "tensorboard"}
    assert cfg.logger.tensorboard.save_dir == str(run)
    assert cfg.callbacks.early_stopping.monitor == "val/elbo"
    assert cfg.evaluation.seed == 5
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 44
