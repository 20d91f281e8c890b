import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.config.small_conf import small_conf, users_own

from elbolab.cli import completion
from elbolab.cli.completion import completions, print_script


@pytest.fixture
def conf(tmp_path):
    return small_conf(tmp_path)


@pytest.fixture
def users_conf(tmp_path):
    return users_own(tmp_path)


@pytest.fixture(autouse=True)
def only_small_conf(conf, monkeypatch):
    monkeypatch.setattr("elbolab.config.listing.config_dir", lambda: conf)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("elbolab tr", ["train "]),
        ("elbolab completion ", ["bash ", "zsh ", "fish "]),
        ("elbolab list mo", ["model "]),
        ("elbolab train mo", ["model=", "model.", "mode="]),
        ("elbolab train model=", ["beta_vae ", "vae "]),
        ("elbolab train model=b", ["model=beta_vae "]),
        ("elbolab train -m model=vae,b", ["model=vae,beta_vae "]),
        ("elbolab train experiment=b", ["experiment=burda2016/vae_reduced "]),
        ("elbolab train +exp", ["+experiment=", "+experiment."]),
        ("elbolab train see", ["seed="]),
        ("elbolab train data.", ["data.batch_size=", "data.root="]),
        ("elbolab train model.", ["model.optimizer.", "model.num_samples="]),
        ("elbolab train model=beta_vae model.b", ["model.beta="]),
        ("elbolab train model.optimizer.", ["model.optimizer.lr="]),
        ("elbolab train --m", ["--multirun "]),
        ("elbolab train seed=", []),
        ("elbolab train zzz", []),
        ("elbolab train corr", []),
        ("elbolab train +corr", ["+corruption=", "+corruption."]),
        ("elbolab evaluate ", ["net=", "net.", "run="]),
        ("elbolab compare ", []),
        ("elbolab runs ", []),
        ("elbolab runs s", ["sort="]),
        ("elbolab report o", ["out="]),
        ("elbolab published ", []),
        ("elbolab list model ", []),
    ],
)
def test_completions(line, found):
    prefix = line.split()[-1] if line.endswith("=") else ""
    assert completions(line) == [prefix + choice if prefix else choice for choice in found]


def test_a_users_options_are_completed(users_conf):
    assert completions(f"elbolab train --config-dir {users_conf} model=m") == ["model=mine "]


def test_an_unknown_shell_is_refused():
    with pytest.raises(ValueError, match="did you mean 'bash'"):
        print_script(["bsh"])
    with pytest.raises(ValueError, match="needs one of bash, zsh, fish"):
        print_script([])


def bash(line, *, shim):
    """What bash offers for ``line``, through the script that users evaluate."""
    script = completion.BASH + 'COMP_POINT=${#COMP_LINE}; _elbolab; printf "%s\\n" "${COMPREPLY[@]}"'
    env = os.environ | {"PATH": f"{shim}:{os.environ['PATH']}", "COMP_LINE": line}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, env=env)
    return [choice for choice in done.stdout.split("\n") if choice]


@pytest.fixture
def shim(tmp_path):
    """An ``elbolab`` on the path: this interpreter, whether or not the package is installed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "elbolab"
    source = Path(completion.__file__).parents[2]
    program.write_text(
        f"#!{sys.executable}\nimport sys; sys.path.insert(0, {str(source)!r})\nfrom elbolab.cli import main; main()\n"
    )
    program.chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("elbolab compl", ["completion "]),
        ("elbolab train model=beta", ["beta_vae "]),  # what follows the '=' that bash breaks words at
        ("elbolab train -m model=vae,beta", ["vae,beta_vae "]),
        ("elbolab train evaluation=zzz", []),
    ],
)
def test_bash_offers_them(line, offered, shim):
    assert bash(line, shim=shim) == offered


def test_completion_needs_no_torch():
    code = "import sys; from elbolab.cli import completion as c; c.completions('elbolab train m'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "hydra", "lightning", "yaml"} & set(done.stdout.splitlines()[-1].split())
