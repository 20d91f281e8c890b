"""A user's own tables: which columns are data, labels, factors and conditions."""

import shlex

import numpy as np
import pytest
from tests.reading.table_writers import AGE, CITY, COLUMNS, INCOME, NUM, NUMBERS, own, text, write

from elbolab.batch import Support
from elbolab.reading.names import A_SPLIT, IDENTIFIERS, LABELS, guess_meaning


def test_labels_factors_and_conditions_are_named(tmp_path, agrees):
    sex, grade = np.array(["m", "f"])[np.arange(NUM) % 2], np.arange(NUM) % 5 / 2
    path = write(tmp_path, text({**COLUMNS, "sex": sex, "grade": grade, "id": np.arange(NUM)}))
    data = own(path, labels="city", factors=["sex", "grade"], conditions=["age"], ignore=["id"], given="own")
    agrees(data)
    assert data.spec.columns == ("income",)
    assert data.spec.classes == ("Bern", "Oslo", "Rome")
    assert (data.spec.factors, data.spec.given) == ((2, 5), ((1,),))
    place = {income: i for i, income in enumerate(INCOME)}
    for arrays in data.splits:
        where = [place[income] for income in arrays.x[:, 0]]
        assert [data.spec.classes[k] for k in arrays.y] == CITY[where].tolist()
        assert np.array_equal(arrays.factors[:, 0] == 0, sex[where] == "f")
        assert np.array_equal(arrays.factors[:, 1] / 2, grade[where])
        assert np.array_equal(arrays.given[:, 0], AGE[where])


def test_conditions_of_text_are_one_hot_vectors_beside_numbers(tmp_path, caplog):
    data = own(write(tmp_path, text(COLUMNS)), conditions=["city", "age"], given="own")
    assert data.spec.given == ((4,),)
    place = {income: i for i, income in enumerate(INCOME)}
    for arrays in data.splits:
        where = [place[income] for income in arrays.x[:, 0]]
        assert np.array_equal(arrays.given[:, :3], np.stack([CITY[where] == c for c in ("Bern", "Oslo", "Rome")], 1))
        assert np.array_equal(arrays.given[:, 3], AGE[where])
    assert "the condition city is a one-hot vector of Bern, Oslo, Rome" in caplog.text


@pytest.mark.parametrize(
    ("columns", "support", "levels"),
    [
        ({"a": AGE % 2, "b": np.arange(NUM) % 2}, Support.BINARY, 2),
        ({"a": AGE > 40, "b": np.arange(NUM) > 9}, Support.BINARY, 2),
        ({"a": np.arange(NUM), "b": np.full(NUM, 255)}, Support.UNIT, 256),
        ({"a": INCOME / 1e6, "b": AGE / 100}, Support.UNIT, None),
        ({"a": AGE, "b": AGE % 7}, Support.REAL, None),
        ({"a": AGE * 1000, "b": -AGE}, Support.REAL, None),
    ],
)
def test_values_say_what_a_table_is(tmp_path, columns, support, levels, agrees):
    data = own(write(tmp_path, text(columns)))
    assert (data.spec.support, data.spec.levels) == (support, levels)
    agrees(data)


def test_what_is_odd_in_a_column_is_said(tmp_path, caplog):
    own(write(tmp_path, text({**NUMBERS, "sex": AGE % 2, "year": AGE * 0 + 2020}))).spec  # noqa: B018
    assert "sex: whole numbers, at most 10 different ones a column, are data like the others" in caplog.text
    assert "data.factors=[sex], or by data.conditions=[sex] and data.given=own" in caplog.text
    assert "the column year is 2020 in all rows" in caplog.text
    assert "data.ignore=[year] leaves it out" in caplog.text
    own(write(tmp_path, text({**NUMBERS, "nr": np.arange(1, NUM + 1)}))).spec  # noqa: B018
    assert "the column nr counts the rows; data.ignore=[nr] leaves it out" in caplog.text
    own(write(tmp_path, text(NUMBERS, header=False))).spec  # noqa: B018
    assert "has no line of names: its columns are called 0 to 1, from the left" in caplog.text
    own(write(tmp_path, text({"age": AGE, "": np.arange(NUM), "pay": INCOME}))).spec  # noqa: B018
    assert "column 2 from the left, which has no name and counts or names the rows, is left out" in caplog.text


