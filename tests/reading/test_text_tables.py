"""How tables of text are written: delimiters, names, decimals, gzip; and what is said of cells that are no numbers."""

import gzip

import numpy as np
import pytest
from tests.reading.table_writers import AGE, COLUMNS, INCOME, NUM, NUMBERS, RNG, own, rows, text, write

from elbolab.batch import Spec, Support
from elbolab.reading.advice import advise_on_text
from elbolab.reading.tables import read_table


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv", text(NUMBERS)),
        ("x.CSV", text(NUMBERS).replace("\n", "\r\n")),
        ("x.csv", "\ufeff" + text(NUMBERS)),
        ("x.csv", text(NUMBERS, ";")),
        ("x.csv", text(NUMBERS, ";").replace(".", ",")),
        ("x.csv", text(NUMBERS, ", ")),
        ("x.csv", text(NUMBERS, ",,")[:0] + text({f'"{name}"': column for name, column in NUMBERS.items()})),
        ("x.csv", text(NUMBERS).replace("\n", ",\n")),
        ("x.csv", "# made by hand\n\n" + text(NUMBERS)),
        ("x.csv", "# " + text(NUMBERS)),
        ("x.csv", text({"": np.arange(NUM), **NUMBERS})),
        ("x.csv", text({"Unnamed: 0": np.arange(NUM), **NUMBERS})),
        ("x.csv", text({"": [f"row {i}" for i in range(NUM)], **NUMBERS})),
        ("x.csv", text({"": np.arange(1, NUM + 1), **NUMBERS})),
        ("x.txt", '"age" "income"\n' + text({"": [f'"row {i}"' for i in range(NUM)], **NUMBERS}, " ", header=False)),
        ("x.tsv", text(NUMBERS, "\t")),
        ("x.txt", text(NUMBERS, "\t")),
        ("x.txt", text(NUMBERS, "   ")),
        ("x.dat", "# age income\n" + text(NUMBERS, " ", header=False)),
    ],
)
def test_columns_and_their_names(tmp_path, name, content, agrees):
    data = own(write(tmp_path, content, name))
    agrees(data)
    assert data.spec == Spec((2,), Support.REAL, columns=("age", "income"))
    assert sorted(rows(data).tolist()) == sorted(np.stack([AGE, INCOME], 1).tolist())
    assert "data of shape (2,) (age, income), real" in data.describe()


def test_a_table_in_utf_16_as_spreadsheets_write_it(tmp_path):
    (tmp_path / "x.txt").write_bytes(text(NUMBERS, "\t").encode("utf-16"))
    assert own(tmp_path / "x.txt").spec.columns == ("age", "income")


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("1,2\n3,4\n", ["0", "1"]),
        ("0,1,2\n3.5,4,5\n", ["0", "1", "2"]),
        ("1,2,x\n3,4,y\n", ["0", "1", "2"]),
        ("a,b\nx,y\nx,z\n", ["a", "b"]),
        ("x,x\nx,y\n", ["0", "1"]),
        ("label,0,1\n7,0,255\n", ["label", "0", "1"]),
    ],
)
def test_the_first_line_is_names_or_a_row(tmp_path, content, names):
    table = read_table(write(tmp_path, content))
    assert list(table) == names
    num = len(content.splitlines()) - (content.split("\n")[0].split(",") == names)
    assert {len(column) for column in table.values()} == {num}


def test_names_that_are_numbers_are_said(tmp_path, caplog):
    read_table(write(tmp_path, "0,1,2\n3.5,4,5\n"))
    assert "the first line of the table, 0, 1, 2, ..., is read as the names" in caplog.text


def test_whole_numbers_that_no_integer_holds(tmp_path):
    data = own(write(tmp_path, text({"a": np.linspace(1e20, 2e20, NUM), "b": INCOME})))
    assert sorted(rows(data)[:, 0].tolist()) == np.linspace(1e20, 2e20, NUM).tolist()


def test_the_line_that_tells_excel_the_delimiter_is_no_row(tmp_path):
    table = read_table(write(tmp_path, "sep=;\n" + text(NUMBERS, ";").replace(".", ",")))
    assert list(table) == ["age", "income"]
    assert table["income"].tolist() == INCOME.tolist()


def test_a_title_above_the_names_is_no_row(tmp_path):
    with pytest.raises(ValueError, match="first line, Report of 2024, is none of a table with 2 columns: remove it"):
        read_table(write(tmp_path, "Report of 2024\n\n" + text(NUMBERS)))


