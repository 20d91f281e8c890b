"""What the arrays of a file are, by their names."""

import re

import numpy as np
import pytest
from tests.helpers import refused

from elbolab.data.arrays import OwnArrays
from elbolab.reading.names import VOCABULARY, Role, assign_roles

X = Role("x", "")
NUM = 40


def roles(*names: str, ignore: tuple[str, ...] = ()) -> dict[str, str]:
    """The plainest name of each array's role."""
    return {name: str(role) for role, name in assign_roles(names, list(ignore), "data.path=x.npz").items()}


@pytest.mark.parametrize(
    "names",
    [
        "x y factors given",
        "X Y",
        "images labels",
        "data target",
        "features targets factor conditions",
        "imgs latents",
    ],
)
def test_data_in_one_piece(names):
    kinds = ("x", "y", "factors", "given")
    found = roles(*names.split())
    assert list(found) == names.split()
    assert set(found.values()) <= set(kinds)
    assert found[names.split()[0]] == "x"
    assert len(set(found.values())) == len(found)


@pytest.mark.parametrize(
    "names",
    [
        "train val test y_train y_val y_test",
        "x_train x_val x_test y_train y_val y_test",
        "X_train X_valid X_test Y_train Y_valid Y_test",
        "train_images val_images test_images train_labels val_labels test_labels",
        "trainX devX testX trainY devY testY",
        "xTrain xVal xTest labelsTrain labelsVal labelsTest",
        "Xtr Xval Xte ytr yval yte",
        "training validation testing labels_training labels_validation labels_testing",
        "train_set val_set test_set train_targets val_targets test_targets",
        "data-train data-valid data-test label-train label-valid label-test",
        "x/train x/val x/test y/train y/val y/test",
    ],
)
def test_splits(names):
    canonical = ("train", "val", "test", "y_train", "y_val", "y_test")
    assert roles(*names.split()) == dict(zip(names.split(), canonical, strict=True))


def test_no_way_to_write_a_role_has_two_meanings():
    for role in set(VOCABULARY.values()):
        assert VOCABULARY[str(role).replace("_", "")] == role
    assert {VOCABULARY[name] for name in ("xtest", "testx", "test", "testset", "settest"[3:])} == {Role("x", "test")}
    assert "te" not in VOCABULARY
    assert "tr" not in VOCABULARY


@pytest.mark.parametrize("name", ["arr_0", "z", "spectra"])
def test_the_only_array_is_the_data_whatever_its_name(name):
    assert roles(name) == {name: "x"}
    assert roles(name, "junk", ignore=("junk",)) == {name: "x"}


def test_training_data_alone_are_all_data():
    assert roles("x_train", "y_train") == {"x_train": "x", "y_train": "y"}


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        ("x ids", ["nothing reads ids: leave out by data.ignore=[ids], or call ids x (data), y (labels), factors or"]),
        ("x mean std", ["nothing reads mean, std: leave out by data.ignore=[mean,std]"]),
        ("x lables", ["nothing reads lables: ", "or call lables y, the nearest name"]),
        ("train test y_trian y_test", ["call y_trian y_train, the nearest name"]),
        ("x facotrs", ["call facotrs factors, the nearest name"]),
        ("arr_0 arr_1", ["arrays without names, arr_0, arr_1: save them by numpy.savez(path, x=x, y=y)"]),
        ("x images", ["x and images both mean x: leave one out by data.ignore=[images]"]),
        ("train val valid test", ["val and valid both mean val"]),
        ("x train test", ["has x beside train, test", "(data.ignore=[x])", "(data.ignore=[train,test])"]),
        ("x train", ["has x beside train"]),
        ("x valid", ["has x beside valid", "call x train", "(data.ignore=[valid])"]),
        ("y", ["has y, and no data: call them x"]),
        ("y factors", ["has y, factors, and no data"]),
        ("", ["has no arrays, and no data"]),
        ("val test", ["has val, test, and none to train on: add the array train"]),
        ("x y_train", ["y_train belongs to no data, as there is no train beside x: call it y, or"]),
        ("train test y", ["y belongs to no data, as there is no x beside train, test: call it y_train or y_test"]),
        (
            "train test y_train y_test y_valid",
            ["y_valid belongs to no data, as there is no val", "data.ignore=[y_valid]"],
        ),
        ("train y_test", ["y_test belongs to no data, as there is no test"]),
        ("train test y_train", ["there is y_train, but no y_test: give labels to all splits", "data.ignore=[y_train]"]),
        ("train test y_test", ["there is y_test, but no y_train"]),
        ("train test factors_train", ["no factors_test: give factors to all"]),
        ("train test given_train", ["no given_test: give conditions to all splits"]),
        (
            "imgs latents_classes latents_values metadata",
            ["choose data=dsprites with data.root=FOLDER", "set data.ignore=[metadata,latents_values]"],
        ),
    ],
)
def test_arrays_that_nothing_would_use_are_refused(names, parts):
    for part in ("data.path=x.npz", *map(re.escape, parts)):
        with refused(part):
            roles(*names.split())


