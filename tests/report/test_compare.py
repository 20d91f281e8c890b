"""Runs side by side: what they are called, in which order, what the tables and the pictures show."""

import json
import re
import shutil

import pytest
import yaml

from elbolab.report.compare import MOST_PANELS, compare, find_evaluated, print_comparison, tables
from elbolab.runs.gather import read_entries
from elbolab.runs.labels import label_runs

VAE = {"model": {"_target_": "elbolab.models.vae.VAE", "num_samples": 1}, "densities": {"latent_dim": 2}, "seed": 0}
AE = VAE | {"model": {"_target_": "elbolab.models.ae.AE"}, "prior": None}


def beta(value, **others):
    return {"model": {"_target_": "elbolab.models.beta_vae.BetaVAE", "beta": value}} | others


def net(name, **options):
    return {
        "net": {"_target_": f"elbolab.nets.{name}"} | options,
        "densities": {"net": {"_target_": f"elbolab.nets.{name}"} | options},
    }


def copy(run, folder, report=None, **changes):
    """A run beside ``run`` whose config and test report differ in the given values."""
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns("checkpoints", "figures"))
    cfg = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump(cfg | changes))
    if report is not None:
        (folder / "evaluation.json").write_text(json.dumps(report))
    return folder


@pytest.fixture
def sweep(finished, tmp_path):
    """Runs 0 ... 10 that differ by their seed."""
    report = json.loads((finished[0] / "evaluation.json").read_text())
    for i in range(11):
        copy(finished[0], tmp_path / "sweep" / str(i), {"test": report["test"]}, seed=100 + i)
    return tmp_path / "sweep"


@pytest.mark.parametrize(
    ("configs", "names"),
    [
        ([beta(0.25), beta(1), beta(4.0), beta(16)], ["beta=0.25", "beta=1", "beta=4", "beta=16"]),
        ([AE, VAE], ["AE", "VAE"]),
        ([AE, VAE, VAE | {"seed": 1}], ["AE", "VAE, seed=0", "VAE, seed=1"]),
        ([VAE, VAE], ["#0", "#1"]),
        ([AE, VAE, VAE], ["AE", "VAE #1", "VAE #2"]),
        ([beta(1, clip=None), beta(4, clip=None), beta(4, clip=2)], ["beta=1", "beta=4", "beta=4, clip=2"]),
        ([beta(1), beta(1, clip=2)], ["#0", "clip=2"]),
        ([beta(1, clip=None), beta(1, clip=2), beta(1, clip=2, seed=3)], ["clip=null", "clip=2", "clip=2, seed=3"]),
        ([VAE | {"prior": None}, VAE | {"prior": {"_target_": "a.Flow"}}], ["prior=null", "prior=Flow"]),
        ([beta(1, name="a", paths={"run": "x"}), beta(2, name="b", paths={"run": "y"})], ["beta=1", "beta=2"]),
        ([beta(4, seed=0), beta(4.0, seed=1)], ["seed=0", "seed=1"]),
        ([beta(1), beta({"_target_": "elbolab.training.schedules.Linear", "epochs": 3})], ["beta=1", "beta=Linear"]),
        ([net("MLP", hidden=[3]), net("Conv", channels=[4])], ["net=MLP", "net=Conv"]),
        ([net("MLP", hidden=[3]), net("MLP", hidden=[4])], ["hidden=[3]", "hidden=[4]"]),
        (
            [net("MLP", hidden=[3]), net("MLP", hidden=[4]), net("Conv", channels=[4])],
            ["net=MLP, hidden=[3]", "net=MLP, hidden=[4]", "net=Conv"],
        ),
    ],
)
def test_runs_are_called_by_what_sets_them_apart(configs, names):
    assert label_runs(configs) == names


def test_no_two_runs_have_one_name():
    """Whatever differs beyond the differences that a name holds."""
    configs = [{"model": {"_target_": "a.VAE"}} | {f"k{i}": (n >> i) & 1 for i in range(6)} for n in range(64)]
    assert len(set(label_runs(configs))) == 64


def test_runs_come_as_the_sweep_numbered_them_and_once(sweep):
    numbers = [path.name for path in find_evaluated([sweep, sweep / "3"])]
    assert numbers == [str(i) for i in range(11)]


def test_a_run_that_did_not_finish_is_left_out(sweep):
    (sweep / "3" / "evaluation.json").unlink()
    assert sweep / "3" not in find_evaluated([sweep])