def test_one_name_above_names_of_rows_and_a_column_is_no_title(tmp_path):
    table = read_table(
        write(tmp_path, '"age"\n' + text({"": [f'"r{i}"' for i in range(NUM)], "age": AGE}, header=False))
    )
    assert table["age"].tolist() == AGE.tolist()


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["2020-01-05", "2020-02-17"], r"dates .*t\['b'\] = .*to_datetime"),
        (["05.01.2020", "17/2/20"], "dates"),
        (["2020-01-05 10:30:00", "2020-02-17T10:30"], "dates"),
        (["10:30", "7:05"], "times of day .*to_timedelta"),
        (["5%", "12.5 %"], r"percentages .*rstrip\('% '\).*/ 100"),
        (['"1,000.5"', '"12,345"'], "commas between the thousands .*replace"),
        (['"1.234,5"', '"12.000,25"'], "points between the thousands .*replace"),
        (["1 234.5", "12 000"], "gaps between the thousands"),
        (['"0,5"', '"17,25"'], "a decimal comma"),
        (["$5", "$1.50"], "signs or units .*extract"),
        (["5 kg", "7.5kg"], "signs or units"),
        (["a1", "b2"], "is text .*data.factors"),
        (["5%", "half"], "is text .*data.factors"),
        (["1a", "2b"], "is text .*data.factors"),
    ],
)
def test_numbers_that_are_written_otherwise_are_told_how_to_become_numbers(tmp_path, cells, words):
    content = "a,b\n" + "".join(f"{i + 0.5},{cells[i % 2]}\n" for i in range(NUM))
    with pytest.raises(ValueError, match=rf"the column b .*{words}.*data.ignore=\[b\]"):
        own(write(tmp_path, content)).spec  # noqa: B018


@pytest.mark.parametrize(
    ("cells", "line"),
    [
        (["2020-01-05", "2020-01-08"], [0, 3]),
        (["10:30", "7:15"], [10.5, 7.25]),
        (["5%", "12.5 %"], [0.05, 0.125]),
        (["1,000.5", "12,345"], [1000.5, 12345]),
        (["1.234,5", "12.000,25"], [1234.5, 12000.25]),
        (["1 234,5", "12 000"], [1234.5, 12000]),
        (["0,5", "17,25"], [0.5, 17.25]),
        (["5 kg", "-7.5kg"], [5, -7.5]),
    ],
)
def test_the_code_that_makes_numbers_of_cells_does(cells, line):
    pandas = pytest.importorskip("pandas", reason="the advice is for those who have it")
    advice = advise_on_text("b", np.array(cells), is_wanted=True)
    code = advice.partition(", and data are plain numbers: ")[2]
    t = pandas.DataFrame({"b": cells})
    exec(code[code.index("t['b'] =") :], {"pandas": pandas, "t": t})
    assert t["b"].tolist() == line


def test_commas_that_may_be_of_decimals_or_of_thousands_are_asked_for(tmp_path):
    for content, words in (
        ("a;b\n1,250;3\n2,500;4\n", "1,250 in the column a may be 1.250 or 1250"),
        ("a;b\n1,5;1.250\n2,5;2.500\n", "1.250 in the column b may be 1.250 or 1250"),
        ("a;b\n1,250;0.5\n2,500;4\n", "1,250 in the column a may be 1.250 or 1250"),
    ):
        with pytest.raises(ValueError, match=f"{words}: write decimals with a point"):
            read_table(write(tmp_path, content))
    table = read_table(write(tmp_path, "a;b\n1,250;0,5\n2,500;4\n"))
    assert table["a"].tolist() == [1.25, 2.5]


@pytest.mark.parametrize("name", ["x.csv.gz", "x.TSV.GZ", "x.csv"])
def test_gzipped_tables(tmp_path, name, agrees):
    content = text(COLUMNS, "\t" if "TSV" in name else ",")
    (tmp_path / name).write_bytes(gzip.compress(content.encode()))
    data = own(tmp_path / name, labels="city")
    agrees(data)
    assert (data.spec.columns, data.spec.num_classes) == (("age", "income"), 3)
    (tmp_path / name).write_bytes(gzip.compress(text(NUMBERS).replace(",", "\t" if "TSV" in name else ",").encode()))
    assert own(tmp_path / name).spec.columns == ("age", "income")
    (tmp_path / name).write_bytes(gzip.compress(RNG.bytes(9999))[:5000])
    with pytest.raises(ValueError, match="damaged or cut off|no text in UTF-8"):
        own(tmp_path / name).spec  # noqa: B018


def test_a_folder_of_gzipped_tables(tmp_path):
    for name in ("train.csv.gz", "test.csv.gz"):
        (tmp_path / name).write_bytes(gzip.compress(text(NUMBERS).encode()))
    assert len(own(tmp_path).splits.test) == NUM


@pytest.mark.parametrize("content", [b"a,b\n1,\xe9\n", b"a,b\n1,2\n" * 99 + b"1,\xe9\n", b"a,b\n1,2\n3,\x00\n"])
def test_tables_that_are_no_text(tmp_path, content):
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(ValueError, match="is no text in UTF-8.*iconv|has zero bytes|is no table"):
        own(tmp_path / "x.csv").spec  # noqa: B018
