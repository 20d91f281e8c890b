"""Tables of a notebook."""

import numpy as np
import pytest

from elbolab.batch import Spec, Support
from elbolab.data.new_files import order_columns, read_columns

SPEC = Spec((2,), Support.REAL, columns=("age", "pay"))
COLUMNS = {"pay": [10.5, 20.5], "age": [1, 2]}
ROWS = [[1.0, 10.5], [2.0, 20.5]]


@pytest.mark.parametrize("module", [None, "pandas", "pyarrow", "polars"])
def test_columns_are_found_by_their_names(module):
    table = COLUMNS
    if module is not None:
        make = pytest.importorskip(module, reason="a table of it is needed")
        table = (make.table if module == "pyarrow" else make.DataFrame)(COLUMNS)
    np.testing.assert_array_equal(order_columns(read_columns(table), SPEC), ROWS)
    unnamed = SPEC._replace(columns=())
    np.testing.assert_array_equal(order_columns(read_columns(table), unnamed), np.array(ROWS)[:, ::-1])


def test_arrays_are_no_tables():
    assert read_columns(np.ones((2, 2))) is None
    assert read_columns([[1, 2]]) is None


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
        order_columns(read_columns(columns), SPEC)
