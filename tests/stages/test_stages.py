"""Stages: what `pretrained` names is trained once, frozen, handed to the recipe, and kept with the run."""

import json
import os
import re
import shutil
import signal
import sys
import threading
import time

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from safetensors.torch import load_file
from tests.shell import Shell
from tests.stages.small_stages import small_stages

import elbolab
from elbolab.config.build import build_data, build_densities
from elbolab.config.paths import config_dir
from elbolab.models.base import ElboModule
from elbolab.runs.run_dir import RunDir, save_weights
from elbolab.runs.stages import Stage, build_stages, load_stage
from elbolab.stages import planning
from elbolab.stages import training as pretraining
from elbolab.stages.planning import plan_stages
from elbolab.stages.training import train_missing

TRAIN = ("train", "--config-dir=own")
TOP = (*TRAIN, "experiment=toy/top")
PLAIN = ("data=digits", "data.binarize=dynamic", "trainer.accelerator=cpu", "scale=smoke", "evaluation.limit=20")


pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture(autouse=True)
def _own_module():
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


def test_the_run_needs_its_stages_directory_and_experiment_no_more(at):
    before = (at.folder / "run" / "evaluation.json").read_bytes()
    kept = weights(at.folder / "run")
    shutil.rmtree(at.folder / "outputs")
    at("evaluate", "run=run", "--config-dir=own")
    assert (at.folder / "run" / "evaluation.json").read_bytes() == before
    (at.folder / "own" / "experiment" / "toy" / "below.yaml").unlink()
    at(*TRAIN, "resume=run", "trainer.max_epochs=3")
    assert not (at.folder / "outputs").exists()
    assert not list((at.folder / "run" / "pretrained").rglob("*.safetensors"))
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
    at(*TOP, "pretrained.below=a run, of 1", "hydra.run.dir=given", "scale=smoke")
    cfg = OmegaConf.load(at.folder / "given" / "config.yaml")
    assert cfg.pretrained.below == str(at.folder / "a run, of 1")
    shutil.rmtree(at.folder / "outputs")
    third = (*TRAIN, "experiment=toy/third", "pretrained.below=toy/top net.hidden=[3]", "scale=smoke", "seed=4")
    at(*third, "hydra.run.dir=third")
    kept = at.folder / "third" / "pretrained" / "below"
    cfg, below = OmegaConf.load(kept / "config.yaml"), OmegaConf.load(kept / "pretrained" / "below" / "config.yaml")
    assert (cfg.net.hidden, below.net.hidden) == ([3], [8])
    assert (cfg.seed, below.seed, below.trainer.limit_train_batches) == (4, 4, 20)  # the run's, and its debugging
    assert any(name.startswith("below.below.") for name in weights(at.folder / "third"))


def test_a_sweep_trains_a_stage_once(at, monkeypatch):
    shutil.rmtree(at.folder / "outputs")
    monkeypatch.setattr("elbolab.report.of_sweep.Comparison.__call__", lambda _: "")
    sweep = ("optimizer.lr=0.001,0.002", "hydra.sweep.dir=sweep", "hydra/launcher=basic")
    at(*TRAIN, "-m", "experiment=toy/top", *sweep, "scale=smoke")
    assert stage_of(at.folder)
    stages = [weights(at.folder / "sweep" / job) for job in "01"]
    assert same(*({n: w for n, w in part.items() if n.startswith("below.")} for part in stages))
    assert not same(*stages)


def die():
    raise OSError("the machine died")


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


KEPT = r" while training pretrained.below \(toy/below\); its newest checkpoint is kept in \S*toy_below-\w{12}; "
THEN = "go on with the same command$"


