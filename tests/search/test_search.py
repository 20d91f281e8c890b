"""A search from the command line: what it leaves, that it goes on as if nothing had happened, what it refuses."""

import random
import sqlite3
import sys
import time

import optuna
import pytest
import yaml
from hydra import compose, initialize_config_dir
from optuna.trial import TrialState

from elbolab.callbacks.prune import Prune
from elbolab.config.paths import config_dir
from elbolab.runs.status import read_status
from elbolab.search import study
from elbolab.search.trials import is_alive

SMALL = [
    *("train", "-m", "hydra/sweeper=optuna", "data=digits", "data.binarize=dynamic", "net.hidden=[16]"),
    *("trainer.max_epochs=2", "trainer.log_every_n_steps=11", "trainer.accelerator=cpu"),
    *("evaluation.num_samples=2", "evaluation.limit=20", "hydra/launcher=basic"),
]
SPACE = ["optimizer.lr=tag(log,interval(1e-4,1e-1))", "densities.latent_dim=int(interval(1,8))"]
TRIALS = ["hydra.sweeper.n_trials=4"]
PRUNED = ["hydra/sweeper/pruner=median", "hydra.sweeper.pruner.n_startup_trials=2"]


def study_in(folder):
    return optuna.load_study(study_name="elbolab", storage=f"sqlite:///{folder / 'study.db'}")


def told(folder):
    """All that a study knows of its trials, but times."""
    return [(t.number, t.state, t.params, t.values, t.intermediate_values) for t in study_in(folder).trials]


