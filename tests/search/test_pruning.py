"""What a study says of a trial that trains: judged once a validation, and again after a resume; unjudged without it."""

import optuna
import pytest
from omegaconf import OmegaConf
from optuna.trial import TrialState

from elbolab.search.pruning import Judge


@pytest.fixture
def study(tmp_path):
    """A study with one trial that has begun."""
    made = optuna.create_study(study_name="elbolab", storage=f"sqlite:///{tmp_path / 'study.db'}", direction="maximize")
    made.ask()
    return made


@pytest.fixture
def judge(study, tmp_path):
    """Makes a judge of that trial, as each process does for itself."""
    pruner = {"_target_": "optuna.pruners.ThresholdPruner", "lower": -5.0}
    sweeper = OmegaConf.create({"storage": None, "study": "elbolab", "pruner": pruner})
    return lambda: Judge(sweeper, tmp_path, 0)


def test_a_trial_that_the_pruner_ends_ends_after_a_resume_too(study, judge):
    assert [judge()(1, 0.0), judge()(2, -9.0)] == [False, True]
    assert study.trials[0].user_attrs == {"pruned_at": 2}
    again = judge()
    assert [again(1, None), again(2, None), again(3, 5.0)] == [False, True, True]


def test_a_value_that_is_told_stays(study, judge):
    asked = judge()
    assert [asked(1, 0.0), asked(1, -9.0)] == [False, False]
    assert study.trials[0].intermediate_values == {1: 0.0}


def test_a_trial_that_goes_on_from_before_its_last_validation_was_judged_there(study, judge):
    asked = judge()
    assert [asked(1, 0.0), asked(2, 0.0)] == [False, False]
    study._storage.set_trial_intermediate_value(study.trials[0]._trial_id, 3, -9.0)
    assert [asked(2, None), asked(3, None)] == [False, True]


def test_a_trial_that_is_done_goes_on_unjudged(study, judge):
    study.tell(0, state=TrialState.FAIL)
    assert not judge()(1, -9.0)


def test_a_study_that_does_not_answer_ends_no_training(judge, tmp_path, caplog):
    (tmp_path / "study.db").write_text("this is no study")
    assert not judge()(1, -9.0)
    assert "the trial goes on without pruning" in caplog.text