def test_the_tables_have_a_line_a_run_and_columns_for_each_split(finished, tmp_path):
    report = json.loads((finished[0] / "evaluation.json").read_text())
    elbo = {"test": {"elbo": report["test"]["elbo"] | {"value": -12.5}, "mig": report["test"]["mse"] | {"value": 0.1}}}
    copy(finished[0], tmp_path / "s" / "0", report | {"val": report["test"]})
    copy(finished[0], tmp_path / "s" / "1", elbo, seed=7)
    runs = [tmp_path / "s" / "0", tmp_path / "s" / "1"]
    for run in runs:
        (run / "status.json").unlink()  # as runs of before
    rows = tables(read_entries(runs), None)[0].splitlines()
    (one,) = [row.split() for row in rows if row.strip().startswith("seed=7")]
    assert one[1] == "1"
    assert {"-12.50", "0.10000"} <= set(one)
    assert len([row for row in rows if f"{report['test']['nll']['value']:.2f}" in row]) == 1
    assert "test elbo" in rows[1]
    assert "val elbo" in rows[1]
    assert "test nll, K=4" in rows[1]


def test_runs_that_differ_by_seeds_are_averaged_too(sweep):
    for num, value in enumerate([-10.0, -13.0]):
        path = sweep / str(num) / "evaluation.json"
        report = json.loads(path.read_text())
        report["test"]["elbo"]["value"] = value
        path.write_text(json.dumps(report))
    each, mean = tables(read_entries([sweep / "0", sweep / "1"]), None)
    assert "±" not in each
    assert "-11.5 ± 1.5" in mean


def test_a_narrow_comparison_is_of_quantities(sweep):
    each, mean = tables(read_entries([sweep / "0", sweep / "1"]), 62)
    for name in ("elbo", "rate", "distortion", "nll"):
        assert name in each.splitlines()[1]
    assert "finished" not in each
    assert "more: elbolab runs DIR columns=all" in each
    assert max(len(re.sub(r"\x1b\[[\d;]*m", "", line)) for line in (each + mean).splitlines()) <= 62


def test_a_full_disk_takes_no_table_with_it(sweep, tmp_path, monkeypatch):
    def full(path, *_, **__):
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda _, path, **__: full(path))
    text = compare([sweep / "0", sweep / "1"], tmp_path / "pictures", None)
    assert "seed=100" in text
    assert text.splitlines()[-1].startswith("not all pictures are written: [Errno 28] No space left on device: ")
    assert not list((tmp_path / "pictures").iterdir())


@pytest.mark.slow
def test_pictures_of_runs_on_the_same_data(sweep, tmp_path):
    few = [sweep / str(i) for i in range(2)]
    compare(few, tmp_path / "few", None)
    assert {p.name for p in (tmp_path / "few").iterdir()} == {
        "rate_distortion.png",
        "latent_spaces.png",
        "random_decodes.png",
        "codes_and_priors.png",
    }
    many = [sweep / str(i) for i in range(MOST_PANELS + 1)]
    compare(many, tmp_path / "many", None)
    assert {p.name for p in (tmp_path / "many").iterdir()} == {"rate_distortion.png"}


@pytest.mark.parametrize("change", [{"_target_": "elbolab.data.mnist.MNIST"}, {"path": "/other.npz"}])
def test_runs_on_other_data_share_no_picture_and_are_called_by_their_data(sweep, tmp_path, change):
    path = sweep / "0" / "config.yaml"
    cfg = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(cfg | {"data": cfg["data"] | change}))
    text = compare([sweep / "0", sweep / "1"], tmp_path / "out", None)
    assert not (tmp_path / "out").exists()
    assert "of different data" in text
    assert ("data=MNIST" if "_target_" in change else "path=/other.npz") in text


def test_data_of_another_kind_are_other_data(sweep, tmp_path):
    spec = sweep / "0" / "spec.json"
    spec.write_text(json.dumps(json.loads(spec.read_text()) | {"classes": ["0", "1", "2"]}))
    assert "of different data" in compare([sweep / "0", sweep / "1"], tmp_path / "out", None)


def test_data_are_named_for_runs_of_different_variants_too():
    configs = [AE | {"data": {"_target_": "a.MNIST", "split": "all"}}, VAE | {"data": {"_target_": "a.Digits"}}]
    assert label_runs(configs) == ["AE", "VAE"]
    assert label_runs(configs, apart=["data"]) == ["AE, data=MNIST", "VAE, data=Digits"]


def test_pictures_are_named_by_their_whole_path(sweep, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    print_comparison([str(sweep / "0"), str(sweep / "1")])
    assert f"  {tmp_path / 'comparison' / 'rate_distortion.png'}" in capsys.readouterr().out


def test_modules_of_the_current_folder_are_found(finished, shell, monkeypatch):
    (shell.folder / "own_layers.py").write_text("from elbolab.nets.mlp import MLP\n")
    for name, seed in (("a", 1), ("b", 2)):
        folder = copy(finished[0], shell.folder / name, seed=seed)
        text = (folder / "config.yaml").read_text()
        (folder / "config.yaml").write_text(text.replace("elbolab.nets.mlp.MLP", "own_layers.MLP"))
    assert "seed=2" in shell("compare", "a", "b")


def test_a_comparison_wants_two_runs(sweep):
    with pytest.raises(ValueError, match="1 evaluated run"):
        print_comparison([str(sweep / "0")])
