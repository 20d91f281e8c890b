"""Reading tables of text, also gzipped: comma, semicolon, tab or blank between the cells, with names or without.

Shapes: n = rows, a column is (n,).
"""

import codecs
import csv
import gzip
import io
import logging
import re
import zlib
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from elbolab.batch import shorten

warn = rank_zero_only(logging.getLogger(__name__).warning)
Table = dict[str, np.ndarray]
"""Columns by name: booleans, whole numbers or floats, NaN where one is missing; or text, empty where it is missing."""
SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".dat", ".data")
MISSING = ("", "na", "n/a", "nan", "null", "none", "<na>", "?")
WRITE = "write one as numpy.savetxt(path, x, delimiter=',', header='a,b') does, in UTF-8"
BLANKS = " "
SEPARATOR = re.compile(r'"?sep=(.)"?\s*')
"""The line by which Excel is told the delimiter."""
DELIMITERS = ("\t", ";", "|", ",")
"""In this order: commas may be those of decimals, too."""
HEAD = 64
"""Lines by which the layout is told."""
GZIP = b"\x1f\x8b"
"""How a gzipped file begins."""
SIGNED = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")
"""A number with a comma, of decimals or of thousands."""
GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")
"""1,250 or 1.250: a number with decimals, or one of thousands."""


class Layout(NamedTuple):
    """How a table is written: with ``BLANKS`` for any number of blanks, and some lines before the first row."""

    delimiter: str
    names: list[str]
    skipped: int
    encoding: str


def text_suffix(path: Path) -> str:
    """The suffix of a table of text in small letters, ``.csv`` of ``x.CSV.gz``; empty for other files."""
    first, last = ("", *path.suffixes)[-2:] if path.suffixes else ("", "")
    suffix = (first if last.lower() == ".gz" else last).lower()
    return suffix if suffix in SUFFIXES else ""


def read_text_table(path: Path) -> Table:
    """The columns of a file, by the names in its first line, or numbered from 0 where there are none."""
    where = f"data.path={path}"
    try:
        layout = _find_layout(path, where)
        columns = _read_columns(path, layout, where)
    except UnicodeError as error:
        latin = f"or bring it to UTF-8 by iconv -f latin1 -t utf-8 {path} > utf8.csv"
        raise ValueError(f"{where} is no text in UTF-8 ({error}): {WRITE}, {latin}") from error
    except csv.Error as error:
        raise ValueError(f"{where} is no table ({error}): {WRITE}") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{where} is damaged or cut off ({error}): compress it anew, or give it unpacked") from error
    _check_columns(columns, layout, where)
    table = dict(zip(layout.names, columns, strict=True))
    if table.get("", np.array(["x"]))[0] == "" and not any(table[""]):  # behind a delimiter that ends each line
        del table[""]
    return table


def _read_columns(path: Path, layout: Layout, where: str) -> list[np.ndarray]:
    try:  # many times faster, and numbers are all that most tables hold
        delimiter = None if layout.delimiter == BLANKS else layout.delimiter
        with _open(path) as file, io.TextIOWrapper(file, layout.encoding) as text:
            numbers = np.loadtxt(text, delimiter=delimiter, skiprows=layout.skipped, ndmin=2, quotechar='"')
    except ValueError:
        return _read_cells(path, layout, where)
    return [_to_integers(column) for column in numbers.T]


def _open(path: Path) -> IO[bytes]:
    """The file, unpacked where it is gzipped, whatever it is called."""
    with path.open("rb") as file:
        is_packed = file.read(len(GZIP)) == GZIP
    return gzip.open(path, "rb") if is_packed else path.open("rb")  # type: ignore[return-value]


def _find_layout(path: Path, where: str) -> Layout:
    with _open(path) as file:
        encoding = "utf-16" if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    with _open(path) as file, io.TextIOWrapper(file, encoding, newline="") as text:
        lines = list(islice(text, HEAD))
    comments = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    if comments == len(lines):
        raise ValueError(f"{where} has no rows, one for each datum: {WRITE}")
    separator = SEPARATOR.fullmatch(lines[comments])
    if separator and len(lines) > comments + 1:
        comments += 1
    delimiter = separator[1] if separator else _find_delimiter(path, lines[comments:])
    rows = list(_cells(lines[comments:], delimiter))
    if len(rows) > 2 and len(rows[0]) == 1 < len(rows[1]) and _is_header(rows[1:]):
        what = f"its first line, {shorten(rows[0])}, is none of a table with {len(rows[1])} columns"
        raise ValueError(f"{where}: {what}: remove it, or begin it with #")
    named = _is_header(rows)
    if named and len(rows) > 1 and len(rows[1]) == len(rows[0]) + 1:
        rows[0] = ["", *rows[0]]
    names = rows[0] if named else _names_in_comment(lines[:comments], delimiter, len(rows[0]))
    if not named and names == [str(i) for i in range(len(names))]:
        warn("%s has no line of names: its columns are called 0 to %d, from the left", where, len(names) - 1)
    if named and len(rows) < 2:
        raise ValueError(f"{where} has one line, {', '.join(names[:5])}, ..., and no rows, one for each datum: {WRITE}")
    return Layout(delimiter, names, comments + named, encoding)


def _find_delimiter(path: Path, lines: list[str]) -> str:
    """The first delimiter that makes several cells, equally many in every line; R names one column less."""
    if text_suffix(path) in (".tsv", ".tab"):
        return "\t"
    for delimiter in DELIMITERS if text_suffix(path) == ".csv" else (*DELIMITERS, BLANKS):
        first, *others = map(len, _cells(lines, delimiter))
        counts = set(others or [first])
        if len(counts) == 1 and max(counts) > 1 and max(counts) - first in (0, 1):
            return delimiter
    return ","