def test_numbers_that_stand_for_no_value_are_said(tmp_path, caplog):
    columns = {"age": np.where(AGE % 5, AGE, -999), "pay": INCOME, "far": np.where(AGE % 5, -20 * AGE, -999)}
    own(write(tmp_path, text(columns))).spec  # noqa: B018
    num = (AGE % 5 == 0).sum()
    assert f"the column age is -999 in {num} rows, far from its other numbers" in caplog.text
    assert "the column pay is" not in caplog.text
    assert "the column far is" not in caplog.text


def test_conditions_that_networks_would_see_as_large_numbers_are_said(tmp_path, caplog):
    own(write(tmp_path, text(COLUMNS)), conditions=["city", "age"], given="own").spec  # noqa: B018
    assert f"conditions reach {AGE.max()}, and networks see them as they are" in caplog.text


def test_columns_on_wild_scales_are_standardised(tmp_path):
    data = own(write(tmp_path, text(NUMBERS)), standardise=True)
    np.testing.assert_allclose(data.splits.train.x.std(0), 1, atol=1e-5)
    path = write(tmp_path, text({**NUMBERS, "year": AGE * 0 + 2020}))
    with pytest.raises(ValueError, match=r"numbers of column year are the same number .* by data.ignore=\[year\]"):
        own(path, standardise=True).spec  # noqa: B018
    assert own(path, standardise=True, ignore=["year"]).spec.scaling is not None


@pytest.mark.parametrize("files", [("train.csv", "valid.csv", "test.csv"), ("train.tsv", "val.tsv", "Test.tsv")])
def test_a_folder_of_tables_has_one_for_each_split(tmp_path, files, agrees):
    delimiter = "\t" if files[0].endswith("tsv") else ","
    parts = {"train": slice(15), "val": slice(15, 20), "test": slice(20, None)}
    for name, part in zip(files, parts.values(), strict=True):
        reordered = {key: COLUMNS[key][part] for key in (COLUMNS if "rain" in name else reversed(COLUMNS))}
        write(tmp_path, text(reordered, delimiter), name)
    data = own(tmp_path, labels="city")
    agrees(data)
    for name, part in parts.items():
        assert np.array_equal(data.arrays(name).x, np.stack([AGE, INCOME], 1)[part])
        assert [data.spec.classes[k] for k in data.arrays(name).y] == CITY[part].tolist()


def test_a_folder_of_arrays_is_as_a_file_of_them(tmp_path, agrees):
    for name, part in {"train": slice(20), "test": slice(20, None)}.items():
        np.save(tmp_path / f"X_{name}.npy", np.stack([AGE, INCOME], 1)[part])
        np.save(tmp_path / f"y_{name}.npy", CITY[part])
    data = own(tmp_path)
    agrees(data)
    assert data.spec.classes == ("Bern", "Oslo", "Rome")
    assert np.array_equal(data.arrays("test").x[:, 1], INCOME[20:])


def test_records_are_a_table(tmp_path, agrees):
    records = np.zeros(NUM, [("age", int), ("income", float), ("city", "U9")])
    for name, column in COLUMNS.items():
        records[name] = column
    np.save(tmp_path / "x.npy", records)
    data = own(tmp_path / "x.npy", labels="city")
    agrees(data)
    assert (data.spec.columns, data.spec.num_classes) == (("age", "income"), 3)


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_tables_of_arrow(tmp_path, suffix, agrees):
    pyarrow = pytest.importorskip("pyarrow", reason="reading these tables is an extra")
    from pyarrow import feather, parquet

    write_table = parquet.write_table if suffix == ".parquet" else feather.write_feather
    columns = {**COLUMNS, "city": pyarrow.array(CITY).dictionary_encode(), "young": AGE < 40}
    write_table(pyarrow.table(columns), tmp_path / f"x{suffix}")
    data = own(tmp_path / f"x{suffix}", labels="city")
    agrees(data)
    assert (data.spec.columns, data.spec.classes) == (("age", "income", "young"), ("Bern", "Oslo", "Rome"))
    write_table(pyarrow.table({"a": [1, None, 3], "b": [1.0, 2.0, 3.0]}), tmp_path / f"x{suffix}")
    with pytest.raises(ValueError, match="the column a has no value in 1 of 3 rows, the first in row 1"):
        own(tmp_path / f"x{suffix}").spec  # noqa: B018
    write_table(pyarrow.table({"a": [[1, 2], [3, 4]]}), tmp_path / f"x{suffix}")
    with pytest.raises(ValueError, match="the column a holds list<.*: give each of its numbers a column"):
        own(tmp_path / f"x{suffix}").spec  # noqa: B018
    (tmp_path / f"x{suffix}").write_bytes(b"?" * 99)
    with pytest.raises(ValueError, match=rf"x{suffix} cannot be read as {suffix} \(.*numpy.savez"):
        own(tmp_path / f"x{suffix}").spec  # noqa: B018


