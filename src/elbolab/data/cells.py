"""What the cells of a column of text hold, and how they become numbers.

Shapes: a column is (n,).
"""

import re
from typing import NamedTuple

import numpy as np

from elbolab.batch import shorten
from elbolab.data.options import typed
from elbolab.data.own_labels import FEW
from elbolab.data.text_tables import MISSING, number

NUMBER = r"[+-]?(\d+([.,]\d+)*|[.,]\d+)"
UNITS = "[$€£¥]|EUR|USD|GBP|CHF|[kmµu]?[gmsVAWlL]|cm|nm|h|hrs?|min|days?|years?|yrs?|[kMG]?(Hz|B|Pa|J)|K|°[CF]?|lbs?|ft"


class Writing(NamedTuple):
    """A way to write numbers that is not read.

    Attributes:
        pattern: of such cells.
        what: what they are.
        fix: code of pandas that makes numbers of the column ``t[...]``, or how to read the table.
    """

    pattern: re.Pattern
    what: str
    fix: str


WRITINGS = [
    Writing(
        re.compile(r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})([T ]\d{1,2}:\d{2}.*)?"),
        "dates",
        "give days since the first one, {t} = (d := pandas.to_datetime({t})).sub(d.min()) / pandas.Timedelta(days=1)",
    ),
    Writing(
        re.compile(r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?"),
        "times of day",
        "give hours, {t} = pandas.to_timedelta({t} if {t}.str.count(':').eq(2).all() else {t} + ':00') / "
        "pandas.Timedelta(hours=1)",
    ),
    Writing(
        re.compile(NUMBER + r"\s*%"),
        "percentages",
        "give fractions, {t} = {t}.str.rstrip('% ').astype(float) / 100",
    ),
    Writing(
        re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?"),
        "numbers with commas between the thousands",
        "leave out the commas, {t} = {t}.str.replace(',', '').astype(float)",
    ),
    Writing(
        re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?"),
        "numbers with points between the thousands",
        "leave these out and write decimals with a point, "
        "{t} = {t}.str.replace('.', '').str.replace(',', '.').astype(float)",
    ),
    Writing(
        re.compile(r"[+-]?\d{1,3}([ '\u00a0\u202f’]\d{3})+([.,]\d+)?"),
        "numbers with gaps between the thousands",
        r"leave these out, {t} = {t}.str.replace(r'[\s\'’]', '', regex=True).str.replace(',', '.').astype(float)",
    ),
    Writing(
        re.compile(r"[+-]?\d*,\d+"),
        "numbers with a decimal comma",
        "write decimals with a point, {t} = {t}.str.replace(',', '.').astype(float)",
    ),
    Writing(
        re.compile(rf"[$€£¥]\s?{NUMBER}|(EUR|USD|GBP|CHF) {NUMBER}|{NUMBER}\s?({UNITS})"),
        "numbers with signs or units",
        r"leave these out, {t} = {t}.str.extract(r'([-+\d.]+)')[0].astype(float)",
    ),
]
"""In this order: the first that fits most cells."""


def advise_on_text(name: str, column: np.ndarray, *, is_wanted: bool) -> str:
    """What is wrong with a column of text where numbers belong, and the ways out, to follow its name.

    Args:
        name: of the column.
        column: its cells, as text.
        is_wanted: whether a model was trained on numbers of this name, so that it can be nothing else.
    """
    cells = [str(cell) for cell in column]
    known = [i for i, cell in enumerate(cells) if cell.lower() not in MISSING]
    odd = [i for i in known if number(cells[i]) is None]
    leave_out = "" if is_wanted else f", or leave it out by {typed('ignore', [name])}"
    if not known:
        instead = "fill it in" if is_wanted else f"leave it out by {typed('ignore', [name])}"
        return f"has no value in any row: {instead}"
    values = shorten(list(dict.fromkeys(cells[i] for i in odd)))
    if (writing := _writing_of([cells[i] for i in odd])) is not None:
        fix = writing.fix.format(t=f"t[{name!r}]")
        return f"holds {writing.what} ({values}), and data are plain numbers: {fix}{leave_out}"
    if len(odd) <= len(cells) / 2:
        return f"has {cells[odd[0]]!r} in row {odd[0]} (counted from 0), and numbers in others: fix these cells"
    if is_wanted:
        return f"is text ({values}), and this run was trained on numbers of this name: give such"
    if 2 * len(set(cells)) > len(cells) > FEW:
        return f"is text, another one in most rows ({values}): leave it out by {typed('ignore', [name])}"
    return (
        f"is text ({values}), and data are numbers: set {typed('labels', name)}, {typed('factors', [name])} or "
        f"{typed('conditions', [name])}{leave_out}, or number it yourself"
    )


def _writing_of(cells: list[str]) -> Writing | None:
    """The way in which all of these cells, or nearly all, are written."""
    for writing in WRITINGS:
        if sum(writing.pattern.fullmatch(cell) is not None for cell in cells) > 0.9 * len(cells):
            return writing
    return None
