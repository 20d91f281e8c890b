"""Every file under conf/ composes and builds; every experiment trains and is measured on a little of its own data."""

from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf, open_dict
from tests.helpers import fit

from elbolab.batch import Spec, Support
from elbolab.cli.build import build_densities, build_model, make
from elbolab.cli.paths import config_dir
from elbolab.data.module import DataModule
from elbolab.data.splits import Arrays, Splits

CONF = Path(config_dir())
GREY = Spec((1, 28, 28), Support.UNIT, 256, num_classes=10)
BINARY = GREY._replace(support=Support.BINARY, levels=2)
SPECS = {"binary": BINARY, "grey": GREY, "dsprites": BINARY._replace(x=(1, 64, 64), num_classes=None, factors=(3, 6))}


def options(group):
    files = sorted((CONF / group).rglob("*.yaml"))
    return [f.relative_to(CONF / group).with_suffix("").as_posix() for f in files if not f.name.startswith("_")]


@pytest.fixture(autouse=True)
def hydra():
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def composed(*overrides):
    cfg = compose("train", [*overrides, "name=test"], return_hydra_config=True)
    with open_dict(cfg):
        cfg.paths.run = "unused"
    return cfg


def data_of(cfg):
    """A little data with the shapes, the conditions and some of the labels of the config's."""
    given = {"given": cfg.data.given, "quadrants": cfg.data.quadrants}
    given |= {} if cfg.data.num_labelled is None else {"num_labelled": 10, "labelled_batch_size": 5}
    return Little(_header(cfg), **given, batch_size=10, eval_batch_size=10)


def _header(cfg):
    if "DSprites" in cfg.data._target_:
        return SPECS["dsprites"]
    return GREY if cfg.data.binarize == "none" else BINARY


def spec_of(cfg):
    return data_of(cfg).spec


def densities_of(cfg, spec):
    """The densities on untrained stages."""
    stages = {name: composed(f"experiment={stage}") for name, stage in cfg.get("pretrained", {}).items()}
    return make(cfg.densities)(spec, **{name: densities_of(stage, spec) for name, stage in stages.items()})


class Little(DataModule):
    """Random data of a spec."""

    def __init__(self, spec, **options):
        super().__init__(**options)
        self.little = spec

    def header(self):
        return self.little

    def load(self):
        g = torch.Generator().manual_seed(0)
        x = torch.randint(self.little.levels, (60, *self.little.x), generator=g).numpy()
        y = (torch.arange(60) % 10).numpy()
        factors = torch.randint(3, (60, len(self.little.factors)), generator=g).numpy() if self.little.factors else None
        part = lambda s: Arrays(x[s], y[s], None if factors is None else factors[s], self.little.levels)  # noqa: E731
        return Splits(part(slice(20)), part(slice(20, 40)), part(slice(40, 60)))


@pytest.mark.parametrize("net", options("net"))
@pytest.mark.parametrize("experiment", options("experiment"))
def test_every_experiment_builds_with_every_net(experiment, net):
    cfg = composed(f"experiment={experiment}", f"net={net}")
    build_model(cfg, densities_of(cfg, spec_of(cfg)))


@pytest.mark.filterwarnings("ignore:.*its last value is never reached")  # of a schedule: the test cuts the run short
@pytest.mark.parametrize("experiment", options("experiment"))
def test_every_experiment_trains_and_is_measured(experiment):
    cfg = composed(f"experiment={experiment}")
    data = data_of(cfg)
    model = build_model(cfg, densities_of(cfg, data.spec))
    before = torch.cat([p.detach().flatten().clone() for p in model.parameters()])
    fit(model, data=data, max_steps=2)
    assert not torch.equal(before, torch.cat([p.detach().flatten() for p in model.parameters()]))
    with open_dict(cfg):
        cfg.evaluation.update(num_samples=2, limit=20, class_samples=2)
        cfg.evaluation.scores.update(num_train=30, num_eval=10)
    report = make(cfg.evaluation)(model.densities, data)
    assert "distortion" in report["test"]


def model_of(name):
    """The model of conf/model, for the data that it is made for."""
    grey = name in ("linear_ae", "tied_ae")
    cfg = composed(f"model={name}", f"data.binarize={'none' if grey else 'dynamic'}")
    return build_model(cfg, densities_of(cfg, spec_of(cfg))), data_of(cfg)


@pytest.mark.parametrize("model", options("model"))
def test_every_model_trains_and_reports_what_it_monitors(model):
    built, data = model_of(model)
    trainer = fit(built, data=data, max_steps=2)
    assert torch.isfinite(trainer.callback_metrics[built.monitor])


def test_binary_vae_is_relaxed_in_training_and_hard_in_validation():
    built, _ = model_of("binary_vae")
    x = torch.randint(2, (4, 1, 28, 28)).float()
    (soft,), (hard,) = (built.train(mode).densities.terms(x).latents for mode in (True, False))
    assert set(hard.z.unique().tolist()) <= {0.0, 1.0}
    assert not set(soft.z.unique().tolist()) <= {0.0, 1.0}
    assert (soft.is_bound, hard.is_bound) == (False, True)


def test_denoising_ae_sees_corrupted_data_in_training_alone():
    built, _ = model_of("denoising_ae")
    x = torch.randint(2, (4, 1, 28, 28)).float()
    (first, second), (third, fourth) = (
        [built.train(mode).densities.terms(x).log_lik for _ in range(2)] for mode in (True, False)
    )
    assert not torch.equal(first, second)
    assert torch.equal(third, fourth)


@pytest.mark.parametrize("likelihood", options("likelihood"))
def test_every_likelihood_fits_some_data(likelihood):
    grey = likelihood != "bernoulli"
    cfg = composed(f"likelihood={likelihood}", f"data.binarize={'none' if grey else 'dynamic'}")
    densities = build_densities(cfg, spec_of(cfg)._replace(x=(1, 8, 8)))
    densities.initialise_to_mean(torch.full((1, 8, 8), 0.3))
    x = (torch.rand(3, 1, 8, 8) * 255).round() / 255 if grey else torch.ones(3, 1, 8, 8)
    assert densities.terms(x).log_lik.shape == (3,)


@pytest.mark.parametrize("optimizer", options("optimizer"))
@pytest.mark.parametrize("schedule", options("schedule"))
def test_every_optimizer_follows_every_schedule(optimizer, schedule):
    cfg = composed(f"optimizer={optimizer}", f"schedule={schedule}", "net.hidden=[3]")
    spec = BINARY._replace(x=(1, 3, 3))
    model = build_model(cfg, build_densities(cfg, spec))
    fit(model, data=Little(spec, batch_size=10, eval_batch_size=10), max_epochs=2)
    assert int(model.step) == 4


@pytest.mark.parametrize(
    "group", ["data", "logger", "callbacks", "trainer", "prior", "posterior", "debug", "evaluation"]
)
def test_every_option_composes(group):
    for option in options(group):
        OmegaConf.to_container(composed(f"{group}={option}").get(group) or OmegaConf.create(), resolve=False)
