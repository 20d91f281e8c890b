"""`elbolab.train` and `elbolab.compose`: the command line from Python, in a process that stays the caller's."""

import json
import logging
import os
import pydoc
import random
import re
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from safetensors.torch import load_file
from tests.shell import QUICK, SRC
from torch.distributions import Distribution

import elbolab
from elbolab.config.paths import config_dir
from elbolab.runs.status import read_status

pytestmark = pytest.mark.usefixtures("no_pictures")

SHORT = [*QUICK, "scale=smoke"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def own(tmp_path):
    """A folder with a callback of one's own, which raises a signal after ten steps."""
    (tmp_path / "own" / "callbacks").mkdir(parents=True)
    (tmp_path / "own" / "raising.py").write_text(
        "import signal\nfrom lightning.pytorch import Callback\n\n\n"
        "class Raise(Callback):\n"
        "    def __init__(self, number):\n        self.number = number\n\n"
        "    def on_validation_end(self, trainer, pl_module):\n"
        "        if not trainer.sanity_checking and self.number:\n            signal.raise_signal(self.number)\n"
    )
    (tmp_path / "own" / "callbacks" / "raising.yaml").write_text(
        "defaults: [default]\nraising: {_target_: raising.Raise, number: 0}\n"
    )
    return tmp_path / "own"


def without_times(run):
    """What a run says of itself, but for its own folder and the time that it took."""
    config = (run / "config.yaml").read_text().replace(str(run), "RUN")
    return config, json.loads((run / "evaluation.json").read_text()), (run / "metrics.csv").read_text()


def same(one, other):
    weights, others = load_file(one / "weights.safetensors"), load_file(other / "weights.safetensors")
    assert all(torch.equal(weights[name], others[name]) for name in weights.keys() | others.keys())
    first, second = without_times(one), without_times(other)
    assert first[0] == second[0]
    assert first[1:] == second[1:]


def test_calls_do_what_commands_do(shell, tmp_path, capsys):
    """The second call finds what the first has left, and a caller who works in float64 with other random numbers."""
    out = shell("train", *SHORT, "hydra.run.dir=command")
    for name in ("first", "second"):
        run = elbolab.train(*SHORT, f"hydra.run.dir={name}")
        assert run.dir.path == tmp_path / name
        same(tmp_path / "command", tmp_path / name)
        torch.manual_seed(3)
        torch.set_default_dtype(torch.float64)
    torch.set_default_dtype(torch.float32)
    assert {p.name for p in (tmp_path / "command").rglob("*")} == {p.name for p in (tmp_path / "second").rglob("*")}
    assert out.splitlines()[:3] == capsys.readouterr().out.splitlines()[:3]
    assert json.loads((tmp_path / "first" / "environment.json").read_text())["command"][:3] == [
        "elbolab",
        "train",
        SHORT[0],
    ]


def process():
    """What a caller may have set of its process."""
    loggers = ["root", "lightning.pytorch", "mine"]
    named = {name: logging.getLogger(None if name == "root" else name) for name in loggers}
    return {
        "argv": sys.argv,
        "path": list(sys.path),
        "folder": os.getcwd(),
        "streams": (sys.stdout, sys.stderr),
        "environment": dict(os.environ),
        "logging": {n: (x.handlers[:], x.level, x.propagate, x.disabled) for n, x in named.items()},
        "signals": [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)],
        "warnings": list(warnings.filters),
        "dtype": torch.get_default_dtype(),
        "grad": torch.is_grad_enabled(),
        "validation": Distribution._validate_args,
        "random": (random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()),
        "hydra": GlobalHydra.instance().hydra,
        "main": sys.modules["__main__"].__spec__,
    }


@pytest.mark.parametrize("word", ["scale=smoke", "modle=vae", "net.activation=Rleu"])
def test_the_process_stays_the_callers(word, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["notebook", "--its-own"])
    handler, log = logging.FileHandler(tmp_path / "mine.log", mode="w"), logging.getLogger("mine")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    before_signal = signal.signal(signal.SIGTERM, lambda *_: None)
    torch.set_default_dtype(torch.float64)
    try:
        with initialize_config_dir(str(config_dir()), version_base="1.3"):
            before = process()
            if word == "scale=smoke":
                elbolab.train(*SHORT)
            else:
                with pytest.raises(ValueError, match="did you mean|ReLU"):
                    elbolab.train(*SHORT, word)
            after = process()
            assert hydra_compose("train").seed == 0
        log.info("still here")
        assert (tmp_path / "mine.log").read_text() == "still here\n"
    finally:
        torch.set_default_dtype(torch.float32)
        signal.signal(signal.SIGTERM, before_signal)
        log.removeHandler(handler)
        handler.close()
    for part in before:
        assert after[part] == before[part], part


def test_a_run_lands_where_the_command_line_puts_it(tmp_path):
    run = elbolab.train(*SHORT)
    assert run.dir.path.parent == tmp_path / "outputs" / "digits_vae"
    assert (run.dir.path / "log.txt").read_text()


WRONG = {
    "a group": ["modle=vae"],
    "an option": ["model=vea"],
    "a key": ["data.batch_sizee=10"],
    "an added key": ["+sede=1"],
    "no override": ["data"],
    "several values": ["seed=1,2"],
    "a type": ["seed=x"],
    "parts that do not fit": [*QUICK, "posterior=bernoulli"],
    "a part that cannot be built": [*QUICK, "net.activation=Rleu"],
    "a module that is not there": [*QUICK, "model._target_=nowhere.VAE"],
    "no run": ["resume=nowhere"],
    "a working directory": ["hydra.job.chdir=true"],
    "a cost": ["cost=[mmd]"],
    "an interpolation": ["data.root=${nothing}"],
    "a flag": ["config-dir=."],
}


