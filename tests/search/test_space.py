"""Spaces of a search and the samplers that choose in them."""

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import CmaEsSampler, NSGAIISampler, RandomSampler, TPESampler

from elbolab.search.samplers import SPACE, Grid, SeededSampler
from elbolab.search.space import read_space


@pytest.mark.parametrize(
    ("word", "distribution"),
    [
        ("choice(a,b)", CategoricalDistribution(["a", "b"])),
        ("1,2", CategoricalDistribution(["1", "2"])),
        ("choice([1,2],[3])", CategoricalDistribution(["[1,2]", "[3]"])),
        ("shuffle(range(1,3))", IntDistribution(1, 2)),
        ("shuffle(1,2,3)", CategoricalDistribution(["1", "2", "3"])),
        ("range(1,10)", IntDistribution(1, 9)),
        ("range(1,10,2)", IntDistribution(1, 9, step=2)),
        ("tag(log,range(1,9))", IntDistribution(1, 8, log=True)),
        ("range(0.25,1.0,0.25)", FloatDistribution(0.25, 0.75, step=0.25)),
        ("interval(1,10)", FloatDistribution(1, 10)),
        ("int(interval(1,10))", IntDistribution(1, 10)),
        ("tag(log, interval(1e-4,1e-2))", FloatDistribution(1e-4, 1e-2, log=True)),
        ("tag(log, int(interval(2,64)))", IntDistribution(2, 64, log=True)),
    ],
)
def test_hydra_s_sweeps_are_distributions(word, distribution):
    assert read_space(None, [f"a.b={word}"], None).distributions == {"a.b": distribution}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("interval(5,1)", "an interval goes from a smaller to a larger number, not from 5.0 to 1.0"),
        ("range(5,1)", "holds nothing"),
        ("tag(lgo,interval(1,2))", "no tag 'lgo'; it knows log"),
        ("tag(log,interval(0,2))", "low > 0"),
        ("tag(log,choice(1,2))", "a choice has no logarithm"),
        ("3", "no parameters: give one a range"),
    ],
)
def test_ranges_that_hold_nothing(word, message):
    with pytest.raises(ValueError, match=message):
        read_space(None, [f"a={word}"], None)


def test_the_command_line_wins_over_the_configuration():
    space = read_space({"a": "interval(0,1)", "b": "choice(x,y)"}, ["b=z", "+c=range(0,3)", "d='u,v'"], None)
    assert list(space.distributions) == ["a", "c"]
    assert space.fixed == ["b=z", "d='u,v'"]
    assert space.overrides({"a": 0.5, "c": 2}) == ["a=0.5", "b=z", "+c=2", "d='u,v'"]


WIDE = {"a": FloatDistribution(0, 1), "b": IntDistribution(0, 100), "c": CategoricalDistribution(["x", "y", "z"])}
RECIPES = {
    "tpe": lambda seed: TPESampler(seed=seed, n_startup_trials=2, multivariate=True),
    "cmaes": lambda seed: CmaEsSampler(seed=seed, warn_independent_sampling=False),
    "random": lambda seed: RandomSampler(seed=seed),
    "nsgaii": lambda seed: NSGAIISampler(seed=seed, population_size=3),
}


def value(trial):
    return trial.params["a"] - trial.params["b"] / 100


@pytest.mark.parametrize("name", RECIPES)
def test_a_trial_is_the_same_in_whatever_process_it_is_chosen(name):
    """One process chooses all; others choose one each, and are killed between two parameters."""
    chosen = []
    for is_new in (False, True):
        study = optuna.create_study(sampler=SeededSampler(RECIPES[name], 3))
        for _ in range(10):
            if is_new:
                study.sampler = SeededSampler(RECIPES[name], 3)
                begun = study.ask(fixed_distributions={"a": WIDE["a"]})
                trial = optuna.trial.Trial(study, begun._trial_id)
                for key, distribution in WIDE.items():
                    trial._suggest(key, distribution)
            else:
                trial = study.ask(fixed_distributions=WIDE)
            study.tell(trial, value(trial))
        chosen.append([trial.params for trial in study.trials])
    assert chosen[0] == chosen[1]
    assert len({str(params) for params in chosen[0]}) > 4


def test_another_seed_chooses_others():
    asked = [optuna.create_study(sampler=SeededSampler(RECIPES["random"], seed)).ask(WIDE).params for seed in (0, 1)]
    assert asked[0] != asked[1]


def test_parameters_that_are_drawn_one_by_one_have_draws_of_their_own():
    study = optuna.create_study(sampler=SeededSampler(RECIPES["random"], 0))
    params = study.ask({"a": FloatDistribution(0, 1), "b": FloatDistribution(0, 1)}).params
    assert params["a"] != params["b"]


def test_a_grid_has_every_point_once():
    space = {"a": IntDistribution(1, 5, step=2), "b": CategoricalDistribution(["x", "y"])}
    space |= {"c": FloatDistribution(0, 0.5, step=0.25)}
    study = optuna.create_study(sampler=SeededSampler(lambda seed: Grid(seed), 0))
    study.set_user_attr(SPACE, {k: optuna.distributions.distribution_to_json(d) for k, d in space.items()})
    assert Grid.size(space) == 18
    points = [tuple(study.ask(fixed_distributions=space).params.values()) for _ in range(18)]
    assert len(set(points)) == 18
    assert points[:3] == [(1, "x", 0.0), (1, "x", 0.25), (1, "x", 0.5)]
