"""What was typed before is answered by the words of today."""

import pytest
import yaml

from elbolab.config.paths import config_dir
from elbolab.config.renamed import EXPERIMENTS, OPTIONS, REDUCED, find_new_words

GONE = [
    *(("experiment", name) for name in EXPERIMENTS),
    *(
        ("experiment", f"{name}_reduced")
        for name in (*EXPERIMENTS, *REDUCED)
        if not EXPERIMENTS.get(name, "").startswith("-m")
    ),
    *(tuple(choice.split("=")) for choice in OPTIONS),
]


@pytest.mark.parametrize(("group", "option"), GONE)
def test_what_is_gone_has_new_words_that_exist(group, option):
    assert not (config_dir() / group / f"{option}.yaml").exists()
    words = find_new_words(group, option)
    assert words is not None
    for word in words.split():
        key, equals, value = word.partition("=")
        folder = config_dir() / key.lstrip("+").partition("@")[0]
        assert word == "-m" or equals
        if folder.is_dir():
            assert all((folder / f"{each}.yaml").is_file() for each in value.strip("[]").split(",")), word


def test_what_is_there_or_never_was_has_none():
    assert find_new_words("experiment", "burda2016/vae") is None
    assert find_new_words("experiment", "mine/own_reduced") is None
    assert find_new_words("net", "mlp") is None


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["experiment=sohn2015/quadrant1_reduced"], "experiment=sohn2015/cvae scale=reduced"),
        (["-m", "experiment=burda2016/vae_reduced,burda2016/vae"], "experiment=burda2016/vae scale=reduced"),
        (
            ["experiment=higgins2017/dsprites_reduced"],
            "-m experiment=higgins2017/dsprites scale=reduced model.beta=1,4",
        ),
        (["net=mlp_deep"], "net.hidden=[400,200]"),
        (["densities=labelled"], "model=m2"),
        (["paths=default"], "paths.output=outputs"),
        (["trainer=ddp"], "trainer.devices=2"),
        (["debug=steps"], "scale=smoke"),
        (["+debug=steps"], "scale=smoke"),
    ],
)
def test_a_command_of_yesterday_gets_one_line(words, answer, shell):
    sweep = ["hydra/launcher=basic", "hydra.sweep.dir=sweep"] if "-m" in words else []
    (line,) = [line for line in shell("train", *words, *sweep, fails=True).splitlines() if "error" in line]
    typed = words[-1].removeprefix("+").partition(",")[0]
    assert line == f"error: {typed} is now {answer}"


def test_a_stage_of_yesterday_gets_one_line(shell):
    stage = "pretrained.m1=kingma2014/m1_100_reduced data.label_seed=1"
    error = shell("train", "experiment=kingma2014/m1_m2", stage, fails=True)
    assert error.endswith(
        f"error: {stage}: that is now pretrained.m1='kingma2014/m1 scale=reduced data.label_seed=1'\n"
    )


def test_an_experiment_of_ones_own_that_builds_on_an_old_name_gets_one_line(shell):
    (shell.folder / "own/experiment").mkdir(parents=True)
    content = {"defaults": ["/experiment/burda2016/vae_reduced"]}
    (shell.folder / "own/experiment/mine.yaml").write_text("# @package _global_\n" + yaml.safe_dump(content))
    error = shell("train", "--config-dir=own", "experiment=mine", fails=True)
    assert "experiment=burda2016/vae_reduced is now experiment=burda2016/vae scale=reduced" in error
    assert "asked for in experiment/mine" in error
