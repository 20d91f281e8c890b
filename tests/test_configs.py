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


def header_of(cfg):
    if "DSprites" in cfg.data._target_:
        return SPECS["dsprites"]
    return GREY if cfg.data.binarize == "none" else BINARY


def little(cfg):
    return Little(header_of(cfg), given=cfg.data.given, batch_size=10, eval_batch_size=10)


def spec_of(cfg):
    return little(cfg).spec


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
        y = torch.randint(3, (60,), generator=g).numpy()
        factors = torch.randint(3, (60, len(self.little.factors)), generator=g).numpy() if self.little.factors else None
        part = lambda s: Arrays(x[s], y[s], None if factors is None else factors[s], self.little.levels)  # noqa: E731
        return Splits(part(slice(20)), part(slice(20, 40)), part(slice(40, 60)))


@pytest.mark.parametrize("net", options("net"))
@pytest.mark.parametrize("experiment", options("experiment"))
def test_every_experiment_builds_with_every_net(experiment, net):
    cfg = composed(f"experiment={experiment}", f"net={net}")
    densities = build_densities(cfg, spec_of(cfg))
    build_model(cfg, densities)


@pytest.mark.filterwarnings("ignore:.*its last value is never reached")  # of a schedule: the test cuts the run short
@pytest.mark.parametrize("experiment", options("experiment"))
def test_every_experiment_trains_and_is_measured(experiment):
    cfg = composed(f"experiment={experiment}")
    data = little(cfg)
    model = build_model(cfg, build_densities(cfg, data.spec))
    before = torch.cat([p.detach().flatten().clone() for p in model.parameters()])
    fit(model, data=data, max_steps=2)
    assert not torch.equal(before, torch.cat([p.detach().flatten() for p in model.parameters()]))
    with open_dict(cfg):
        cfg.evaluation.update(num_samples=2, limit=20)
        cfg.evaluation.scores.update(num_train=30, num_eval=10)
    report = make(cfg.evaluation)(model.densities, data)
    assert "distortion" in report["test"]


def model_of(name):
    """The model of conf/model, for the data that it is made for."""
    grey = name in ("linear_ae", "tied_ae")
    cfg = composed(f"model={name}", f"data.binarize={'none' if grey else 'dynamic'}")
    return build_model(cfg, build_densities(cfg, spec_of(cfg))), cfg


@pytest.mark.parametrize("model", options("model"))
def test_every_model_trains_and_reports_what_it_monitors(model):
    built, cfg = model_of(model)
    trainer = fit(built, data=little(cfg), max_steps=2)
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


def test_a_corruption_is_one_choice_for_training_and_evaluation():
    cfg = composed("model=dvae", "corruption=gaussian_noise", "corruption.scale=0.7")
    assert cfg.densities.corruption == cfg.evaluation.corruption == cfg.corruption
    assert cfg.corruption.scale == 0.7
    assert composed("model=vae").evaluation.corruption is None
    densities = build_densities(cfg, BINARY)
    assert densities.corruption.scale == 0.7


@pytest.mark.parametrize("model", ["dvae", "denoising_ae"])
@pytest.mark.parametrize("corruption", [name for name in options("corruption") if name != "none"])
def test_every_corruption_fits_every_denoising_model(model, corruption):
    cfg = composed(f"model={model}", f"corruption={corruption}")
    densities = build_densities(cfg, BINARY._replace(x=(1, 8, 8)))
    assert any(type(part).__name__ == cfg.corruption._target_.rpartition(".")[2] for part in densities.modules())


@pytest.mark.parametrize("model", ["dvae", "denoising_ae"])
def test_a_denoising_model_refuses_to_go_without(model):
    with pytest.raises(ValueError, match="choose e.g. corruption=bit_flip, or model=vae or ae"):
        build_densities(composed(f"model={model}", "corruption=none"), BINARY)


def test_im2017_encodes_by_two_layers_and_decodes_by_one():
    cfg = composed("experiment=im2017/static_mnist")
    layer = build_densities(cfg, BINARY).layer
    widths = [
        [part.out_features for part in head.modules() if isinstance(part, torch.nn.Linear)]
        for head in (layer.posterior, layer.likelihood)
    ]
    assert widths == [[200, 200, 100], [200, 784]]
    assert any(isinstance(part, torch.nn.Softplus) for part in layer.likelihood.modules())


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
    "group", ["data", "logger", "callbacks", "trainer", "prior", "posterior", "corruption", "debug", "evaluation"]
)
def test_every_option_composes(group):
    for option in options(group):
        OmegaConf.to_container(composed(f"{group}={option}").get(group) or OmegaConf.create(), resolve=False)
