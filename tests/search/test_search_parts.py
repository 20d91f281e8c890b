"""The parts of a search: trials that workers share, objectives, experiment files, the journal."""

import csv
import json
import re
import sqlite3
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from omegaconf import OmegaConf
from optuna.trial import TrialState
from tests.search.test_space import RECIPES, WIDE

from elbolab.common.files import write_json
from elbolab.runs.run_dir import RunDir, acquire_run
from elbolab.runs.sweep_dir import Job
from elbolab.search import study as study_module
from elbolab.search.objectives import Objective, read_objectives, values_of
from elbolab.search.samplers import SPACE, SeededSampler
from elbolab.search.space import read_space
from elbolab.search.study import ANSWER, connect, explain_faults, hide_password, open_study, time_limits
from elbolab.search.sweeper import Plan, check_hope, check_traces
from elbolab.search.trials import Trials, is_alive, register_worker, split_into_rows

ONE = read_space(None, ["a=interval(0,1)", "b=choice(x,y)"], None)
BY = [Objective("val/elbo", "max")]


def record(**changes):
    return {"parameters": ONE.ranges, "directions": ["maximize"], SPACE: ONE.to_json()} | changes


def study_of(folder, **changes):
    folder.mkdir(exist_ok=True)
    place = f"sqlite:///{folder / 'study.db'}"
    sampler = SeededSampler(RECIPES["random"], 0)
    return open_study(place, "elbolab", folder, record(**changes), sampler, optuna.pruners.NopPruner())


def forgetful():
    """A study that is kept nowhere."""
    return optuna.create_study(direction="maximize", sampler=SeededSampler(RECIPES["random"], 0))


def end(folder, job, state, value=None, mode="max"):
    path = folder / str(job.num)
    path.mkdir(exist_ok=True)
    status = {"state": state, "error": None, "value": value, "monitor": "val/elbo", "mode": mode, "epochs": 1}
    times = {"started": "2026-11-20T00:00:00+00:00", "ended": "2026-11-20T00:00:01+00:00", "before": 0.0}
    write_json(path / "status.json", status | times | {"overrides": job.overrides, "host": "h", "pid": 1})


def test_two_workers_take_every_trial_once(tmp_path):
    with register_worker(tmp_path) as a, register_worker(tmp_path) as b:
        study = forgetful()
        workers = [Trials(study, ONE, tmp_path, 6, 2, name) for name in (a, b)]
        taken = [workers[i % 2].take() for i in range(4)]
    assert [[job.num for job in batch] for batch in taken] == [[0, 1], [2, 3], [4, 5], []]


def test_a_worker_that_is_stopped_leaves_no_word_of_itself(tmp_path):
    with suppress(KeyboardInterrupt), register_worker(tmp_path) as name:
        assert is_alive(tmp_path, name)
        raise KeyboardInterrupt
    assert list((tmp_path / ".workers").iterdir()) == []


def test_a_dead_worker_s_trials_go_on_under_their_numbers(tmp_path):
    study = forgetful()
    with register_worker(tmp_path) as alive:
        with register_worker(tmp_path) as dead:
            lost = Trials(study, ONE, tmp_path, 5, 2, dead)
            first = lost.take()
            end(tmp_path, first[0], "finished", -1.0)
            lost.settle(first[0], BY)
            assert Trials(study, ONE, tmp_path, 5, 2, alive).tried == set()
            other = Trials(study, ONE, tmp_path, 5, 2, alive)
            assert [job.num for job in other.take()] == [2, 3]
        (again,) = other.take()
    assert again == first[1]


def test_a_dead_worker_s_trial_that_still_trains_is_left_to_it(tmp_path):
    """Its job may outlive it: on a cluster, say."""
    study = forgetful()
    with register_worker(tmp_path) as dead:
        (job,) = Trials(study, ONE, tmp_path, 1, 1, dead).take()
    (tmp_path / "0").mkdir()
    with register_worker(tmp_path) as name:
        with acquire_run(RunDir(tmp_path / "0")):
            assert Trials(study, ONE, tmp_path, 1, 1, name).take() == []
        assert Trials(study, ONE, tmp_path, 1, 1, name).take() == [job]


def test_a_batch_that_was_cut_short_is_filled_up(tmp_path):
    study = forgetful()
    with register_worker(tmp_path) as dead:
        Trials(study, ONE, tmp_path, 8, 1, dead).take()
    with register_worker(tmp_path) as name:
        assert [job.num for job in Trials(study, ONE, tmp_path, 8, 3, name).take()] == [0, 1, 2]


