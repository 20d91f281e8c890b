"""Labels and factors that are whatever values occur."""

import numpy as np
import pytest

from elbolab.batch import Spec, Support, name_by_number
from elbolab.data.arrays import OwnArrays
from elbolab.reading.labels import number_factors, number_labels

NUM = 120
INDEX = np.arange(NUM) % 4
WORDS = np.array(["cow", "Cat", "b10", "b2"])


def number(y: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    classes, indices = number_labels({"y": y}, "data.path=x")
    return classes, indices["y"]


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (INDEX, "0 1 2 3"),
        (INDEX + 1, "1 2 3 4"),
        (np.where(INDEX == 2, 7, INDEX), "0 1 3 7"),
        (INDEX - 7, "-7 -6 -5 -4"),
        (INDEX - 2, "-2 -1 0 1"),
        (np.array([-1, 1])[INDEX % 2], "-1 1"),
        (np.array([-1, 0])[INDEX % 2], "-1 0"),
        (INDEX + 2020, "2020 2021 2022 2023"),
        (INDEX + 4_000_000_000, "4000000000 4000000001 4000000002 4000000003"),
        (INDEX.astype(np.uint64) + np.uint64(2**63), " ".join(str(2**63 + k) for k in range(4))),
        (INDEX - 2**62, " ".join(str(k - 2**62) for k in range(4))),
        (INDEX.astype(">i4"), "0 1 2 3"),
        (INDEX.astype(np.uint8), "0 1 2 3"),
        (INDEX.astype(np.float32), "0 1 2 3"),
        (INDEX.astype(np.float32) / 4, "0 0.25 0.5 0.75"),
        (INDEX > 1, "False True"),
        (INDEX * 0 + 5, "5"),
        (INDEX[:, None] + 1, "1 2 3 4"),
        (np.eye(4)[INDEX], "0 1 2 3"),
        (np.eye(5, dtype=bool)[INDEX + 1], "1 2 3 4"),
        (WORDS[INDEX], "Cat b2 b10 cow"),
        (WORDS.astype("S")[INDEX], "Cat b2 b10 cow"),
        (WORDS[INDEX].astype(object), "Cat b2 b10 cow"),
        (INDEX.astype(object), "0 1 2 3"),
        (np.array(["cat", " cat", "cat ", "dog"])[INDEX], "cat dog"),
        (np.array(["10", "9", "-2", "1.5"])[INDEX], "-2 1.5 9 10"),
        (np.array(["10", "9", "-2", "x"])[INDEX], "9 10 -2 x"),
    ],
)
def test_classes_are_the_values_that_occur_in_order(y, classes):
    found, indices = number(y)
    assert found == tuple(classes.split())
    assert sorted(set(indices.tolist())) == list(range(len(found))), "no class is without data"
    values = y.argmax(1) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(NUM)
    plain = [value.decode() if isinstance(value, bytes) else value for value in values.tolist()]
    plain = [value.strip() if isinstance(value, str) else value for value in plain]
    names = [found[k] for k in indices]
    assert names == [f"{value:g}" if isinstance(value, float) else str(value) for value in plain]


def test_values_of_all_splits_count():
    classes, indices = number_labels({"y_train": np.array([5, 7]), "y_test": np.array([9.0, 5.0])}, "x")
    assert classes == ("5", "7", "9")
    assert (indices["y_train"].tolist(), indices["y_test"].tolist()) == ([0, 1], [2, 0])
    assert number_labels({"y_train": np.array([5, 7]), "y_test": np.array(["7", "5"])}, "x")[0] == ("5", "7")


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.where(INDEX == 1, np.nan, INDEX), r"y has no value in 30 of 120 rows, the first in row 1 \(.*num_labelled"),
        (np.where(INDEX == 1, "", WORDS[INDEX]), "y has no value in 30 of 120 rows, the first in row 1"),
        (np.where(INDEX == 1, "nan", WORDS[INDEX]), "y has no value in 30 of 120 rows"),
        (np.where(INDEX == 1, None, WORDS[INDEX]), "y has no value in 30 of 120 rows, the first in row 1"),
        (np.array([-1, 0, 1])[INDEX % 3], r"0 to 1\. If these data have no label, .*; if -1 is a class, give y \+ 1"),
        (np.where(INDEX == 2, "-1", INDEX.astype(str)), r"30 labels y are -1, beside 0 to 3\. If these"),
        (np.arange(NUM) + 10**9, r"120 different values in 120 data, .*identifiers .*data.ignore"),
        (np.linspace(0, 1, NUM), "120 different values in 120 data"),
        (np.linspace(0, 1, 5), "5 different values in 5 data"),
        (np.array([f"id{k}" for k in range(NUM)]), "120 different values in 120 data"),
        (np.ones((NUM, 2)), r"y has shape \(120, 2\), where labels are \(n,\), or one-hot .*call several .* factors"),
        (np.ones((NUM, 2, 2)), r"y has shape \(120, 2, 2\)"),
        (np.array([b"\xe9", b"b"])[INDEX % 2], r"y holds bytes that are no text in UTF-8 .*: give text, .*latin-1"),
        (INDEX.astype(complex), r"y has values of type complex128: give numbers or text, y.astype\(str\)"),
        (INDEX.astype("datetime64[D]"), r"y has values of type datetime64\[D\]: give numbers or text"),
        (np.array([(1, 2)] * NUM + [0], dtype=object)[:-1], "y holds objects that are no labels"),
    ],
)
def test_values_that_are_no_labels(y, message):
    with pytest.raises(ValueError, match=rf"data\.path=x: .*{message}"):
        number(y)


