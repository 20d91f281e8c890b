"""`elbolab encode`: codes of new data and of splits."""

import json

import numpy as np
import pytest
import torch
from tests.shell import Shell

import elbolab
from elbolab.densities.latents import Undefined

OPTIONS = [
    "data=arrays",
    "data.batch_size=20",
    "net.hidden=[8]",
    "densities.latent_dim=2",
    "trainer.max_epochs=30",
    "optimizer.lr=0.005",
    "trainer.accelerator=cpu",
    "evaluation.num_samples=6",
]
SCALES = np.array([1.0, 1e3, 1e6])


def table(num: int, seed: int = 0) -> np.ndarray:
    z = np.random.default_rng(seed).normal(size=(num, 3))
    return (z + z[:, :1]) * SCALES + [0, 5e3, 7]


def labels(num: int) -> np.ndarray:
    return np.arange(num) % 3 + 1


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """A folder with a run on a standardised table, ``run``, and one on pictures given their labels, ``given``."""
    shell = Shell(tmp_path_factory.mktemp("encode"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("elbolab.cli.evaluate.draw_all", lambda *_, **__: {})
        np.savez(shell.folder / "x.npz", x=table(300), y=labels(300))
        shell("train", *OPTIONS, "data.path=x.npz", "data.standardise=true", "likelihood=gaussian_learned",
              "hydra.run.dir=run")  # fmt: skip
        grey = np.random.default_rng(0).integers(0, 256, (200, 4, 5), dtype=np.uint8)
        np.savez(shell.folder / "grey.npz", x=grey, y=np.array(["cat", "dog"])[np.arange(200) % 2])
        shell("train", *OPTIONS, "data.path=grey.npz", "data.binarize=dynamic", "model=cvae", "data.given=labels",
              "prior=class_centres", "trainer.max_epochs=1", "hydra.run.dir=given")  # fmt: skip
    return shell


def encoded(shell, *args):
    """The arrays of the file that the command names."""
    return dict(np.load(shell.folder / shell("encode", *args).split()[0]))


def test_the_codes_of_a_split_are_those_of_the_run_in_order_with_their_labels(shell):
    run = elbolab.load_run(shell.folder / "run")
    for split in ("train", "val", "test"):
        found = encoded(shell, "run=run", f"split={split}")
        assert torch.equal(torch.from_numpy(found["z"]), run.codes(split).z)
        np.testing.assert_array_equal(found["y"], run.data().arrays(split).y + 1)  # as the file calls them
    assert sorted(found) == ["y", "z"]
    assert (shell.folder / "run" / "codes" / "test.npz").is_file()


def test_labels_and_factors_are_written_in_the_values_of_the_file(shell):
    """Of a split and of new data, and by name; a table of a notebook has the codes of the same file."""
    num, rng = 90, np.random.default_rng(0)
    age, pay = rng.normal(40, 9, num), rng.normal(0, 5, num)
    sex, grade, kind = np.array(["m", "f"])[np.arange(num) % 2], np.arange(num) % 3 * 10, np.arange(num) % 2 + 0.5
    lines = [f"{age[i]},{sex[i]},{pay[i]},{grade[i]},{kind[i]}" for i in range(num)]
    text = "\n".join(["age,sex,pay,grade,kind", *lines]) + "\n"
    (shell.folder / "x.csv").write_text(text)
    shell("train", *OPTIONS, "data.path=x.csv", "data.factors=[sex,grade]", "data.labels=kind", "trainer.max_epochs=1",
          "data.standardise=true", "likelihood=gaussian_learned", "hydra.run.dir=table")  # fmt: skip
    spec = json.loads((shell.folder / "table" / "spec.json").read_text())
    assert (spec["factor_names"], spec["factor_values"]) == (["sex", "grade"], [["f", "m"], ["0", "10", "20"]])
    (shell.folder / "new.csv").write_text(text)
    new, run = encoded(shell, "run=table", "data.path=new.csv"), elbolab.load_run(shell.folder / "table")
    np.testing.assert_array_equal(new["factors"], np.stack([sex, grade.astype(str)], axis=1))
    np.testing.assert_array_equal(new["factor_names"], ["sex", "grade"])
    np.testing.assert_array_equal(new["y"], kind)
    np.testing.assert_allclose(run.encode({"pay": pay, "age": age}).numpy(), new["z"], atol=1e-6)
    with pytest.raises(ValueError, match="x has no pay: .* columns age, pay alone"):
        run.encode({"age": age})
    split, codes = encoded(shell, "run=table", "split=train"), run.codes("train")
    known = run.known(codes)
    assert sorted(split) == sorted(["z", *known])
    for name, values in known.items():
        np.testing.assert_array_equal(split[name], values)
    place = [np.abs(new["z"] - z).sum(1).argmin() for z in split["z"]]
    np.testing.assert_array_equal(split["factors"], new["factors"][place])
    assert codes.factors.dtype == torch.int64  # indices, as metrics take them
    path = shell.folder / "table" / "spec.json"
    path.write_text(json.dumps({name: part for name, part in spec.items() if not name.startswith("factor_")}))
    before = elbolab.load_run(shell.folder / "table")
    assert sorted(before.known(codes)) == ["factor_indices", "y"]
    assert "factors" in encoded(shell, "run=table", "split=train")  # its data are read again


def test_the_likelihoods_of_a_split_are_those_that_were_measured(shell):
    for name, quantity in (("run", "nll"), ("given", "conditional_nll")):
        found = encoded(shell, f"run={name}", "nll=true")[quantity]
        measured = json.loads((shell.folder / name / "evaluation.json").read_text())["test"][quantity]
        assert len(found) == measured["n"]
        assert found.mean() == pytest.approx(measured["value"], rel=1e-5)
    few = encoded(shell, "run=run", "nll=true", "num_samples=1", "seed=3")["nll"]
    again, other = (encoded(shell, "run=run", "nll=true", "num_samples=1", f"seed={seed}")["nll"] for seed in (3, 4))
    np.testing.assert_array_equal(few, again)
    assert not np.allclose(few, other)


def test_new_data_are_encoded_in_the_order_of_their_file_in_any_batches(shell):
    run = elbolab.load_run(shell.folder / "run")
    x = table(2500, seed=1)
    np.savez(shell.folder / "new.npz", x=x, y=labels(2500))
    found = encoded(shell, "run=run", "data.path=new.npz", "nll=true", "out=out/mine.npz")
    np.testing.assert_allclose(found["z"], run.encode(x).numpy(), atol=1e-6)
    np.testing.assert_array_equal(found["y"], labels(2500))
    assert found["nll"].shape == (2500,)
    assert found["nll"].min() > np.log(SCALES).sum() - 20  # in the units of the file
    np.save(shell.folder / "some.npy", x[7:9])
    some = encoded(shell, "run=run", "data.path=some.npy")
    np.testing.assert_allclose(some["z"], found["z"][7:9], atol=1e-6)
    assert list(some) == ["z"]


def test_standardised_data_come_back_in_the_units_of_the_file(shell):
    run = elbolab.load_run(shell.folder / "run")
    x = table(300)
    drawn = run.sample(500, seed=0, what="sample").numpy()
    np.testing.assert_allclose(drawn.std(0) / x.std(0), 1, atol=0.35)
    assert run.reconstruct(x).shape == x.shape
    assert np.corrcoef(run.reconstruct(x)[:, 2], x[:, 2])[0, 1] > 0.8
    shell("sample", "run=run", "num=400", "what=sample", "out=drawn")
    from_command = np.load(shell.folder / "drawn" / "samples.npz")["samples"]
    np.testing.assert_allclose(from_command.std(0) / x.std(0), 1, atol=0.35)


def test_evaluation_and_training_say_the_same_of_standardised_data(shell):
    measured = json.loads((shell.folder / "run" / "evaluation.json").read_text())["test"]
    assert measured["elbo"]["value"] == pytest.approx(-(measured["rate"]["value"] + measured["distortion"]["value"]))
    assert measured["distortion"]["value"] > np.log(SCALES).sum()
    assert measured["mse"]["value"] < 1  # of standardised elements
    assert measured["mse"]["unit"] == "squared deviations/element"
    header, *rows = (shell.folder / "run" / "metrics.csv").read_text().splitlines()
    columns = header.split(",")
    for name in ("val/elbo", "train/elbo"):
        values = [float(row.split(",")[columns.index(name)]) for row in rows if row.split(",")[columns.index(name)]]
        assert values[-1] == pytest.approx(measured["elbo"]["value"], abs=1)


def test_conditions_of_new_data_are_their_labels_by_name(shell):
    run = elbolab.load_run(shell.folder / "given")
    x = np.random.default_rng(1).integers(0, 256, (6, 4, 5), dtype=np.uint8)
    names = np.array(["dog", "dog", "cat", "dog", "cat", "cat"])
    np.savez(shell.folder / "new.npz", x=x, y=names)
    found = encoded(shell, "run=given", "data.path=new.npz")
    vectors = np.eye(2)[(names == "dog").astype(int)]
    np.testing.assert_allclose(found["z"], run.encode(x, vectors).numpy(), atol=1e-6)
    np.testing.assert_array_equal(found["y"], names)
    np.savez(shell.folder / "new.npz", x=x, y=np.array(["cat", "cow"])[[0, 1, 0, 1, 0, 1]])
    assert "label=cow: this run has the classes cat, dog" in shell(
        "encode", "run=given", "data.path=new.npz", fails=True
    )
    np.savez(shell.folder / "new.npz", x=x)
    assert "no class labels" in shell("encode", "run=given", "data.path=new.npz", fails=True)


def test_a_split_of_a_file_of_new_data_is_named(shell):
    np.savez(shell.folder / "new.npz", train=table(8), test=table(4, seed=2))
    said = shell("encode", "run=run", "data.path=new.npz", fails=True)
    assert "train, test" in said
    assert "split=" in said
    assert len(encoded(shell, "run=run", "data.path=new.npz", "split=test")["z"]) == 4
    assert (shell.folder / "run" / "codes" / "new_test.npz").is_file()
    assert "choose one" in shell("encode", "run=run", "data.path=new.npz", "split=val", fails=True)


WRONG = {
    "a split that is none": (["split=tset"], "choose train, val, test"),
    "a file that is not there": (["data.path=gone.npz"], "gone.npz"),
    "other columns": (["data.path=wide.npy"], "(B, 3)"),
    "bad values": (["data.path=nan.npy"], "NaN"),
    "no splits in the file": (["data.path=good.npy", "split=test"], "leave split out"),
    "samples without likelihoods": (["num_samples=5"], "nll=true"),
    "too few samples": (["nll=true", "num_samples=0"], "at least 1"),
    "another format": (["out=codes.csv"], ".npz"),
    "its own file": (["data.path=good.npz", "out=./good.npz"], "choose another"),
    "columns of its own data left out": (["data.ignore=[x]"], "set data.path too"),
    "two data": (["data.path=good.npy", "data.changed=accept"], "leave one of them out"),
    "a key of training": (
        ["data.batch_size=3"],
        "the keys there are path, ignore, changed",
    ),
}


@pytest.mark.parametrize(("args", "words"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_encoded_is_refused_in_a_line_and_leaves_nothing(shell, args, words):
    np.save(shell.folder / "wide.npy", np.zeros((4, 5)) + 0.5)
    np.save(shell.folder / "nan.npy", np.full((4, 3), np.nan))
    np.save(shell.folder / "good.npy", table(4))
    before = {path for path in shell.folder.rglob("*") if path.is_file()}
    said = shell("encode", "run=run", *args, fails=True)
    assert words in said
    assert len(said.strip().splitlines()) == 1
    assert {path for path in shell.folder.rglob("*") if path.is_file()} == before


def test_a_changed_file_is_refused_as_it_is_by_evaluate(shell):
    path = shell.folder / "x.npz"
    kept = path.read_bytes()
    try:
        np.savez(path, x=-table(300), y=labels(300))
        assert "data.changed=accept" in shell("encode", "run=run", fails=True)
        said = shell("encode", "run=run", "data.changed=accept", fails=True)
        assert "other means and deviations" in said
        assert encoded(shell, "run=run", f"data.path={path}")["z"].shape == (300, 2)
    finally:
        path.write_bytes(kept)


def test_likelihoods_that_do_not_exist_are_refused(shell, monkeypatch):
    def undefined(*_, **__):
        raise Undefined("an autoencoder has no prior")

    monkeypatch.setattr("elbolab.cli.encode.importance_log_likelihood", undefined)
    assert "an autoencoder has no prior; leave nll out" in shell("encode", "run=run", "nll=true", fails=True)