@pytest.mark.parametrize("words", WRONG.values(), ids=WRONG)
def test_errors_say_what_the_command_line_says(words, shell):
    said = shell("train", *words, fails=True)
    with pytest.raises((ValueError, OSError)) as info:
        elbolab.train(*words)
    assert said.endswith(f"error: {info.value}\n")
    assert "\n" not in str(info.value)


@pytest.mark.parametrize("call", [elbolab.train, elbolab.compose])
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-m", "seed=1,2"], "-m: .*one: call it for each.*elbolab train -m"),
        (["hydra.mode=MULTIRUN"], "one: call it for each.*elbolab train -m"),
        (["seed=1,2"], r"seed=1,2: .*elbolab train -m .*seed=\[1,2\]"),
        (["--cfg", "job"], "--cfg: .*elbolab.compose"),
        (["modle=vae"], "did you mean 'model'"),
        (["seed=x"], "seed=x: give a whole number"),
        (["pretrained=x"], "pretrained.NAME"),
        (["model=x"], "model has no option 'x'; the options are aae, "),
        (["cost=[mmd]"], "cost has no option 'mmd'; the options are capacity, "),
        (["data.root=${nothing}"], "Interpolation key 'nothing' not found"),
        (["resume=nowhere"], "no run directory"),
    ],
)
def test_both_functions_refuse(call, words, says, tmp_path):
    with pytest.raises((ValueError, OSError), match=says) as info:
        call(*words)
    assert type(info.value) in (ValueError, FileNotFoundError), "Hydra's exceptions are Hydra's"
    assert not list(tmp_path.glob("outputs/**/config.yaml"))


def test_an_override_is_text():
    with pytest.raises(TypeError, match="'model.beta=4'"):
        elbolab.train({"model": "vae"})


def test_there_is_no_such_folder():
    with pytest.raises(ValueError, match=r"there is no folder .*nowhere"):
        elbolab.compose(config_dir="nowhere")


def test_compose_is_the_configuration_of_the_run(tmp_path):
    words = [*SHORT, "model=beta_vae", "model.beta=4", "hydra.run.dir=run"]
    composed = elbolab.compose(*words)
    assert not (tmp_path / "run").exists()
    assert composed == OmegaConf.load(elbolab.train(*words).dir.config)
    again = elbolab.compose("resume=run", "trainer.max_epochs=7")
    assert (again.trainer.max_epochs, again.model.beta) == (7, 4)


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on(own, tmp_path):
    words = [*SHORT, "trainer.max_epochs=2", "callbacks=raising"]
    with pytest.raises(KeyboardInterrupt) as info:
        elbolab.train(*words, f"callbacks.raising.number={int(signal.SIGINT)}", config_dir=own)
    (folder,) = Path("outputs/digits_vae").resolve().iterdir()
    assert str(info.value) == f'interrupted; go on with: elbolab.train("resume={folder}")'
    assert read_status(folder)["state"] == "interrupted"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    elbolab.train(f"resume={folder}", "callbacks=raising", "callbacks.raising.number=0", config_dir=own)
    whole = elbolab.train(*words, config_dir=own)
    assert (folder / "metrics.csv").read_text() == whole.dir.metrics.read_text()


def test_sigterm_reaches_the_caller_when_the_run_is_in_order(own, tmp_path):
    given = []
    before = signal.signal(signal.SIGTERM, lambda number, _: given.append(number))
    words = [*SHORT, "callbacks=raising", f"callbacks.raising.number={int(signal.SIGTERM)}", "hydra.run.dir=run"]
    try:
        with pytest.raises(KeyboardInterrupt, match=r"terminated; go on with: elbolab.train\(\"resume=.*run\"\)"):
            elbolab.train(*words, config_dir=own)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert given == [signal.SIGTERM]
    assert read_status(tmp_path / "run")["state"] == "interrupted"


def test_a_training_that_diverges_is_an_error():
    with pytest.raises(ValueError, match="diverged"):
        elbolab.train(*SHORT, "optimizer.lr=1e30")


def test_a_thread_can_train(tmp_path):
    found = []
    thread = threading.Thread(target=lambda: found.append(elbolab.train(*SHORT)))
    thread.start()
    thread.join()
    assert found[0].dir.weights.is_file()


def test_help_shows_the_functions():
    text = pydoc.plain(pydoc.render_doc(elbolab))
    for name in elbolab.__all__:
        assert f"{name}(" in text
        assert getattr(elbolab, name).__doc__.splitlines()[0] in text


def test_importing_elbolab_imports_nothing_heavy():
    code = "import sys, elbolab; print([name for name in ('torch', 'hydra', 'lightning') if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(SRC)}, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.slow
def test_a_script_trains_on_two_ranks(tmp_path):
    words = [*SHORT, "trainer.devices=2", "trainer.accelerator=cpu", "hydra.run.dir=run"]
    (tmp_path / "script.py").write_text(f"import elbolab\nprint(elbolab.train(*{words!r}).dir.path.name)\n")
    done = subprocess.run(
        [sys.executable, "script.py"], env=os.environ | {"PYTHONPATH": str(SRC)}, capture_output=True, text=True
    )
    assert re.search(r"^run$", done.stdout, re.MULTILINE), done.stderr
    assert len(list(tmp_path.glob("**/config.yaml"))) == 1
