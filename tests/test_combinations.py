"""Random combinations of models and parts: each is refused with ways out, or does what a run does.

Options are read from conf/, so that a new one joins by itself.
"""

import io
import random

import pytest
import torch
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf, open_dict
from tests.config.test_refusals import is_option, keys_in_conf
from tests.helpers import weights
from tests.rehearsal import Rehearsal
from tests.test_configs import CONF, Little, composed, options
from torch.distributions import Distribution

from elbolab.cli.checks import check_labels, check_monitors, check_net
from elbolab.common.refusal import Refusal
from elbolab.config.build import build_densities, build_evaluation, build_model
from elbolab.config.errors import sentence_of
from elbolab.config.values import hints_of
from elbolab.densities.estimators import ESTIMATORS
from elbolab.densities.score_function import SCORE_FUNCTIONS
from elbolab.training.engine import Captured, Eager
from elbolab.training.guard import Guard
from elbolab.training.stepper import Stepper

SEEDS = [*range(20), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(20, 60))]
MOST = 12
"""Ways out that are followed one after another."""

GROUPS = ("prior", "posterior", "likelihood", "net", "cost", "corruption")
SHARE = 0.3
"""Of the groups whose option is drawn; of the others it is the model's own."""

SMALL = {
    **dict.fromkeys(("mlp.hidden", "critic.hidden", "net.hidden", "net.dense"), [8]),
    "model.num_bounds": 2,
    "densities.num_groups": 3,
    "densities.prior.num_components": 4,
    **dict.fromkeys(("densities.prior.steps.hidden", "densities.posterior.family.steps.hidden"), [8]),
    "densities.posterior.family.steps.num_parameters": 4,
    "evaluation.limit": 20,
    "evaluation.scores.num_train": 30,
    "evaluation.scores.num_eval": 10,
}
"""Values of keys, where the parts that are chosen have them."""


@pytest.fixture(autouse=True)
def hydra():
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def draw(rng):
    """Words that choose parts, and values of keys."""
    words = {"model": rng.choice(options("model")), "data": rng.choice(["digits", "digits", "toy"])}
    words |= {group: rng.choice(options(group)) for group in GROUPS if rng.random() < SHARE}
    return words, {
        "data.binarize": rng.choice(["dynamic", "none"]),
        "densities.latent_dim": [2, 3] if "categorical" in words.get("prior", "") else rng.choice([1, 2, 3]),
        "densities.posterior_sees_conditions": rng.random() < 0.7,
        "model.num_samples": rng.choice([1, 2, 3]),
        "model.estimator": rng.choice([*ESTIMATORS, *SCORE_FUNCTIONS]),
    } | ({"data.given": "labels"} if rng.random() < 0.2 else {})


def compose(words, values):
    """The configuration, with values of those keys that it has."""
    cfg = composed(*(f"{key}={value}" for key, value in words.items()))
    with open_dict(cfg):
        for key, value in (SMALL | values).items():
            parent, name = key.rsplit(".", 1)
            if name in (OmegaConf.select(cfg, parent) or {}):
                hint = hints_of(cfg.densities._target_).get(name)
                OmegaConf.update(cfg, key, 3 if isinstance(value, list) and hint is int else value)
    return cfg


def stages_of(cfg, spec):
    """That of M1+M2, untrained."""
    if cfg.densities._target_ != "elbolab.densities.stacked.stacked_layers":
        return {}
    below = compose({"model": "vae", "likelihood": "gaussian_learned"}, {})
    return {"m1": build_densities(below, spec).freeze()}


def build(cfg, seed=1):
    """The data, a model with the start that training would give it, and what measures it."""
    data = Little(cfg)
    check_net(cfg, data.spec)
    torch.manual_seed(seed)
    model = build_model(cfg, build_densities(cfg, data.full_spec, **stages_of(cfg, data.spec)))
    evaluation = build_evaluation(cfg, data.spec)
    check_labels(model, data)
    check_monitors(cfg, model, data)
    model.densities.initialise(next(iter(data.spread(40, "cpu"))), data.train_mean())
    return data, model.train(), evaluation


def follow(refusal, rng, words, values):
    """One of the ways out, all of which exist."""
    assert refusal.ways, sentence_of(refusal)
    for way in refusal.ways:
        assert all(is_option(way.group, option) for option in way.options)
        assert {key.rpartition(".")[2] for key in way.settings} <= keys_in_conf()
    way = rng.choice(refusal.ways)
    said = {way.group: rng.choice(way.options)} if way.group else {}
    said |= {key: rng.choice(value) if isinstance(value, tuple) else value for key, value in way.settings.items()}
    chosen = {key: value for key, value in said.items() if (CONF / key.partition("@")[0]).is_dir()}
    return words | chosen, values | {key: value for key, value in said.items() if key not in chosen}


def build_or_follow(rng):
    """The configuration that is built, after as many ways out as it needs, and what is built."""
    words, values = draw(rng)
    refusals = []
    while len(refusals) < MOST:
        cfg = compose(words, values)
        try:
            return cfg, build(cfg)
        except Refusal as refusal:
            refusals.append(refusal)
            words, values = follow(refusal, rng, words, values)
    raise AssertionError(f"ways out that lead nowhere: {'; '.join(map(sentence_of, refusals))}")


def stepper_of(model, engine):
    options = {"step": model.step, "schedule": None, "guard": Guard(), "ema": None, "world": 1, "autocast": None}
    return Stepper(model.players(), model.configure_optimizers(), engine=engine, **options)


def take(stepper, data, first, last):
    """Steps of an epoch, always with the same noise."""
    block = next(iter(data.train_dataloader()))
    block.items, block.positions = block.items[first:last], block.positions[first:last]
    torch.manual_seed(first)
    return stepper.run(block)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_combination_does_what_a_run_does(seed, monkeypatch, caplog):
    monkeypatch.setattr("elbolab.metrics.few_labels.FOLDS", 2)
    monkeypatch.setattr("elbolab.evaluation.few_labels.DRAWS", 2)
    cfg, (data, model, evaluation) = build_or_follow(random.Random(seed))
    Distribution.set_default_validate_args(False)
    eager = stepper_of(model, Eager())
    take(eager, data, 0, 3)
    saved = io.BytesIO()
    torch.save({"model": model.state_dict(), "optimizers": [one.state_dict() for one in eager.optimizers]}, saved)
    metrics = take(eager, data, 3, 4)

    _, ours, _ = build(cfg)
    graphs = Rehearsal(model=ours)
    captured = stepper_of(ours, Captured(graphs, must=True, warm_up=1))
    take(captured, data, 0, 3)
    assert take(captured, data, 3, 4) == metrics
    assert torch.equal(weights(model), weights(ours))
    assert graphs.replays > 1

    saved.seek(0)
    state = torch.load(saved, weights_only=True)
    _, fresh, _ = build(cfg, seed=2)
    fresh.load_state_dict(state["model"])
    resumed = stepper_of(fresh, Eager())
    for optimizer, of_optimizer in zip(resumed.optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(of_optimizer)
    assert take(resumed, data, 3, 4) == metrics
    assert torch.equal(weights(model), weights(fresh))

    assert evaluation.reduce()(model.densities, data)["test"]
    assert "is no number" not in caplog.text