def test_arrays_are_left_out_by_name():
    assert roles("x", "ids", "y", ignore=("ids", "y")) == {"x": "x"}
    with pytest.raises(ValueError, match="data.ignore names id, which is not there: the nearest name is ids"):
        roles("x", "ids", ignore=("id",))
    with pytest.raises(ValueError, match="data.ignore names q, which is not there: there are x, ids"):
        roles("x", "ids", ignore=("q",))


def own(folder, arrays: dict[str, np.ndarray], **options) -> OwnArrays:
    np.savez(folder / "x.npz", **arrays)
    return OwnArrays(folder / "x.npz", **({"batch_size": 4} | options))


def test_a_file_of_keras_is_read(tmp_path, agrees, caplog):
    rows = np.arange(NUM)
    parts = {"x_train": rows[:30], "y_train": rows[:30] % 3, "x_test": rows[30:], "y_test": rows[30:] % 3}
    data = own(tmp_path, {name: rows[:, None] + 0.5 if name[0] == "x" else rows for name, rows in parts.items()})
    agrees(data)
    assert list(map(len, data.splits)) == [27, 3, 10]
    for arrays in data.splits:
        assert np.array_equal(arrays.y, np.floor(arrays.x[:, 0]) % 3)
    assert "x_train as train, x_test as test" in caplog.text


def test_test_data_are_cut_from_train_where_there_are_none_and_said(tmp_path, caplog):
    x = np.arange(NUM)[:, None] + 0.5
    data = own(tmp_path, {"train": x, "validation": x[:7]}, test_fraction=0.25)
    assert list(map(len, data.splits)) == [30, 7, 10]
    assert "has no test data: 10 of train are held out to test" in caplog.text


def test_an_array_that_is_left_out_is_not_even_read(tmp_path):
    arrays = {"x": np.arange(NUM)[:, None] + 0.5, "meta": np.array([{}], dtype=object), "y": np.arange(NUM)}
    with pytest.raises(ValueError, match="nothing reads meta"):
        own(tmp_path, arrays).spec  # noqa: B018
    assert own(tmp_path, arrays, ignore=["meta", "y"]).spec.num_classes is None


@pytest.mark.parametrize("option", ["labels", "factors", "conditions"])
def test_columns_of_what_is_no_table(tmp_path, option):
    values = "y" if option == "labels" else ["y"]
    more = {"given": "own"} if option == "conditions" else {}
    with pytest.raises(ValueError, match=f"data.{option} names columns of a table, and arrays are told by their names"):
        own(tmp_path, {"x": np.ones((NUM, 1)), "y": np.ones(NUM)}, **{option: values}, **more).spec  # noqa: B018


@pytest.mark.parametrize("option", ["factors", "conditions", "ignore"])
def test_names_come_in_lists(option):
    with pytest.raises(ValueError, match=rf"data.{option}=ids: give a list, data.{option}=\[ids\]"):
        OwnArrays("x.npz", given="own", **{option: "ids"})


def test_conditions_of_a_table_are_for_a_conditional_model():
    with refused("data.conditions=.* has no effect: set data.given=own"):
        OwnArrays("x.csv", conditions=["age"])
