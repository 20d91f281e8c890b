import os
from types import SimpleNamespace

import pytest
import yaml
from tests.shell import QUICK
from tests.wandb_files import digest, pieces

from elbolab.cli.wandb_sweep import parameter, print_sweep


def written(capsys, *args):
    print_sweep(args)
    return yaml.safe_load(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("text", "space"),
    [
        ("seed=1,2", {"values": [1, 2]}),
        ("model=vae,beta_vae", {"values": ["vae", "beta_vae"]}),
        ("a=choice(0.5,true,'x y')", {"values": [0.5, "True", "x\\ y"]}),
        ("a=null,1", {"values": ["null", 1]}),
        ("a=[1,2],[3]", {"values": ["[1,2]", "[3]"]}),
        ("a=range(2,8,2)", {"values": [2, 4, 6]}),
        ("a=interval(1,5)", {"distribution": "uniform", "min": 1.0, "max": 5.0}),
        ("a=int(interval(1,5))", {"distribution": "int_uniform", "min": 1, "max": 5}),
        ("a=tag(log,interval(0.1,1))", {"distribution": "log_uniform_values", "min": 0.1, "max": 1.0}),
        ("a=tag(log,int(interval(1,64)))", {"distribution": "q_log_uniform_values", "q": 1, "min": 1, "max": 64}),
    ],
)
def test_spaces_of_hydra_are_spaces_of_wandb(text, space):
    from hydra.core.override_parser.overrides_parser import OverridesParser

    assert parameter(OverridesParser.create().parse_override(text)) == space


def test_a_sweep_of_an_experiment(capsys):
    found = written(
        capsys,
        "experiment=higgins2017/dsprites",
        "scale=reduced",
        "model.beta=interval(0.5,8)",
        "seed=1,2",
        "--early-stop=3",
        "--name=beta",
    )
    assert found == {
        "program": "elbolab",
        "name": "beta",
        "project": "elbolab",
        "method": "bayes",
        "metric": {"name": "val/elbo", "goal": "maximize"},
        "early_terminate": {"type": "hyperband", "min_iter": 3},
        "parameters": {
            "model.beta": {"distribution": "uniform", "min": 0.5, "max": 8.0},
            "seed": {"values": [1, 2]},
        },
        "command": [
            "${env}",
            "elbolab",
            "train",
            "experiment=higgins2017/dsprites",
            "scale=reduced",
            "logger=wandb",
            "${args_no_hyphens}",
        ],
    }


def test_wandb_takes_every_space(capsys):
    """By its own check of sweeps, and by what its own controller makes of each parameter."""
    pytest.importorskip("optuna")
    from wandb.apis.public.sweeps import _validate_config_and_fill_distribution
    from wandb.sdk.sweeps.scheduler.optuna import sweep_parameter_to_distribution

    found = written(
        capsys,
        "model=beta_vae",
        "model.beta=tag(log,interval(0.5,8))",
        "model.free_bits=interval(0,1)",
        "net.hidden=[400],[200,100]",
        "densities.latent_dim=int(interval(2,50))",
        "data.batch_size=tag(log,int(interval(16,256)))",
        "trainer.max_epochs=range(2,6,2)",
    )
    assert _validate_config_and_fill_distribution(found) == found
    taken = {key: sweep_parameter_to_distribution(space) for key, space in found["parameters"].items()}
    ranges = {key: space for key, space in taken.items() if "values" not in found["parameters"][key]}
    assert {key: (space.low, space.high, space.log) for key, space in ranges.items()} == {
        "model.beta": (0.5, 8.0, True),
        "model.free_bits": (0.0, 1.0, False),
        "densities.latent_dim": (2, 50, False),
        "data.batch_size": (16, 256, True),
    }
    assert taken["net.hidden"].choices == ("[400]", "[200,100]")
    assert taken["trainer.max_epochs"].choices == (2, 4)


def test_a_model_that_minimises_has_a_goal_that_is_minimised(capsys):
    found = written(capsys, "model=ae", "seed=1,2", "logger=[csv,wandb]")
    assert (found["method"], found["metric"]["goal"]) == ("grid", "minimize")
    assert "logger=[csv,wandb]" in found["command"]
    assert "logger=wandb" not in found["command"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["model.beta=interval(0,1)"], "it is a key of model=beta_vae"),
        (["modle=vae,ae"], "did you mean 'model'"),
        (["model=vae"], "nothing to search"),
        (["seed=glob(*)"], "W&B has no such space"),
        (["seed=interval(2,1)"], "an interval goes upwards"),
        (["optimizer.lr=tag(log,interval(0,1))"], "begins above 0"),
        (
            ["optimizer.lr=interval(0.1,1)", "--method=grid"],
            "--method grid needs lists, and optimizer.lr is an interval",
        ),
        (["seed=1,2", "--method=tpe"], "invalid choice"),
        (["seed=1,2", "--early-stop=0"], "at least 1"),
        (["seed=1,2", "logger=csv"], "choose logger=wandb, alone or in a list"),
        (["seed=1,(2"], "cannot be read"),
    ],
)
def test_bad_input(args, message):
    with pytest.raises(ValueError, match="error|.") as error:
        print_sweep(args)
    assert message in str(error.value)


def test_no_file_is_overwritten(tmp_path, capsys):
    path = tmp_path / "sweep.yaml"
    print_sweep(["seed=1,2", "--out", str(path)])
    assert f"wandb sweep {path}" in capsys.readouterr().out
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="there already"):
        print_sweep(["seed=1,2,3", "--out", str(path)])
    assert path.read_bytes() == before


@pytest.mark.filterwarnings("ignore:unclosed file", "ignore::pytest.PytestUnraisableExceptionWarning")  # of W&B's agent
def test_what_an_agent_runs(shell, monkeypatch, no_pictures, tmp_path):
    """W&B's own agent builds the command and its environment from the YAML; both are used as they come."""
    from wandb import wandb_agent

    started = []
    monkeypatch.setattr(wandb_agent, "AgentProcess", lambda **given: started.append(given) or SimpleNamespace())
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep1")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    for name in ("WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH"):
        monkeypatch.setenv(name, "")  # the agent sets it in this process: it is taken away again at the end
        monkeypatch.delenv(name)
    shell("wandb-sweep", *QUICK, "model=beta_vae,vae", "optimizer.lr=interval(1e-4,1e-2)", "--out", "sweep.yaml")
    found = yaml.safe_load((tmp_path / "sweep.yaml").read_text())
    agent = SimpleNamespace(_in_jupyter=False, _function=None, _forward_signals=False, _run_processes={})
    agent._sweep_command = found["command"]
    chosen = {"model": {"value": "beta_vae"}, "optimizer.lr": {"value": 0.0005}}
    command = {"type": "run", "run_id": "run00001", "program": found["program"], "args": chosen}
    wandb_agent.Agent._command_run(agent, command)
    (process,) = started
    assert process["command"][:3] == ["/usr/bin/env", "elbolab", "train"]
    for name, value in process["env"].items():
        monkeypatch.setitem(os.environ, name, value)
    import wandb

    wandb.teardown()  # a process of its own would read its environment anew
    shell(*process["command"][2:], "hydra.run.dir=run")
    (piece,) = pieces(tmp_path / "run")
    run = digest(piece)
    wandb.teardown()
    assert run["run_id"] == "run00001"
    assert (run["config"]["model"], run["config"]["optimizer.lr"]) == ("beta_vae", 0.0005)
    assert run["config"]["model._target_"].endswith("beta_vae")
    assert run["state"] == "finished"
    assert isinstance(run["summary"]["val/elbo"]["last"], float)