def test_how_trials_end(tmp_path):
    study = forgetful()
    with register_worker(tmp_path) as name:
        trials = Trials(study, ONE, tmp_path, 5, 5, name)
        jobs = trials.take()
        ends = [("finished", -3.0), ("pruned", -4.0), ("failed", None), ("finished", None), ("interrupted", None)]
        for job, (state, value) in zip(jobs, ends, strict=True):
            end(tmp_path, job, state, value)
            trials.settle(job, BY)
        states = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING, TrialState.FAIL, TrialState.RUNNING]
        assert [trial.state for trial in study.trials] == states
        assert trials.take() == []  # this worker tries none twice
    with register_worker(tmp_path) as name:
        assert [job.num for job in Trials(study, ONE, tmp_path, 5, 5, name).take()] == [2, 4]


def test_launchers_number_rows():
    jobs = [Job(num, []) for num in (5, 1, 2, 7, 6)]
    assert [[job.num for job in row] for row in split_into_rows(jobs)] == [[1, 2], [5, 6, 7]]


def test_a_study_is_of_one_directory(tmp_path):
    study_of(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "a/study.db").rename(tmp_path / "b/study.db")
    with pytest.raises(ValueError, match="has its trials in another directory"):
        study_of(tmp_path / "b")


def test_a_study_that_was_moved_goes_on(tmp_path):
    study_of(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    assert study_of(tmp_path / "b").trials == []


def test_a_study_says_what_has_changed(tmp_path):
    study_of(tmp_path)
    with pytest.raises(ValueError, match="begun with other parameters: a=interval.* then, a=interval.0,2. now"):
        study_of(tmp_path, parameters={"a": "interval(0,2)", "b": "choice(x,y)"})


def test_a_study_whose_description_was_cut_short_is_described_anew(tmp_path, monkeypatch):
    write = optuna.Study.set_user_attr

    def killed(study, key, value):
        if key == SPACE:
            raise KeyboardInterrupt
        write(study, key, value)

    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(optuna.Study, "set_user_attr", killed)
        study_of(tmp_path)
    assert study_of(tmp_path).user_attrs[SPACE] == ONE.to_json()


def test_a_journal_whose_last_line_was_cut_short_goes_on(tmp_path):
    path = tmp_path / "study.log"
    study = optuna.create_study(study_name="elbolab", storage=connect(str(path)))
    study.ask(fixed_distributions={"a": WIDE["a"]})
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code":4,"wor')
    again = optuna.load_study(study_name="elbolab", storage=connect(str(path)))
    again.ask(fixed_distributions={"a": WIDE["a"]})
    assert path.read_bytes().startswith(whole)
    assert len(optuna.load_study(study_name="elbolab", storage=connect(str(path))).trials) == 2


def test_a_password_is_not_shown():
    assert "secret" not in hide_password("postgresql://me:secret@host/db")


@pytest.mark.parametrize(
    ("names", "modes", "message"),
    [
        (["test/elbo"], ["max"], "test/elbo is not of the validation data"),
        (["val/rate"], None, "give min or max for each"),
        (["val/rate", "val/elbo"], ["min"], "give min or max for each"),
        (["val/rate"], ["down"], "give min or max for each"),
        (None, ["min"], "name those too"),
    ],
)
def test_objectives_are_of_validation_data_and_have_directions(names, modes, message):
    with pytest.raises(ValueError, match=message):
        read_objectives(names, modes, "val/elbo", "max")


def test_objectives_are_read_where_the_monitored_quantity_is_best(tmp_path):
    end(tmp_path, Job(0, []), "finished", -2.0)
    with (tmp_path / "0/metrics.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["step", "epoch", "val/elbo", "val/rate"], [1, 0, -3, 7], [2, 1, -2, 8], [3, 1, "", ""], [4, 2, -2.5, 9]]
        )
    (tmp_path / "0/evaluation.json").write_text(json.dumps({"val": {"nll": {"value": 1.5}}}))
    names = ["val/rate", "val/elbo", "val.nll"]
    objectives = read_objectives(names, ["min", "max", "min"], "val/elbo", "max")
    assert values_of(tmp_path / "0", objectives) == [8, -2, 1.5]
    end(tmp_path, Job(0, []), "finished", -3.0, mode="min")
    assert values_of(tmp_path / "0", objectives) == [7, -3, 1.5]
    with pytest.raises(ValueError, match="has no val/mig"):
        values_of(tmp_path / "0", [Objective("val/mig", "max")])
    with pytest.raises(ValueError, match="has no val.mse: it has nll"):
        values_of(tmp_path / "0", [Objective("val.mse", "min")])


class Loader:
    """Composes nothing: trials monitor the ELBO."""

    def load_sweep_config(self, config, overrides):
        return SimpleNamespace(monitor="val/elbo", mode="max")


OPTIONS = {"n_trials": 5, "jobs": None, "seed": 0, "objectives": None, "directions": None, "storage": None}
OPTIONS |= {"study": "elbolab", "params": None, "sampler": {"_target_": "optuna.samplers.TPESampler"}, "pruner": None}
TWO = {"objectives": ["val/rate", "val/distortion"], "directions": ["min", "min"]}


def plan_of(folder, word="a=interval(0,1)", **options):
    config = OmegaConf.create({"hydra": {"sweep": {"dir": str(folder)}, "launcher": {"workers": 3}}})
    return Plan(OPTIONS | options, config, read_space(None, [word], None), Loader())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_trials": 0}, "n_trials=0: give a whole number, at least 1"),
        ({"jobs": -1}, "jobs=-1: give a whole number, at least 1"),
        ({"storage": "nowhere"}, "storage=nowhere: give null"),
        ({"pruner": {"_target_": "optuna.pruners.MedianPruner"}} | TWO, "a pruner judges one curve"),
        ({"pruner": {"_target_": "optuna.pruners.MedianPruner", "foo": 1}}, "hydra.sweeper.pruner .*'foo'"),
        ({"sampler": {"_target_": "optuna.samplers.TPESampler", "foo": 1}}, "hydra.sweeper.sampler .*'foo'"),
        ({"sampler": {"_target_": "optuna.samplers.Nothing"}}, "hydra.sweeper.sampler .*Nothing"),
        ({"sampler": {"_target_": "elbolab.search.samplers.Grid"}}, "a has no grid.*hydra/sweeper/sampler=tpe"),
        ({"sampler": {"_target_": "optuna.samplers.CmaEsSampler"}} | TWO, "multi-objective"),
    ],
)
def test_options_that_a_search_refuses(tmp_path, options, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        plan_of(tmp_path, **options).rehearse()
    assert list(tmp_path.iterdir()) == []


def test_trials_are_chosen_as_the_launcher_runs_them(tmp_path):
    assert (plan_of(tmp_path).jobs, plan_of(tmp_path, jobs=2).jobs) == (3, 2)


def test_a_grid_has_no_more_trials_than_points(tmp_path):
    grid = {"sampler": {"_target_": "elbolab.search.samplers.Grid"}}
    assert plan_of(tmp_path, word="a=range(0,3)", **grid).num_trials == 3
    assert plan_of(tmp_path, word="a=range(0,9)", **grid).num_trials == 5


@pytest.mark.parametrize(("storage", "name"), [(None, "study.db"), ("journal", "study.log")])
def test_a_study_that_cannot_be_read_is_left_as_it_is(tmp_path, storage, name):
    (tmp_path / name).write_text("this is no study\n")
    plan = plan_of(tmp_path, storage=storage)
    with pytest.raises(ValueError, match="cannot be reached.*move it away"), explain_faults(plan.place):
        plan.open()
    assert (tmp_path / name).read_text() == "this is no study\n"


def test_a_database_that_is_not_there(tmp_path):
    plan = plan_of(tmp_path, storage="nosuch://me:secret@db/x")
    message = r"the study in nosuch://me:\*\*\*@db/x cannot be reached .*storage right"
    with pytest.raises(ValueError, match=message), explain_faults(plan.place):
        plan.open()


def test_a_study_on_a_full_disk():
    full = sqlite3.OperationalError("database or disk is full")
    with pytest.raises(ValueError, match="make room, and give the command again"), explain_faults("sqlite:///study.db"):
        raise full


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("postgresql+psycopg://db/x", {"connect_timeout": ANSWER}),
        ("postgresql+pg8000://db/x", {"timeout": ANSWER}),
        ("mysql+pymysql://db/x?read_timeout=99", {"connect_timeout": ANSWER, "write_timeout": ANSWER}),
        ("oracle+cx_oracle://db/x", {}),
    ],
)
def test_a_database_that_never_answers_is_given_up(place, told):
    assert time_limits(place) == told


def test_a_search_in_which_nothing_works_ends(tmp_path):
    study = forgetful()
    with register_worker(tmp_path) as name:
        trials = Trials(study, ONE, tmp_path, 9, 3, name)
        for job in trials.take():
            check_hope(trials)
            end(tmp_path, job, "failed")
    with pytest.raises(ValueError, match="the first 3 trials have all failed, the last with: None"):
        check_hope(trials)
    study.tell(0, 1.0)
    check_hope(trials)


def test_trials_that_leave_no_word_are_named(tmp_path):
    with register_worker(tmp_path) as name:
        trials = Trials(forgetful(), ONE, tmp_path, 3, 3, name)
        for job in trials.take()[:2]:
            end(tmp_path, job, "finished", 1.0)
        with pytest.raises(ValueError, match=r"trials 2 have written nothing into .* \(a full disk"):
            check_traces(trials)


def test_optunas_private_names_are_used_in_one_place():
    found = set()
    for path in Path(study_module.__file__).parent.glob("*.py"):
        text = path.read_text()
        found |= {(path.name, name) for name in re.findall(r"(?<!self)\._[a-z]\w*", text)}
    assert found == {("trials.py", "._trial_id"), ("trials.py", "._suggest")}