def _cells(lines: Iterable[str], delimiter: str) -> Iterable[list[str]]:
    """Stripped cells of each line that is not empty."""
    if delimiter == BLANKS:
        lines = (line.strip().replace("\t", " ") for line in lines)
    rows = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    return ([cell.strip() for cell in row] for row in rows if any(map(str.strip, row)))


def _is_header(rows: list[list[str]]) -> bool:
    """Whether the first row names the columns: words above numbers, only words, or 0, 1, 2, ... as pandas writes."""
    first, others = rows[0], rows[1:]
    if [cell for cell in first if cell] == [str(i) for i in range(sum(map(bool, first)))] and len(first) > 2:
        warn("the first line of the table, 0, 1, 2, ..., is read as the names of its columns")
        return True
    words = [bool(cell) and read_number(cell) is None and cell.lower() not in MISSING for cell in first]
    columns = zip(words, *others, strict=False)
    if any(word and below and all(read_number(cell) is not None for cell in below) for word, *below in columns):
        return True
    return all(word or not cell for word, cell in zip(words, first, strict=True)) and len(set(first)) == len(first)


def _names_in_comment(comments: list[str], delimiter: str, num: int) -> list[str]:
    """Names in the last line of comments, as `numpy.savetxt` writes them, else numbers."""
    for line in reversed(comments):
        names = next(iter(_cells([line.lstrip("# ")], delimiter)), [])
        if len(names) == num and all(read_number(name) is None for name in names):
            return names
    return [str(i) for i in range(num)]


def _read_cells(path: Path, layout: Layout, where: str) -> list[np.ndarray]:
    with _open(path) as file:
        text = file.read().decode(layout.encoding)
    if "\0" in text:
        raise ValueError(f"{where} has zero bytes, which no text has: {WRITE}")
    lines = io.StringIO(text, newline="").readlines()[layout.skipped :]
    rows = list(_cells(lines, layout.delimiter))
    for index, row in enumerate(rows):
        if len(row) != len(layout.names):
            what = f"row {index} (counted from 0) has {len(row)} cells, where {len(layout.names)} belong"
            raise ValueError(f"{where}: {what}: fix the row, or quote cells that hold the delimiter")
    cells = list(zip(*rows, strict=True))
    has_commas = layout.delimiter != "," and _has_decimal_commas(cells, layout.names, where)
    return [_convert(column, has_commas) for column in cells]


def _has_decimal_commas(columns: list[tuple[str, ...]], names: list[str], where: str) -> bool:
    """Whether commas are those of decimals, as some cell shows."""
    with_comma = [cell for cells in columns for cell in cells if SIGNED.fullmatch(cell)]
    if not with_comma:
        return False
    is_clear = any(not GROUPED.fullmatch(cell) for cell in with_comma)
    for name, cells in zip(names, columns, strict=True):
        odd = [cell for cell in cells if cell.lower() not in MISSING and not cell.lstrip("+-").isdigit()]
        doubtful = [cell for cell in odd if GROUPED.fullmatch(cell) and ("." in cell) == is_clear]
        if doubtful and len(doubtful) == len(odd):
            plain = doubtful[0].replace(",", "").replace(".", "")
            what = f"{doubtful[0]} in the column {name} may be {doubtful[0].replace(',', '.')} or {plain}"
            fix = "write decimals with a point, and thousands without a sign between them"
            raise ValueError(f"{where}: {what}: {fix}")
    return True


def _convert(cells: tuple[str, ...], has_commas: bool) -> np.ndarray:
    """Numbers where all cells that are there are, booleans likewise, else text."""
    known = [cell.lower() for cell in cells if cell.lower() not in MISSING]
    if len(known) == len(cells) and set(known) <= {"true", "false"}:
        return np.array([cell.lower() == "true" for cell in cells])
    plain = [cell.replace(",", ".") if has_commas and SIGNED.fullmatch(cell) else cell for cell in cells]
    numbers = [float("nan") if cell.lower() in MISSING else read_number(cell) for cell in plain]
    if known and None not in numbers:
        return _to_integers(np.array(numbers, dtype=np.float64))
    return np.array(["" if cell.lower() in MISSING else cell for cell in cells])


def read_number(cell: str) -> float | None:
    """The number that a cell holds, None where it holds none."""
    try:
        return float(cell) if "_" not in cell else None
    except ValueError:
        return None


def _to_integers(column: np.ndarray) -> np.ndarray:
    """Floats as integers where all are whole."""
    is_whole = np.isfinite(column).all() and (column == np.floor(column)).all() and (np.abs(column) < 2**53).all()
    return column.astype(np.int64) if is_whole else column


def _check_columns(columns: list[np.ndarray], layout: Layout, where: str) -> None:
    if len(columns) != len(layout.names):
        both = f"the first line has {len(layout.names)} names, and a row {len(columns)} cells"
        raise ValueError(f"{where}: {both}: give as many")
    if not len(columns[0]):
        raise ValueError(f"{where} has no rows, one for each datum: {WRITE}")
    for name in layout.names:
        places = [str(place) for place, other in enumerate(layout.names, 1) if other == name]
        if len(places) > 1:
            called = f"called {name}" if name else "without a name"
            what = f"{len(places)} columns {called}, {shorten(places)} from the left"
            raise ValueError(f"{where} has {what}: give each its own name")