@pytest.fixture(autouse=True)
def _bare(monkeypatch):
    """Trials are trained, and not measured."""
    monkeypatch.setattr("elbolab.cli.train.measure", lambda *_: ("", None))


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A search of four trials that nobody stopped; its shell and folder."""
    from tests.shell import Shell

    shell = Shell(tmp_path_factory.mktemp("searched"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("elbolab.cli.train.measure", lambda *_: ("", None))
        shell.said = shell(*SMALL, *SPACE, *PRUNED, *TRIALS, "hydra.sweep.dir=whole")
    return shell, shell.folder / "whole"


def test_a_search_leaves_a_study_and_its_trials(searched):
    shell, folder = searched
    trials = told(folder)
    assert len(trials) == 4
    for number, state, params, values, curve in trials:
        status = read_status(folder / str(number))
        assert status["state"] == {TrialState.COMPLETE: "finished", TrialState.PRUNED: "pruned"}[state]
        assert f"densities.latent_dim={params['densities.latent_dim']}" in status["overrides"]
        assert values[0] == pytest.approx(status["value"]) if state == TrialState.COMPLETE else curve
    assert {state for _, state, *_ in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert "4 trials:" in shell.said


def test_a_pruned_trial_keeps_its_checkpoints(searched):
    _, folder = searched
    number = next(n for n, state, *_ in told(folder) if state == TrialState.PRUNED)
    assert (folder / str(number) / "checkpoints" / "last.ckpt").is_file()
    assert (folder / str(number) / "weights.safetensors").is_file()


def test_a_repeated_search_trains_nothing(searched):
    shell, folder = searched
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*/status.json")}
    shell(*SMALL, *SPACE, *PRUNED, *TRIALS, "hydra.sweep.dir=whole")
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*/status.json")} == before
    assert len(told(folder)) == 4


def test_the_best_is_an_experiment(searched):
    shell, folder = searched
    best = study_in(folder).best_trial
    text = (folder / "conf" / "experiment" / "best.yaml").read_text()
    assert f"# Trial {best.number} of a search: val/elbo = " in text
    assert "--config-dir " + str(folder / "conf") + " experiment=best" in shell.said
    with initialize_config_dir(config_dir().as_posix(), version_base="1.3"):
        paths = f"hydra.searchpath=[file://{folder / 'conf'}]"
        again = compose("train", ["experiment=best", "group=null", "paths.run=x", "name=x", paths])
    trained = yaml.safe_load((folder / str(best.number) / "config.yaml").read_text())
    for part in ("model", "net", "optimizer", "trainer", "evaluation", "seed"):
        assert again[part] == trained[part], part
    assert again.densities.latent_dim == trained["densities"]["latent_dim"]


def stopped_after(num, monkeypatch):
    """Whatever searches now is stopped in its validation of that number, before anybody hears of it."""
    ask, count = Prune.on_validation_end, iter(range(num))

    def counted(self, trainer, module):
        if not trainer.sanity_checking and next(count, None) is None:
            raise KeyboardInterrupt
        ask(self, trainer, module)

    monkeypatch.setattr(Prune, "on_validation_end", counted)


@pytest.mark.slow
def test_a_search_that_is_stopped_goes_on_as_if_it_had_not_been(searched, shell, monkeypatch):
    command = [*SMALL, *SPACE, *PRUNED, *TRIALS, "hydra.sweep.dir=parts"]
    for num in (1, 3):
        with monkeypatch.context() as patch:
            stopped_after(num, patch)
            shell(*command, fails=True)
            assert shell.code == 130
    shell(*command)
    assert told(shell.folder / "parts") == told(searched[1])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["modle.beta=interval(0.1,10)"], "the config has no 'modle.beta'"),
        (["model.beta=interval(0.1,10)"], "it is a key of model=beta_vae"),
        (
            ["model=choice(vae,dvae)"],
            r"some trials monitor val/elbo .* and others val/dvae_bound .*hydra.sweeper.objectives=",
        ),
    ],
)
def test_what_a_search_refuses(shell, words, message):
    err = shell(*SMALL, *words, "hydra.sweep.dir=sweep", fails=True)
    assert err.count("error:") == 1
    pytest.raises(ValueError, raise_, err).match(f"(?s){message}")
    assert not (shell.folder / "sweep").exists()


def raise_(text):
    raise ValueError(text)


def test_a_study_does_not_change(searched):
    shell, folder = searched
    before = (folder / "study.db").read_bytes(), (folder / "sweep.json").read_bytes()
    err = shell(*SMALL, *SPACE[:1], *PRUNED, *TRIALS, "hydra.sweep.dir=whole", fails=True)
    assert "densities.latent_dim=int(interval(1,8)) then, no densities.latent_dim now" in err
    assert ((folder / "study.db").read_bytes(), (folder / "sweep.json").read_bytes()) == before


def test_a_search_and_a_sweep_share_no_directory(searched):
    shell, _ = searched
    err = shell("train", "-m", "seed=1,2", "scale=smoke", "hydra.sweep.dir=whole", fails=True)
    assert "whole is of a search: choose another hydra.sweep.dir" in err


def test_runs_that_the_study_knows_nothing_of_are_left_alone(searched):
    shell, folder = searched
    (folder / "study.db").rename(folder / "away.db")
    try:
        err = shell(*SMALL, *SPACE, "hydra.sweep.dir=whole", fails=True)
    finally:
        (folder / "away.db").replace(folder / "study.db")
    assert "0 is a run but not a trial of the study" in err


def test_a_locked_database(searched, monkeypatch):
    shell, folder = searched
    monkeypatch.setattr(study, "PATIENCE", 0.05)
    with sqlite3.connect(folder / "study.db") as other:
        other.execute("BEGIN EXCLUSIVE")
        err = shell(*SMALL, *SPACE, *PRUNED, *TRIALS, "hydra.sweep.dir=whole", fails=True)
        other.rollback()
    assert "database is locked" in err
    assert "another process has locked it" in err


def test_optuna_is_asked_for_where_it_is_missing(shell, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert "pip install 'elbolab[search]'" in shell(*SMALL, *SPACE, fails=True)


def ended(worker):
    """Waits until a process has ended well."""
    said = worker.communicate()
    assert worker.returncode == 0, said


def heard(folder):
    """Validations that a study has been told of."""
    if not (folder / "0").exists():  # to look at a study that is being made would make its tables too
        return 0
    try:
        return sum(len(curve) for *_, curve in told(folder))
    except Exception:  # there is no study yet
        return 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_twenty_trials_killed_and_resumed_and_with_two_workers(shell):
    """Must show 2: SIGKILL at any moment."""
    command = [*SMALL, *SPACE, *PRUNED, "trainer.max_epochs=4", "hydra.sweeper.n_trials=20"]
    ended(shell.start(*command, "hydra.sweep.dir=whole"))
    chance = random.Random(0)
    for _ in range(4):
        worker = shell.start(*command, "hydra.sweep.dir=parts")
        least = heard(shell.folder / "parts") + chance.randint(1, 8)
        while heard(shell.folder / "parts") < least:
            assert worker.poll() is None, worker.communicate()
            time.sleep(0.05)
        time.sleep(chance.random())
        worker.kill()
        worker.communicate()
    ended(shell.start(*command, "hydra.sweep.dir=parts"))
    assert told(shell.folder / "parts") == told(shell.folder / "whole")

    for worker in [shell.start(*command, "hydra.sweep.dir=two") for _ in range(2)]:
        ended(worker)
    trials = told(shell.folder / "two")
    assert [number for number, *_ in trials] == list(range(20))
    assert all(state in (TrialState.COMPLETE, TrialState.PRUNED) for _, state, *_ in trials)
    assert len({t.user_attrs["worker"] for t in study_in(shell.folder / "two").trials}) == 2
    assert not any(
        is_alive(shell.folder / "two", t.user_attrs["worker"]) for t in study_in(shell.folder / "two").trials
    )
