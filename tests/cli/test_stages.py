"""Stages: what `pretrained` names is trained once, frozen, handed to the recipe, and kept with the run."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from omegaconf import OmegaConf
from safetensors.torch import load_file
from tests.cli.conftest import Shell
from tests.cli.small_stages import small_stages

import elbolab
from elbolab.cli.run_dir import RunDir

TRAIN = ("train", "--config-dir=own")
TOP = (*TRAIN, "experiment=toy/top")
PLAIN = ("data=digits", "data.binarize=dynamic", "trainer.accelerator=cpu", "debug=steps", "evaluation.limit=20")


@pytest.fixture(autouse=True)
def _fast(monkeypatch, request):
    """What stages do does not depend on pictures, which take most of the time."""
    monkeypatch.setattr("elbolab.cli.evaluate.draw_all", lambda *_, **__: {})
    yield
    sys.modules.pop("small_stages_densities", None)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a run in two stages, ``run``, and what its command printed."""
    shell = Shell(tmp_path_factory.mktemp("stages"))
    small_stages(shell.folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("elbolab.cli.evaluate.draw_all", lambda *_, **__: {})
        return shell.folder, shell(*TOP, "hydra.run.dir=run")


@pytest.fixture
def at(made, shell):
    """A shell in a copy of that folder."""
    shutil.copytree(made[0], shell.folder, dirs_exist_ok=True)
    return shell


def stage_of(folder):
    (stage,) = (folder / "outputs" / "pretrained").glob("toy_*")
    return stage


def weights(folder):
    return load_file(folder / "weights.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_stage_is_a_run_of_its_own_and_its_weights_are_frozen_in_the_model(made):
    folder, out = made
    stage = stage_of(folder)
    assert re.fullmatch(r"toy_below-[0-9a-f]{12}", stage.name)
    assert (stage / "evaluation.json").is_file()
    assert OmegaConf.load(stage / "config.yaml").experiment == "toy/below"
    assert OmegaConf.load(stage / "config.yaml").paths.run == str(stage)
    assert OmegaConf.load(folder / "run" / "config.yaml").experiment == "toy/top"
    below, top = weights(stage), weights(folder / "run")
    assert same(below, {name.removeprefix("below."): w for name, w in top.items() if name.startswith("below.")})
    assert any(name.startswith("likelihood.") for name in top)


def test_the_run_needs_its_stages_directory_no_more(at):
    before = (at.folder / "run" / "evaluation.json").read_bytes()
    kept = weights(at.folder / "run")
    shutil.rmtree(at.folder / "outputs")
    at("evaluate", "run=run", "--config-dir=own")
    assert (at.folder / "run" / "evaluation.json").read_bytes() == before
    at(*TRAIN, "resume=run", "trainer.max_epochs=3")
    assert not (at.folder / "outputs").exists()
    after = weights(at.folder / "run")
    assert same(*({n: w for n, w in part.items() if n.startswith("below.")} for part in (kept, after)))
    assert json.loads((at.folder / "run" / "timing.json").read_text())["epochs"] == 3


def test_a_loaded_run_stays_frozen(at, monkeypatch):
    monkeypatch.syspath_prepend(at.folder / "own")
    densities = elbolab.load_run(at.folder / "run").densities.train()
    assert densities.training
    assert not any(module.training for module in densities.below.modules())
    assert not any(weight.requires_grad for weight in densities.below.parameters())
    assert all(weight.requires_grad for weight in densities.likelihood.parameters())


def test_a_later_run_reuses_the_stage_and_ends_as_the_first(at):
    stamp = (stage_of(at.folder) / "weights.safetensors").stat().st_mtime_ns
    at(*TOP, "hydra.run.dir=again")
    assert (stage_of(at.folder) / "weights.safetensors").stat().st_mtime_ns == stamp
    assert same(weights(at.folder / "run"), weights(at.folder / "again"))


def test_a_stage_may_be_a_run_directory_or_have_overrides_and_a_stage_of_its_own(at):
    (at.folder / "a run, of 1").symlink_to(stage_of(at.folder))
    at(*TOP, "pretrained.below=a run, of 1", "hydra.run.dir=given", "debug=steps")
    cfg = OmegaConf.load(at.folder / "given" / "config.yaml")
    assert cfg.pretrained.below == str(at.folder / "a run, of 1")
    shutil.rmtree(at.folder / "outputs")
    third = (*TRAIN, "experiment=toy/third", "pretrained.below=toy/top net.hidden=[3]", "debug=steps", "seed=4")
    at(*third, "hydra.run.dir=third")
    kept = at.folder / "third" / "pretrained" / "below"
    cfg, below = OmegaConf.load(kept / "config.yaml"), OmegaConf.load(kept / "pretrained" / "below" / "config.yaml")
    assert (cfg.net.hidden, below.net.hidden) == ([3], [8])
    assert (cfg.seed, below.seed, below.trainer.limit_train_batches) == (4, 4, 20)  # the run's, and its debugging
    assert any(name.startswith("below.below.") for name in weights(at.folder / "third"))


def test_a_sweep_trains_a_stage_once(at):
    shutil.rmtree(at.folder / "outputs")
    sweep = ("optimizer.lr=0.001,0.002", "hydra.sweep.dir=sweep")
    at(*TRAIN, "-m", "experiment=toy/top", *sweep, "debug=steps")
    assert stage_of(at.folder)
    stages = [weights(at.folder / "sweep" / job) for job in "01"]
    assert same(*({n: w for n, w in part.items() if n.startswith("below.")} for part in stages))
    assert not same(*stages)


def test_a_half_trained_stage_is_gone_on_with(at):
    stage = stage_of(at.folder)
    whole = weights(stage)
    state = torch.load(stage / "checkpoints" / "last.ckpt", weights_only=True)
    shutil.rmtree(stage)
    stop = "callbacks.newest.every_n_steps=4"
    at(*TOP, "hydra.run.dir=again")
    assert same(weights(stage), whole), "trained anew it is the same"
    (stage / "weights.safetensors").unlink()
    at(*TOP, "hydra.run.dir=once_more")
    assert same(weights(stage), whole)
    assert torch.load(stage / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == state["global_step"]
    assert stop


def test_processes_that_start_at_once_train_a_stage_once(at):
    """The second waits for the first, which holds the lock while it trains."""
    stage = stage_of(at.folder)
    shutil.move(stage, at.folder / "later")
    with FileLock(stage.with_name(f".{stage.name}.lock")):
        waiting = at.start(*TOP, "debug=null", "hydra.run.dir=second")
        for line in waiting.stderr:
            if "waiting for" in line:
                break
        shutil.move(at.folder / "later", stage)
    out, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, err
    assert "training toy/below" not in err
    assert same(weights(at.folder / "run"), weights(at.folder / "second"))


def test_two_ranks_share_a_stage_and_train_it_together(at):
    shutil.rmtree(at.folder / "outputs")
    script = at.folder / "start.py"
    script.write_text("from elbolab.cli import main\n\nmain()\n")
    options = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "hydra.run.dir=two", "debug=steps")
    command = [sys.executable, str(script), *TOP, *options]
    done = subprocess.run(command, cwd=at.folder, env=at.env, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("pretrained.below: training toy/below") == 1
    stage = stage_of(at.folder)
    assert OmegaConf.load(stage / "config.yaml").trainer.devices == 2
    below = {n.removeprefix("below."): w for n, w in weights(at.folder / "two").items() if n.startswith("below.")}
    assert same(weights(stage), below)


BAD = {
    "a name that the recipe does not take": (
        ["train", *PLAIN, "pretrained.m1=toy/below"],
        "this model takes no pretrained.m1: leave it out",
    ),
    "another name than the recipe's": (
        ["experiment=toy/top", "pretrained.m1=toy/below"],
        "takes no pretrained.m1: it takes pretrained.below",
    ),
    "a missing one": (["experiment=toy/top", "pretrained.below=null"], "needs pretrained.below=...: a run directory"),
    "one that must be given": (["model=new_decoder", *PLAIN], "pretrained.below must be given"),
    "neither run nor experiment": (
        ["experiment=toy/top", "pretrained.below=toy/belwo"],
        "pretrained.below=toy/belwo: neither a run directory nor an experiment; did you mean 'toy/below'",
    ),
    "no run directory": (["experiment=toy/top", "pretrained.below=own"], "own is no run directory"),
    "an unfinished one": (["experiment=toy/top", "pretrained.below=begun"], "begun has no weights yet: finish it"),
    "a cycle": (["experiment=toy/cycle"], "pretrained.below=toy/cycle: a cycle: toy/cycle -> toy/cycle"),
    "a sweep": (["experiment=toy/top", "pretrained.below=toy/sweep"], "that experiment is a sweep; name one of its"),
    "another variant": (
        ["experiment=toy/top", "pretrained.below=toy/below model=ae"],
        "pretrained.below is a run of Autoencoder, and this model needs SingleLayer: name e.g. toy/below",
    ),
    "another shape": (
        ["experiment=toy/top", "pretrained.below=other"],
        r"below was trained on other data: shape \(2,\) there, \(1, 8, 8\) here",
    ),
    "other values": (
        ["experiment=toy/top", "pretrained.below=toy/below data.binarize=none likelihood=continuous_bernoulli"],
        "below was trained on other data: support unit there, binary here",
    ),
    "another data set": (
        ["experiment=toy/top", "pretrained.below=named"],
        "below was trained on other data: data set MNIST there, Digits here",
    ),
    "conditions that the run does not have": (
        ["experiment=toy/top", "pretrained.below=toy/below data.given=labels prior=conditional_normal"],
        r"below was trained on other data: conditions \(\(10,\),\) there, \(\) here",
    ),
    "overrides of what is shared": (
        ["experiment=toy/top", "pretrained.below=toy/below trainer.devices=2"],
        "trainer.devices is the run's own",
    ),
    "overrides of nothing": (
        ["experiment=toy/top", "pretrained.below=toy/below net.hiden=[3]"],
        "pretrained.below=toy/below net.hiden=.*did you mean 'net.hidden'",
    ),
    "overrides of another type": (
        ["experiment=toy/top", "pretrained.below=toy/below optimizer.lr=fast"],
        "pretrained.below=toy/below optimizer.lr=fast: optimizer.lr=fast: give a number",
    ),
    "a list of stages": (["experiment=toy/top", "pretrained=[toy/below]"], "name what is pretrained, pretrained.NAME="),
    "a number": (["experiment=toy/top", "+pretrained.below=3"], "pretrained.below=3: .*give a run directory|neither"),
    "a weight that does not fit": (["experiment=toy/top", "pretrained.below=wide"], "weights in .*wide are of another"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_has_one_clear_message_before_anything_is_trained(name, at):
    args, message = BAD[name]
    stage = stage_of(at.folder)
    for copy, change in {
        "begun": {},
        "named": {"data": {"_target_": "elbolab.data.mnist.MNIST"}},
        "other": {"x": [2]},
        "wide": {"net": {"hidden": [9]}},
    }.items():
        shutil.copytree(stage, at.folder / copy)
        run = RunDir(at.folder / copy)
        cfg = OmegaConf.merge(OmegaConf.load(run.config), {k: v for k, v in change.items() if k != "x"})
        for part in ("posterior", "likelihood"):
            cfg.densities[part].net = OmegaConf.merge(cfg.densities[part].net, change.get("net", {}))
        run.config.write_text(OmegaConf.to_yaml(cfg))
        spec = json.loads(run.spec.read_text())
        run.spec.write_text(json.dumps(spec | ({"x": change["x"]} if "x" in change else {})))
    (at.folder / "begun" / "weights.safetensors").unlink()
    before = {path.name for path in (at.folder / "outputs" / "pretrained").iterdir()}
    err = at(*TRAIN, *(arg for arg in args if arg != "train"), "hydra.run.dir=bad", fails=True)
    assert re.search(message, err, re.DOTALL), err
    assert err.count("error:") == 1
    assert {path.name for path in (at.folder / "outputs" / "pretrained").iterdir()} == before
    assert not Path(at.folder / "bad").exists()