@pytest.mark.parametrize(
    ("end", "code", "message"),
    [
        pytest.param(die, 1, "the machine died", marks=pytest.mark.slow),
        pytest.param(interrupt, 130, f"^interrupted{KEPT}{THEN}", marks=pytest.mark.slow),
        (terminate, 143, f"^terminated{KEPT}{THEN}"),
    ],
)
def test_a_half_trained_stage_is_gone_on_with(at, monkeypatch, end, code, message):
    stage = stage_of(at.folder)
    whole = weights(stage)
    shutil.rmtree(stage)
    step, begun = ElboModule.training_step, []

    def dying(model, block, i):
        begun.append(model.trainer.global_step)
        step(model, block, i)
        if model.trainer.global_step > 16:
            end()

    with monkeypatch.context() as patch:
        patch.setattr(ElboModule, "training_step", dying)
        assert re.search(message, at(*TOP, "hydra.run.dir=dead", fails=True), re.MULTILINE)
    assert at.code == code
    assert not (at.folder / "dead").exists()
    assert not (stage / "weights.safetensors").exists()
    assert torch.load(stage / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 11
    monkeypatch.setattr(ElboModule, "training_step", lambda m, *a: begun.append(m.trainer.global_step) or step(m, *a))
    begun.clear()
    at(*TOP, "hydra.run.dir=on")
    assert begun[0] == 11
    assert same(weights(stage), whole)
    assert same(weights(at.folder / "on"), weights(at.folder / "run")), "trained now or before, it makes no difference"


@pytest.mark.slow
def test_a_stage_that_is_stopped_before_its_first_checkpoint_or_while_it_is_measured(at, monkeypatch):
    stage = stage_of(at.folder)
    shutil.rmtree(stage)
    anew = "interrupted while training pretrained.below (toy/below), before its first checkpoint: nothing is kept"
    with monkeypatch.context() as patch:
        patch.setattr(ElboModule, "training_step", lambda *_: interrupt())
        assert anew in at(*TOP, "hydra.run.dir=dead", fails=True)
    assert not stage.exists()
    with monkeypatch.context() as patch:
        patch.setattr("elbolab.cli.train.measure", lambda *_: interrupt())
        told = at(*TOP, "scale=smoke", "hydra.run.dir=dead", fails=True)
    assert re.search(r"interrupted while measuring pretrained.below \(toy/below\), which is trained and kept in", told)


def test_a_stage_draws_nothing_that_the_model_would(made, monkeypatch):
    monkeypatch.syspath_prepend(made[0] / "own")
    before = torch.get_rng_state()
    build_stages({"below": load_stage("pretrained.below", RunDir(stage_of(made[0])))})
    assert torch.equal(torch.get_rng_state(), before)


def test_what_makes_a_stage_another_one(made):
    """Its configuration and the stages that it builds on; not where it is trained, and how it is watched."""
    stage = load_stage("pretrained.below", RunDir(stage_of(made[0])))
    other = stage._replace(run=RunDir(made[0] / "toy_below-0"))

    def of(below=(), **changes):
        cfg = OmegaConf.merge(stage.cfg, {})
        for key, value in changes.items():
            OmegaConf.update(cfg, key.replace("__", "."), value)
        return planning._hash(cfg, dict(below))

    same = [of(trainer__accelerator="gpu"), of(group="a"), of(paths__run="/b"), of(data__root="/c"), of(compile=True)]
    assert set(same) == {of()}
    others = [of(seed=1), of(trainer__max_epochs=9), of(net__hidden=[7]), of({"m0": stage}), of({"m0": other})]
    assert len({of(), *others}) == 6


def test_processes_that_start_at_once_train_a_stage_once(made, tmp_path):
    """Whoever comes second waits for the lock, and then loads what the first has trained."""
    trained = []
    cfg = OmegaConf.load(stage_of(made[0]) / "config.yaml")
    stage = Stage("pretrained.below", RunDir(tmp_path / "stage"), cfg, None, {})

    def train(cfg, run):
        trained.append(run.path)
        time.sleep(0.1)
        save_weights(run.weights, torch.nn.Linear(1, 1))

    parts = [torch.nn.Linear(1, 1) for _ in range(3)]
    jobs = [threading.Thread(target=train_missing, args=({"below": stage}, {"below": part}, train)) for part in parts]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert trained == [tmp_path / "stage"]
    assert len({float(part.weight.detach()) for part in parts}) == 1


def test_a_rank_joins_its_own_first_rank_and_waits_for_that_of_another_job(tmp_path, monkeypatch):
    monkeypatch.setenv("ELBOLAB_JOB", "ours")
    run, told = RunDir(tmp_path / "stage"), tmp_path / ".stage.job"
    waiting = threading.Thread(target=pretraining._follow, args=(run, told))
    told.write_text("theirs")
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    told.write_text("ours")
    waiting.join(5)
    assert not waiting.is_alive()
    told.unlink()
    run.path.mkdir()
    run.weights.touch()
    pretraining._follow(run, told)


TYPED = {
    "a name that the recipe does not take": (
        [*PLAIN, "pretrained.m1=toy/below"],
        "takes no pretrained.m1: leave it out",
    ),
    "one that must be given": (["model=new_decoder", *PLAIN], "pretrained.below must be given"),
    "no name": (["experiment=toy/top", "pretrained=toy/below"], "pretrained=toy/below: say what it is to the model"),
    "a cycle": (["experiment=toy/cycle"], "pretrained.below=toy/cycle: a cycle: toy/cycle -> toy/cycle"),
    "weights of another model": (["experiment=toy/top", "pretrained.below=wide"], "weights in .*wide are of another"),
}
"""On the command line."""

NAMED = {
    "another name than the recipe's": ({"m1": "toy/below"}, "takes no pretrained.m1: it takes pretrained.below"),
    "a missing one": ({"below": None}, "this model needs pretrained.below=...: a run directory, or the name of an exp"),
    "neither run nor experiment": (
        {"below": "toy/belwo"},
        "neither a run .* nor an experiment; did you mean 'toy/below'",
    ),
    "a number": ({"below": 3}, "pretrained.below=3: give a run directory, or the name of an experiment"),
    "nothing": ({"below": ""}, "pretrained.below=: neither a run directory nor an experiment"),
    "no run directory": ({"below": "own"}, "pretrained.below: own is no run directory"),
    "an unfinished one": ({"below": "begun"}, "begun has no weights yet: finish it"),
    "a sweep": ({"below": "toy/sweep"}, "that experiment is a sweep; name one of its runs"),
    "another variant": (
        {"below": "toy/below model=ae"},
        "pretrained.below has no prior: name e.g. toy/below",
    ),
    "another shape": ({"below": "other"}, r"below was trained on other data: shape \(2,\) there, \(1, 8, 8\) here"),
    "other values": (
        {"below": "toy/below data.binarize=none likelihood=continuous_bernoulli"},
        "below was trained on other data: support unit there, binary here",
    ),
    "another data set": ({"below": "named"}, "below was trained on other data: data set MNIST there, Digits here"),
    "conditions that the run does not have": (
        {"below": "toy/below data.given=labels prior=conditional_normal"},
        r"below was trained on other data: conditions \(\(10,\),\) there, \(\) here",
    ),
    "parts that do not fit together": (
        {"below": "toy/below posterior=bernoulli"},
        "^pretrained.below: .*prior=bernoulli",
    ),
    "a class of data that is not there": (
        {"below": "toy/below data._target_=nowhere.Data"},
        "^pretrained.below=toy/below data.*there is no nowhere.Data",
    ),
    "overrides of what is shared": ({"below": "toy/below trainer.devices=2"}, "trainer.devices is the run's own"),
    "overrides of nothing": ({"below": "toy/below net.hiden=[3]"}, "toy/below net.hiden=.*did you mean 'net.hidden'"),
    "overrides of another type": (
        {"below": "toy/below optimizer.lr=fast"},
        "pretrained.below=toy/below optimizer.lr=fast: optimizer.lr=fast: give a number",
    ),
    "an open quotation": ({"below": "toy/below 'name=x"}, "pretrained.below=toy/below 'name=x: No closing quotation"),
}
"""In a configuration."""


@pytest.fixture(scope="module")
def with_others(made, tmp_path_factory):
    """A copy of the folder that has runs which are no stages of this model too."""
    folder = tmp_path_factory.mktemp("others")
    shutil.copytree(made[0], folder, dirs_exist_ok=True)
    for name in ("begun", "named", "other", "wide"):
        shutil.copytree(stage_of(folder), folder / name)
    (folder / "begun" / "weights.safetensors").unlink()
    swap(folder / "named" / "config.yaml", "elbolab.data.digits.Digits", "elbolab.data.mnist.MNIST")
    swap(folder / "wide" / "config.yaml", "- 8\n", "- 9\n")
    spec = json.loads((folder / "other" / "spec.json").read_text())
    (folder / "other" / "spec.json").write_text(json.dumps(spec | {"x": [2]}))
    return folder


def swap(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("name", TYPED)
def test_bad_input_has_one_clear_message_before_anything_is_trained(name, with_others):
    args, message = TYPED[name]
    shell = Shell(with_others)
    before = sorted(path for path in with_others.rglob("*") if "__pycache__" not in path.parts)
    err = shell(*TRAIN, *args, "hydra.run.dir=bad", fails=True)
    assert re.search(message, err, re.DOTALL), err
    assert err.count("error:") == 1
    assert sorted(path for path in with_others.rglob("*") if "__pycache__" not in path.parts) == before


@pytest.fixture(scope="module")
def messages(with_others):
    """What is said of each of ``NAMED``."""
    found = {}
    with pytest.MonkeyPatch.context() as patch, initialize_config_dir(str(config_dir()), version_base="1.3"):
        patch.chdir(with_others)
        patch.syspath_prepend("own")
        words = ["experiment=toy/top", f"hydra.searchpath=[file://{with_others / 'own'}]"]
        patch.setattr(HydraConfig.instance(), "cfg", None)
        composed = compose("train", words, return_hydra_config=True)
        HydraConfig.instance().set_config(composed)
        composed.paths.run = str(with_others)
        cfg = OmegaConf.masked_copy(composed, [name for name in composed if name != "hydra"])
        cfg = OmegaConf.create(OmegaConf.to_container(cfg, resolve=True))
        spec = build_data(cfg).spec
        for name, (stages, _) in NAMED.items():
            cfg.pretrained = stages
            with pytest.raises((ValueError, OSError)) as caught:
                build_densities(cfg, spec, **build_stages(plan_stages(cfg, spec)))
            found[name] = str(caught.value)
    return found


@pytest.mark.parametrize("name", NAMED)
def test_what_is_no_stage_of_this_model_has_one_clear_message(name, messages):
    assert re.search(NAMED[name][1], messages[name], re.DOTALL), messages[name]


@pytest.mark.slow
def test_stages_have_several_loggers_too(at):
    """Hydra writes no choice down where options are listed."""
    at(*TOP, "logger=[csv,tensorboard]", "logger.tensorboard.save_dir=curves", "hydra.run.dir=watched")
    assert list((at.folder / "curves" / "tensorboard").glob("events*"))
