"""Files of new data for a model that was trained on others."""

import numpy as np
import pytest

from elbolab.batch import Canvas, Spec, Support
from elbolab.data.arrays import OwnArrays
from elbolab.data.new_data import Intake, order_columns, read_new
from elbolab.reading.labels import name_values
from elbolab.reading.tables import Columns

TABLE = Spec((2,), Support.REAL, columns=("age", "pay"))


def write(tmp_path, text):
    path = tmp_path / "x.csv"
    path.write_text(text)
    return path


def test_columns_of_a_table_are_found_by_their_names(tmp_path):
    path = write(tmp_path, "pay,kind,age\n10.5,a,1.5\n20.5,b,2.5\n30.5,a,3.5\n")
    found = read_new(path, None, Intake(TABLE), Columns("kind"))
    np.testing.assert_array_equal(found.arrays.x, [[1.5, 10.5], [2.5, 20.5], [3.5, 30.5]])
    np.testing.assert_array_equal(found.known["y"], ["a", "b", "a"])


def test_labels_and_factors_may_be_absent_of_new_tables(tmp_path):
    path = write(tmp_path, "age,pay\n1.5,10.5\n2.5,20.5\n")
    found = read_new(path, None, Intake(TABLE), Columns("kind", factors=["town"], ignore=["id"]))
    assert found.known == {}
    assert found.arrays.x.shape == (2, 2)


def test_other_columns_are_refused_by_name(tmp_path):
    path = write(tmp_path, "age,wage\n1.5,10.5\n2.5,20.5\n")
    with pytest.raises(ValueError, match=r"has no pay and has wage: this run's data have the columns age, pay"):
        read_new(path, None, Intake(TABLE), Columns())
    np.save(tmp_path / "x.npy", np.ones((3, 2)) * [1.5, 7.5])  # columns without names are taken in their order
    assert read_new(tmp_path / "x.npy", None, Intake(TABLE), Columns()).arrays.x.shape == (3, 2)


def test_conditions_of_a_file_are_taken_with_its_data(tmp_path):
    given = np.random.default_rng(0).integers(0, 256, (4, 3), dtype=np.uint8)
    np.savez(tmp_path / "x.npz", x=np.ones((4, 2)) / 3 * [5, 7], given=given)
    spec = TABLE._replace(columns=(), given=((3,),), given_levels=256)
    found = read_new(tmp_path / "x.npz", None, Intake(spec, "own"), Columns())
    np.testing.assert_allclose(found.arrays.given, given / 255)
    np.savez(tmp_path / "x.npz", x=np.ones((4, 2)) / 3 * [5, 7])
    with pytest.raises(ValueError, match="no conditions, given"):
        read_new(tmp_path / "x.npz", None, Intake(spec, "own"), Columns())


def test_factors_are_conditions_by_their_values(tmp_path):
    path = write(tmp_path, "age,pay,sex,grade\n1.5,10.5,f,3\n2.5,20.5,m,7\n")
    columns = Columns(factors=["sex", "grade"])
    spec = TABLE._replace(factors=(2, 3), given=((5,),), factor_values=(("f", "m"), ("1", "3", "7")))
    found = read_new(path, None, Intake(spec, "factors"), columns)
    np.testing.assert_array_equal(found.arrays.given, [[1, 0, 0, 1, 0], [0, 1, 0, 0, 1]])
    np.testing.assert_array_equal(found.known["factors"], [["f", "3"], ["m", "7"]])
    np.testing.assert_array_equal(found.known["factor_names"], ["sex", "grade"])
    with pytest.raises(ValueError, match="factor 2=3: this run has the values 1, 7"):
        read_new(path, None, Intake(spec._replace(factor_values=(("f", "m"), ("1", "7"))), "factors"), columns)
    with pytest.raises(ValueError, match="did not keep the values of factors: give one-hot vectors of 5 .* by split="):
        read_new(path, None, Intake(spec._replace(factor_values=()), "factors"), columns)
    path = write(tmp_path, "age,pay\n1.5,10.5\n2.5,20.5\n")
    with pytest.raises(ValueError, match="has no factors: this run has data.given=factors"):
        read_new(path, None, Intake(spec, "factors"), columns)


def test_few_new_data_may_have_a_value_each(tmp_path):
    path = write(tmp_path, "age,pay,kind,size\n1.5,10.5,0.5,1.25\n2.5,20.5,1.5,2.25\n")
    found = read_new(path, None, Intake(TABLE), Columns("kind", factors=["size"]))
    np.testing.assert_array_equal(found.known["y"], [0.5, 1.5])
    np.testing.assert_array_equal(found.known["factors"], [[1.25], [2.25]])


