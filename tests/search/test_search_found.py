"""What ends a trial early, which trials are the best, and the experiment files of those."""

from types import SimpleNamespace

import optuna
import pytest
import yaml
from hydra import compose
from omegaconf import OmegaConf

from elbolab.callbacks.prune import Prune
from elbolab.search.experiment import write_experiment
from elbolab.search.objectives import Objective
from elbolab.search.results import describe_results, rank_trials
from elbolab.search.space import read_space


class Asked:
    """A judge that ends a run at its third validation."""

    def __init__(self):
        self.told = []

    def __call__(self, validation, value):
        self.told.append((validation, value))
        return validation == 3


def trainer_at(value, sanity=False):
    state = SimpleNamespace(fn="fit")
    strategy = SimpleNamespace(broadcast=lambda verdict: verdict)
    return SimpleNamespace(state=state, sanity_checking=sanity, callback_metrics={"val/elbo": value},
                           strategy=strategy, is_global_zero=True, should_stop=False)  # fmt: skip


def test_prune_counts_validations_over_a_resume():
    judge = Asked()
    first, second = Prune("val/elbo", judge), Prune("val/elbo", judge)
    first.on_validation_end(trainer_at(0.0, sanity=True), None)
    for value in (1.0, 2.0):
        first.on_validation_end(trainer := trainer_at(value), None)
    assert not trainer.should_stop
    second.load_state_dict(first.state_dict())
    second.on_fit_start(trainer, None)
    second.on_validation_end(trainer := trainer_at(3.0), None)
    assert judge.told == [(1, 1.0), (2, 2.0), (2, None), (3, 3.0)]
    assert trainer.should_stop
    assert second.pruned


def test_prune_names_curves_that_exist():
    with pytest.raises(ValueError, match="no val/mig; choose val/elbo"):
        Prune("val/mig", Asked()).on_validation_end(trainer_at(0.0), None)


@pytest.mark.parametrize(
    "overrides",
    [
        ["model=beta_vae", "model.beta=2.5", "net.hidden=[3,4]", "optimizer=adamw", "search=vae"],
        ["experiment=burda2016/vae", "scale=reduced", "optimizer.lr=0.003", "net=gated_mlp", "model.ema=null"],
        ["model=beta_vae", "+schedule@model.beta=linear", "model.beta.epochs=5", "name='a, b'"],
    ],
)
def test_an_experiment_file_composes_to_what_the_overrides_do(overrides, loader, tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment/best.yaml").write_text(text := write_experiment("Found.", overrides, loader))
    assert text.startswith("# @package _global_\n# Found.\n")
    assert "search" not in yaml.safe_load(text)
    there = compose("train", [*(word for word in overrides if word != "search=vae"), "group=x", "paths.run=x"])
    here = compose("train", ["experiment=best", "group=x", "paths.run=x", f"hydra.searchpath=[file://{tmp_path}]"])
    for key in there:
        if key not in ("experiment", "name"):
            assert OmegaConf.to_container(here)[key] == OmegaConf.to_container(there)[key], key


def test_an_experiment_file_cannot_take_away(loader):
    with pytest.raises(ValueError, match="~net: an experiment file cannot take away"):
        write_experiment("", ["~net"], loader)


@pytest.mark.parametrize(("mode", "numbers"), [("max", [1, 2, 0]), ("min", [0, 1, 2])])
def test_trials_are_ranked_by_their_objective(mode, numbers):
    study = optuna.create_study()
    for value in (1.0, 2.0, 2.0):
        study.add_trial(optuna.trial.create_trial(value=value))
    assert [trial.number for trial in rank_trials(study.trials, Objective("val/elbo", mode))] == numbers


def test_two_objectives_have_a_front(tmp_path, loader):
    study = optuna.create_study(directions=["minimize", "minimize"])
    space = read_space({"model": "beta_vae"}, ["model.beta=interval(0,8)"], None)
    for beta, values in ((1, (5, 1)), (2, (3, 2)), (3, (4, 3)), (4, (1, 5))):
        trial = optuna.trial.create_trial(
            params={"model.beta": beta}, distributions=space.distributions, values=list(values)
        )
        study.add_trial(trial)
    objectives = [Objective("val/rate", "min"), Objective("val/distortion", "min")]
    (tmp_path / "conf/experiment").mkdir(parents=True)
    (tmp_path / "conf/experiment/pareto_2.yaml").touch()  # was on the front before trial 1
    said = describe_results(study, objectives, space, tmp_path, loader).splitlines()
    assert said[0] == "4 trials: 4 finished"
    assert [line.split()[0] for line in said[1:5]] == ["trial", "3", "1", "0"]
    assert any(line.startswith("parameter importances for val/rate: model.beta 1.00") for line in said)
    assert (tmp_path / "pareto.png").stat().st_size > 1000
    assert sorted(path.stem for path in (tmp_path / "conf/experiment").iterdir()) == [
        "pareto_0",
        "pareto_1",
        "pareto_3",
    ]
    assert said[-1].endswith("experiment=pareto_0")
    (tmp_path / "conf").rename(tmp_path / "away")
    (tmp_path / "conf").touch()
    without = describe_results(study, objectives, space, tmp_path, loader).splitlines()
    assert without[:5] == said[:5]
    assert without[-1].startswith("the best trials could not be written: ")
