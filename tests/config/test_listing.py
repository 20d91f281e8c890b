import subprocess
import sys
import time

import pytest
from tests.config.small_conf import small_conf, users_own

from elbolab import report
from elbolab.cli.listing import print_listing
from elbolab.cluster.resources import Resources
from elbolab.config.listing import groups_of, list_choices, read_choices, split_args
from elbolab.config.paths import config_dir
from elbolab.report import table as runs


@pytest.fixture
def conf(tmp_path):
    return small_conf(tmp_path)


@pytest.fixture
def users_conf(tmp_path):
    return users_own(tmp_path)


def test_every_option_has_its_line_in_aligned_columns(conf):
    assert list_choices("model", [conf]) == "beta_vae  with a weight\nvae       the model"


def test_all_groups_are_listed(conf):
    assert list_choices(None, [conf]).startswith(
        "corruption\n  masking  zeros\n\ndata\n  digits  small images\n  own     what you have\n\nexperiment\n"
    )


def test_nested_experiments_are_options_as_they_are_typed(conf):
    assert list_choices("experiment", [conf]) == "burda2016/vae_reduced  Table 1"


def test_bases_and_primary_configs_are_no_options(conf):
    groups = read_choices([conf])
    assert "_base" not in groups["model"]
    assert set(groups) == {"corruption", "data", "experiment", "model", "net", "prior"}
    assert set(groups_of("train", [conf])) == {"data", "experiment", "model", "net", "prior"}
    assert set(groups_of("evaluate", [conf])) == {"net"}
    assert groups_of("compare", [conf]) == {}


def test_a_package_line_is_no_description(conf):
    assert read_choices([conf])["prior"]["normal"] == "N(0, I)"


def test_hydras_groups_have_two_names(conf):
    path = conf / "hydra" / "launcher" / "cluster.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("# many machines\n")
    assert read_choices([conf])["hydra/launcher"] == {"cluster": "many machines"}


def test_a_users_folder_adds_and_replaces(conf, users_conf):
    groups = read_choices([conf, users_conf])
    assert groups["model"]["mine"] == "my model"
    assert groups["net"] == {"conv": "convolutions", "mlp": "my layers"}


def test_an_unknown_group_names_the_nearest(conf):
    with pytest.raises(ValueError, match=r"no config group 'zzz'\. The groups are"):
        list_choices("zzz", [conf])
    with pytest.raises(
        ValueError, match=r"no config group 'modle'; did you mean 'model'\? The groups are corruption, data"
    ):
        list_choices("modle", [conf])


@pytest.mark.parametrize("flag", [["--config-dir", "{}"], ["--config-dir={}"], ["-cd", "{}"]])
def test_config_dirs_are_taken_off_the_arguments(tmp_path, flag):
    args = ["a=1", *[part.format(tmp_path) for part in flag], "-m"]
    assert split_args(args) == ([config_dir(), tmp_path], ["a=1", "-m"])


def test_print_listing(capsys, users_conf):
    print_listing(["model", "--config-dir", str(users_conf)])
    assert "mine " in capsys.readouterr().out


@pytest.mark.parametrize("command", ["list", "compare", "published", "completion", "sbatch"])
def test_every_command_has_help(shell, command):
    for flag in ("--help", "-h"):
        assert shell(command, flag).startswith(f"elbolab {command}: ")


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("runs", [f"{name}=" for name in runs.OPTIONS]),
        ("report", [f"{name}=" for name in report.OPTIONS]),
        ("wandb-sweep", ["--method", "--early-stop", "--name", "--out"]),
        ("sbatch", [name for name in Resources._fields if name not in ("signal_lead", "max_requeues")]),
    ],
)
def test_help_names_the_options(shell, command, options):
    told = shell(command, "--help")
    assert [name for name in options if name not in told] == []


def test_more_than_one_group_is_refused():
    with pytest.raises(ValueError, match="one group, or none for all: model data are 2"):
        print_listing(["model", "data"])


def test_every_shipped_option_describes_itself():
    groups = read_choices([config_dir()])
    assert [f"{group}={name}" for group, options in groups.items() for name, line in options.items() if not line] == []


def test_listing_answers_at_once():
    code = "import sys; from elbolab.cli.listing import print_listing; print_listing([]); print(*sys.modules)"
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert time.monotonic() - start < 2  # 0.1 s on an idle machine
    assert not {"torch", "hydra", "lightning", "yaml"} & set(done.stdout.splitlines()[-1].split())


def test_a_reader_that_leaves_is_no_error(tmp_path):
    script = "from elbolab.cli import main; main()"
    command = f"{sys.executable} -c '{script}' list 2> err | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("0", "141")
    assert (tmp_path / "err").read_text() == ""
