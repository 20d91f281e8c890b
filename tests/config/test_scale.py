"""`scale=paper`, `reduced` and `smoke`: one experiment, several sizes."""

import pytest
from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from elbolab.batch import Spec, Support, name_by_number
from elbolab.stages.planning import plan_stages

OWN = """# @package _global_
# Mine.
defaults:
  - override /net: ${by_scale:conv,mlp}
  - override /optimizer: ${by_scale:adam,adamw,sgd}
mlp:
  hidden: ${by_scale:[9,8],[7]}
trainer:
  max_epochs: ${by_scale:100,10}
  check_val_every_n_epoch: ${by_scale:5,2}
evaluation:
  limit: ${by_scale:null,50}
"""


@pytest.fixture
def own(tmp_path, loader):
    """The override with which Hydra finds an experiment of a user's own."""
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment/mine.yaml").write_text(OWN)
    return f"hydra.searchpath=[file://{tmp_path}]"


def composed(*words):
    cfg = compose("train", list(words), return_hydra_config=True)
    HydraConfig.instance().set_config(cfg)
    return cfg


@pytest.fixture(autouse=True)
def hydra_config(monkeypatch):
    monkeypatch.setattr(HydraConfig.instance(), "cfg", None)


@pytest.mark.parametrize(
    ("scale", "net", "optimizer", "epochs", "limit"),
    [("paper", "conv", "Adam", 100, None), ("reduced", "mlp", "AdamW", 10, 50), ("smoke", "mlp", "SGD", 1, 200)],
)
def test_an_experiment_of_ones_own_has_values_and_options_by_scale(own, scale, net, optimizer, epochs, limit):
    cfg = composed("experiment=mine", f"scale={scale}", own)
    assert cfg.hydra.runtime.choices.net == net
    assert cfg.optimizer._target_.endswith(f".{optimizer}")
    assert (cfg.trainer.max_epochs, cfg.evaluation.limit) == (epochs, limit)
    assert net == "conv" or cfg.net.hidden == [7]


def test_paper_is_the_scale_unless_another_is_chosen(own):
    assert composed("experiment=mine", own).trainer.max_epochs == 100


def test_the_command_line_comes_after_the_scale(own):
    words = ("experiment=mine", "scale=smoke", "trainer.max_epochs=3", "net.hidden=[5]", "optimizer=adam", own)
    cfg = composed(*words)
    assert (cfg.trainer.max_epochs, cfg.net.hidden, cfg.optimizer._target_[-5:]) == (3, [5], ".Adam")
    assert cfg.trainer.limit_train_batches == 20


def test_another_net_is_free_of_the_widths_of_an_experiments_layers(own):
    assert "hidden" not in composed("experiment=mine", "scale=reduced", "net=conv", own).net


def test_an_experiment_may_choose_a_scale_itself(own, tmp_path):
    text = "# @package _global_\ndefaults:\n  - /experiment/mine\n  - override /scale: reduced\n"
    (tmp_path / "experiment/small.yaml").write_text(text)
    assert composed("experiment=small", own).trainer.max_epochs == 10
    assert composed("experiment=small", "scale=smoke", own).trainer.max_epochs == 1


def test_jobs_of_a_sweep_have_their_own(own):
    loader = GlobalHydra.instance().config_loader()
    master = composed("experiment=mine", own)
    jobs = [loader.load_sweep_config(master, ["experiment=mine", f"scale={scale}"]) for scale in ("paper", "reduced")]
    assert [job.trainer.max_epochs for job in jobs] == [100, 10]


def test_smoke_without_an_experiment_is_a_few_steps(loader):
    cfg = composed("scale=smoke")
    assert (cfg.trainer.max_epochs, cfg.trainer.limit_train_batches, cfg.evaluation.limit) == (1, 20, 200)


@pytest.mark.parametrize(
    ("stage", "epochs"), [("kingma2014/m1", 20), ("kingma2014/m1 scale=paper", 500), ("kingma2014/m1 scale=smoke", 1)]
)
def test_a_stage_has_the_scale_of_its_run_unless_it_says_its_own(stage, epochs, loader):
    cfg = composed("experiment=kingma2014/m1_m2", "scale=reduced", f"pretrained.m1='{stage}'")
    cfg = OmegaConf.masked_copy(cfg, [name for name in cfg if name != "hydra"])
    spec = Spec((1, 28, 28), Support.BINARY, levels=2, classes=name_by_number(10))
    assert plan_stages(cfg, spec)["m1"].cfg.trainer.max_epochs == epochs


def test_the_configuration_is_shown_as_it_comes_out(shell):
    words = ("train", "experiment=burda2016/vae", "scale=reduced", "--cfg", "job", "--package", "trainer")
    assert "max_epochs: 13\n" in shell(*words, "--resolve")
    assert "max_epochs: ${by_scale:3280,13}\n" in shell(*words)