def test_what_is_left_out_of_new_data_is_said_for_them_and_not_for_training(tmp_path):
    path = write(tmp_path, "age,pay,class,note\n1.5,10.5,1,a\n2.5,20.5,2,b\n")
    with pytest.raises(ValueError, match=r"has class, note: .* leave out others by data.ignore=\[class,note\]"):
        read_new(path, None, Intake(TABLE), Columns())
    found = read_new(path, None, Intake(TABLE), Columns(), ["class", "note"])
    assert found.arrays.x.shape == (2, 2)
    assert read_new(path, None, Intake(TABLE), Columns("class"), ["class", "note"]).known == {}
    with pytest.raises(ValueError, match="data.ignore names town, which is not there"):
        read_new(path, None, Intake(TABLE), Columns(), ["town"])
    path = write(tmp_path, "age,pay\n1.5,10.5\n,20.5\n")
    with pytest.raises(ValueError, match="the column age has no value in 1 of 2 rows.*leave out these rows$"):
        read_new(path, None, Intake(TABLE), Columns())
    path = write(tmp_path, "age,pay\n1.5,10.5\nold,20.5\nnew,3\n")
    with pytest.raises(ValueError, match=r"the column age is text \(old, new\), and this run was trained on numbers"):
        read_new(path, None, Intake(TABLE), Columns())
    path = write(tmp_path, "id,size\n1,10.5\n5,20.5\n")
    found = read_new(path, None, Intake(TABLE._replace(columns=())), Columns())  # trained on arrays
    np.testing.assert_array_equal(found.arrays.x, [[1, 10.5], [5, 20.5]])


def test_pixels_of_16_bits_are_scaled_as_in_training(tmp_path):
    x = np.random.default_rng(0).integers(0, 65536, (20, 4, 5), dtype=np.uint16)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", x=x)
    data = OwnArrays(tmp_path / "x.npy", batch_size=4)
    assert (data.spec.support, data.spec.levels, data.spec.white) == (Support.UNIT, None, 65535)
    intake, expected = Intake(data.spec), (x / np.float32(65535))[:, None]
    for name in ("x.npy", "x.npz"):
        np.testing.assert_array_equal(read_new(tmp_path / name, None, intake, Columns()).arrays.x, expected)
    for given in (x, x[:, None], x.astype(">u2"), expected):
        np.testing.assert_array_equal(intake.take(given).x, expected)
    np.testing.assert_array_equal(intake.take(np.minimum(x, 9)).x * np.float32(65535), np.minimum(x, 9)[:, None])
    with pytest.raises(ValueError, match="uint16 pixels of 16 bits or floats from 0 to 1"):
        intake.take(x.astype(np.uint8))


def test_whole_images_need_no_conditions(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(96).reshape(4, 4, 6).astype(np.uint8))
    spec = Spec((18,), Support.UNIT, 256, given=((6,),), canvas=Canvas((1, 4, 6), 1))
    found = read_new(tmp_path / "x.npy", None, Intake(spec, "quadrants"), Columns())
    assert found.arrays.event == (1, 4, 6)


@pytest.mark.parametrize(
    ("classes", "values"),
    [(("1", "2", "10"), [10, 1]), (("-1", "0", "3"), [3, -1]), (("01", "2", "3"), ["3", "01"])],
)
def test_labels_are_numbers_where_the_classes_are_called_by_whole_ones(classes, values):
    found = name_values(classes, np.array([2, 0]))
    assert found.tolist() == values


SPEC = Spec((2,), Support.REAL, columns=("age", "pay"))
COLUMNS = {"pay": [10.5, 20.5], "age": [1, 2]}
ROWS = [[1.0, 10.5], [2.0, 20.5]]


@pytest.mark.parametrize("module", [None, "pandas", "pyarrow", "polars"])
def test_columns_are_found_by_their_names(module):
    table = COLUMNS
    if module is not None:
        make = pytest.importorskip(module, reason="a table of it is needed")
        table = (make.table if module == "pyarrow" else make.DataFrame)(COLUMNS)
    np.testing.assert_array_equal(order_columns(table, SPEC), ROWS)
    unnamed = SPEC._replace(columns=())
    np.testing.assert_array_equal(order_columns(table, unnamed), np.array(ROWS)[:, ::-1])


def test_arrays_are_no_tables():
    assert order_columns(np.ones((2, 2)), SPEC) is None
    assert order_columns([[1, 2]], SPEC) is None


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (
            COLUMNS | {"kind": ["a", "b"]},
            "x has kind beside its data: .* columns age, pay alone; .*encode",
        ),
        ({"age": [1, 2], "wage": [3, 4]}, "x has no pay and has wage beside its data"),
        (COLUMNS | {"age": ["a", "b"]}, "the column age of x holds <U1, no numbers"),
        (COLUMNS | {"age": [1, 2, 3]}, "columns of different lengths"),
        ({}, "no columns"),
    ],
)
def test_other_tables_are_refused(columns, words):
    with pytest.raises(ValueError, match=words):
        order_columns(columns, SPEC)