def test_tables_of_arrow_name_their_extra_where_it_is_absent(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"need pyarrow: pip install 'elbolab\[tables\]', or write CSV"):
        own(tmp_path / "x.parquet").spec  # noqa: B018


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (
            text(COLUMNS),
            {},
            r"the column city is text \(Rome, Oslo, Bern\), and data are numbers: set data.labels=city,",
        ),
        (text(COLUMNS), {"labels": "town"}, "data.labels names town, which is not there: there are age, income, city"),
        (text(COLUMNS), {"ignore": ["cities"]}, "data.ignore names cities, .*: the nearest name is city"),
        (
            text(COLUMNS),
            {"labels": "city", "factors": ["city"]},
            "data.labels and data.factors both name the column city",
        ),
        (
            text(COLUMNS),
            {"labels": "city", "ignore": ["age", "income"]},
            "no column is left as data of age, income, city",
        ),
        (
            text({**NUMBERS, "label": AGE % 3}),
            {},
            r"column label may be class labels: set data.labels=label, leave out by data.ignore=\[label\], or keep as "
            r"data by data.keep=\[label\]",
        ),
        (text({**NUMBERS, "Target": AGE % 3}), {}, "the column Target may be class labels"),
        (
            text({**NUMBERS, "Id": AGE * 7, "fold": AGE % 3, "class": AGE % 2}),
            {},
            "the column Id may be an identifier, the column fold may be a split or a group, the column class may be "
            r"class labels: set data.labels=class, leave out by data.ignore=\[Id,fold,class\], or .*data.keep=",
        ),
        (text({**NUMBERS, "class": AGE % 3, "label": AGE % 2}), {"labels": "label"}, "the column class may be class"),
        (text({**NUMBERS, "id": AGE % 3}), {"labels": "none"}, "the column id may be an identifier"),
        (text({**NUMBERS, "subject id": AGE % 3}), {}, r"""'data.ignore=\["subject id"\]'"""),
        (text(NUMBERS), {"labels": "income"}, "income has 30 different values in 30 data, .*data.ignore"),
        ("a,b\n1,2\n3,\n", {}, r"the column b has no value in 1 of 2 rows, the first in row 1 .*data.ignore=\[b\]"),
        ("a,b,c\n1,2,\n3,4,\n", {}, r"the column c has no value in any row: leave it out by data.ignore=\[c\]"),
        ("a,b\n1_0,2\n3_0,4\n", {}, r"the column a is text \(1_0, 3_0\)"),
        ("a,b\n1,2\n3,NA\n5,?\n", {}, "the column b has no value in 2 of 3 rows, the first in row 1"),
        ("a,b\n1,2\n3,nan\n", {}, "the column b has no value in 1 of 2 rows, the first in row 1"),
        ("a,b\n1,2\n3,4\n5,x6\n7,8\n", {}, "the column b has 'x6' in row 2 .*, and numbers in others: fix these cells"),
        ("a,b\n1,2\n3,inf\n", {}, "the column b has an infinite value in row 1"),
        ("a,b\n1,2\n3\n", {}, r"row 1 \(counted from 0\) has 1 cells, where 2 belong"),
        ("a,b\n1,2,3\n4,5,6\n", {}, "column 1 from the left has no name, and does not count the rows"),
        ("a,,b,\n1,5,3,4\n4,5,6,7\n", {}, "has 2 columns without a name, 2, 4 from the left"),
        ("a,b\n1,2,3,4\n4,5,6,7\n", {}, "has 2 names, and a row 4 cells"),
        ("a,a\n1,2\n3,4\n", {}, "has 2 columns called a, 1, 2 from the left"),
        ("a,b\n", {}, "has one line, a, b, ..., and no rows, .*numpy.savetxt"),
        ("", {}, "has no rows, one for each datum: .*numpy.savetxt"),
        ("# only\n", {}, "has no rows"),
        ('a,b\n"' + "x" * 200_000 + "\n", {}, "is no table .*numpy.savetxt"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, content, options, message):
    with pytest.raises(ValueError, match=f"data.path=.*x.csv.*(?:{message})"):
        own(write(tmp_path, content), **options).spec  # noqa: B018