@pytest.mark.parametrize(
    ("train", "test", "types"),
    [
        (INDEX > 1, INDEX % 2, "y_train has booleans, y_test has numbers"),
        (WORDS[INDEX], INDEX, "y_train has text, y_test has numbers"),
    ],
)
def test_splits_of_different_types(train, test, types):
    with pytest.raises(ValueError, match=f"{types}: give all splits values of one type"):
        number_labels({"y_train": train, "y_test": test}, "x")


def test_few_data_may_have_a_class_each():
    assert number(np.arange(10))[0] == name_by_number(10)


def test_factors_are_the_values_that_occur_in_each_column():
    factors = np.stack([INDEX * 10, np.array([0.5, 1.5, 0.5, 1.5])[INDEX], np.full(NUM, 3)], axis=1)
    values, indices = number_factors({"factors": factors}, "x")
    assert values == (("0", "10", "20", "30"), ("0.5", "1.5"), ("3",))
    assert np.array_equal(indices["factors"], np.stack([INDEX, INDEX % 2, INDEX * 0], axis=1))


def test_one_factor_may_be_a_vector():
    values, indices = number_factors({"factors_train": INDEX + 3, "factors_test": np.array(["9", "3"])}, "x")
    assert values == (("3", "4", "5", "6", "9"),)
    assert indices["factors_test"].tolist() == [[4], [0]]


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ({"factors": np.ones((9, 0))}, r"factors has shape \(9, 0\), where \(n, F\) belongs"),
        ({"factors": np.ones((9, 2, 2))}, r"factors has shape \(9, 2, 2\)"),
        ({"factors_train": np.ones((9, 2)), "factors_test": np.ones((9, 3))}, "factors_train has 2 .*factors_test 3"),
        ({"factors": np.random.default_rng(0).random((99, 2))}, "99 different values in 99 data"),
        ({"factors": np.full((9, 2), np.nan)}, "factors has no value in 9 of 9 rows"),
    ],
)
def test_values_that_are_no_factors(factors, message):
    with pytest.raises(ValueError, match=message):
        number_factors(factors, "x")


def own(folder, **arrays) -> OwnArrays:
    np.savez(folder / "x.npz", **arrays)
    return OwnArrays(folder / "x.npz", batch_size=4)


def test_the_classes_are_said_at_the_start(tmp_path):
    x = np.arange(NUM)[:, None] + 0.5
    names = np.array(["dog", "cat", "Ape", "cow"])
    assert ", 4 classes (Ape, cat, cow, dog, in this order)" in own(tmp_path, x=x, y=names[INDEX]).describe()
    assert own(tmp_path, x=x, y=INDEX).describe().endswith(", 4 classes")
    assert own(tmp_path, x=x, y=INDEX * 0).describe().endswith(", 1 class")
    many = own(tmp_path, x=x, y=np.arange(NUM) % 12 + 1).describe()
    assert many.endswith(", 12 classes (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ... (12 in all), in this order)")


def test_one_hot_vectors_are_said_to_be_read_as_labels(tmp_path, caplog):
    x = np.arange(NUM)[:, None] + 0.5
    with caplog.at_level("INFO", "elbolab"):
        data = own(tmp_path, x=x, y=np.eye(4)[INDEX])
        assert data.spec.num_classes == 4
    assert "y are one-hot vectors, read as class labels" in caplog.text


def test_a_class_without_training_data_is_said(tmp_path):
    parts = {"train": INDEX[:8] % 2, "val": INDEX[:4] % 2, "test": INDEX[:4]}
    data = own(
        tmp_path, **{name: y[:, None] + 0.5 for name, y in parts.items()}, **{f"y_{n}": y for n, y in parts.items()}
    )
    assert data.describe().endswith("\nno training datum is of class 2, 3")
    assert data.spec.num_classes == 4


def test_a_label_is_the_name_of_a_class():
    spec = Spec((1,), Support.REAL, classes=("2", "10", "true", "True", "cat"))
    assert [spec.class_index(label) for label in (10, "10", True, "true", "cat")] == [1, 1, 3, 2, 4]
    assert Spec((1,), Support.REAL, classes=("no", "true")).class_index(True) == 1
    for label in (0, 4, "Cat", None):
        with pytest.raises(ValueError, match=f"label={label}: this run has the classes 2, 10, true, True, cat"):
            spec.class_index(label)


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (name_by_number(1), "0"),
        (name_by_number(30), "0 to 29"),
        (("1", "2"), "1, 2"),
        (("a\nb", "c" * 50), f"a b, {'c' * 40}..."),
        (tuple("abcdefghijkl"), "a, b, c, d, e, f, g, h, i, j, ... (12 in all)"),
    ],
)
def test_classes_in_words(classes, words):
    assert Spec((1,), Support.REAL, classes=classes).class_list == words


@pytest.mark.parametrize("classes", [(), name_by_number(3), ("cat", "dog")])
def test_names_of_classes_are_kept_with_the_run(classes):
    spec = Spec((1,), Support.REAL, classes=classes)
    assert Spec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize(("num", "classes"), [(None, ()), (3, ("0", "1", "2"))])
def test_specs_of_before_classes_had_names(num, classes):
    before = {key: value for key, value in Spec((1,), Support.REAL).to_json().items() if key != "classes"}
    assert Spec.from_json(before | {"num_classes": num}).classes == classes
