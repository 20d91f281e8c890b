"""Files of new data for a model that was trained on others."""

import numpy as np
import pytest

from elbolab.batch import Canvas, Spec, Support
from elbolab.data.new_data import Intake
from elbolab.data.new_files import class_values, read_new
from elbolab.data.own_tables import Columns

TABLE = Spec((2,), Support.REAL, columns=("age", "pay"))


def write(tmp_path, text):
    path = tmp_path / "x.csv"
    path.write_text(text)
    return path


def test_columns_of_a_table_are_found_by_their_names(tmp_path):
    path = write(tmp_path, "pay,kind,age\n10.5,a,1.5\n20.5,b,2.5\n30.5,a,3.5\n")
    found = read_new(path, None, Intake(TABLE), Columns("kind"))
    np.testing.assert_array_equal(found.arrays.x, [[1.5, 10.5], [2.5, 20.5], [3.5, 30.5]])
    np.testing.assert_array_equal(found.y, ["a", "b", "a"])


def test_labels_and_factors_may_be_absent_of_new_tables(tmp_path):
    path = write(tmp_path, "age,pay\n1.5,10.5\n2.5,20.5\n")
    found = read_new(path, None, Intake(TABLE), Columns("kind", factors=["town"], ignore=["id"]))
    assert found.y is None
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
    with pytest.raises(ValueError, match="data.given=factors.*split="):
        read_new(tmp_path / "x.npz", None, Intake(spec, "factors"), Columns())


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
    found = class_values(classes, np.array([2, 0]))
    assert found.tolist() == values