def test_a_column_called_label_may_be_data(tmp_path):
    data = own(write(tmp_path, text({**NUMBERS, "label": AGE % 3})), labels="none")
    assert (data.spec.columns, data.spec.num_classes) == (("age", "income", "label"), None)
    path = write(tmp_path, text({**NUMBERS, "id": AGE * 3, "group": AGE % 3, "type": AGE % 2}))
    data = own(path, labels="type", keep=["id", "group"])
    assert (data.spec.columns, data.spec.num_classes) == (("age", "income", "id", "group"), 2)
    with pytest.raises(ValueError, match="data.keep names idd, which is not there: the nearest name is id"):
        own(path, labels="type", keep=["idd", "group"]).spec  # noqa: B018
    with pytest.raises(ValueError, match="data.ignore and data.keep both name the column id"):
        own(path, ignore=["id"], keep=["id"]).spec  # noqa: B018
    np.savez(tmp_path / "x.npz", x=AGE[:, None])
    with pytest.raises(ValueError, match="data.keep names columns of a table, and these are arrays"):
        own(tmp_path / "x.npz", keep=["x"]).spec  # noqa: B018


@pytest.mark.parametrize(
    ("names", "meaning"),
    [
        ("class Class classes species category diagnosis outcome type wine_class cls label Y target_class", LABELS),
        ("id ID Id ids uuid PatientId patient_id userid id_ref 'Sample ID' row.id index idx row_index", IDENTIFIERS),
        ("split fold folds kfold group set partition is_train", A_SPLIT),
        (
            "age acid solid humid refractive_index body_mass_index class_size groupsize classification targeting "
            "identity video idle fixed_acidity x typed splitting",
            None,
        ),
    ],
)
def test_names_say_what_is_no_data(names, meaning):
    for name in shlex.split(names):
        assert guess_meaning(name) == meaning, name


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train.csv", "extra.csv"], "extra.csv is none of the splits train, val and test, .*data.path=.*extra.csv"),
        (["test.csv", "val.csv"], "has test, val, and none to train on"),
        (["train.csv", "val.csv", "valid.csv"], "val and valid both mean val"),
    ],
)
def test_folders_of_tables_that_cannot_be_used(tmp_path, names, message):
    for name in names:
        write(tmp_path, text(NUMBERS), name)
    with pytest.raises(ValueError, match=message):
        own(tmp_path).spec  # noqa: B018


def test_a_column_of_some_splits_only_is_refused_or_left_out(tmp_path):
    write(tmp_path, text({**NUMBERS, "target": AGE % 2}), "train.csv")
    write(tmp_path, text(NUMBERS), "test.csv")
    with pytest.raises(ValueError, match=r"target is in one of train and test alone: .* by data.ignore=\[target\]"):
        own(tmp_path, labels="target").spec  # noqa: B018
    assert own(tmp_path, ignore=["target"]).spec.columns == ("age", "income")
    with pytest.raises(ValueError, match="data.ignore names goal, which is not there"):
        own(tmp_path, ignore=["target", "goal"]).spec  # noqa: B018


def test_text_beside_tables_is_left_out_and_named(tmp_path, caplog):
    for name in ("train.csv", "test.csv"):
        write(tmp_path, text(NUMBERS), name)
    write(tmp_path, "how this was measured", "README.txt")
    assert own(tmp_path).spec.columns == ("age", "income")
    assert "left out README.txt" in caplog.text


def test_columns_of_several_numbers(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(NUM, [("a", float, 3), ("b", float)]))
    with pytest.raises(ValueError, match=r"the column a has shape \(30, 3\): give each of its numbers a column"):
        own(tmp_path / "x.npy").spec  # noqa: B018
