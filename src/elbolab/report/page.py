"""The page: a template filled with what the runs' directories hold."""

import json
import shlex
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from elbolab.common.kind import curve_of, label_of
from elbolab.common.text import format_duration
from elbolab.evaluation.report import format_value
from elbolab.report.charts import charts_of
from elbolab.report.pictures import pictures_of
from elbolab.report.rows import Cell, Column, Row, best, columns_of, configurations, rows_of
from elbolab.report.settings import configuration, environments
from elbolab.report.table import told_of
from elbolab.runs.content import SEEDS
from elbolab.runs.gather import Entry, find_swept_keys
from elbolab.runs.labels import parse_number, shorten
from elbolab.runs.status import DONE

HERE = Path(__file__).parent

MOST_SWEPT = 8
"""Swept keys that have a column of their own."""


@final
class View(NamedTuple):
    """A table of the page.

    Attributes:
        name: ``configurations`` or ``runs``.
        rows: its rows.
        groups: for each row the number of its configuration.
        tops: for each column the rows with its best value.
        swept: keys that have a column, because the runs were told different values.
    """

    name: str
    rows: list[Row]
    groups: list[int]
    tops: dict[str, set[int]]
    swept: list[str]


def page_of(entries: Sequence[Entry], title: str, figures: int) -> str:
    """The whole page.

    Args:
        entries: the runs.
        title: title of the page.
        figures: number of runs whose figures the page shows.
    """
    rows, columns, script, style = configurations(entries), columns_of(entries), _file("page.js"), _file("page.css")
    charts = charts_of(rows)
    pictures, num_pictured, num_drawn = pictures_of(rows, figures)
    return _template().render(
        title=title,
        told=told_of(entries),
        command=_command(entries),
        written=datetime.now().strftime("%Y-%m-%d %H:%M"),
        version=version("elbolab"),
        script=Markup(script),
        style=Markup(style),
        policy=policy(script, style),
        views=views(rows, columns),
        columns=columns,
        splits=list(dict.fromkeys(column.split for column in columns)),
        troubled=[entry for entry in entries if entry.state.error or entry.fault],
        unfinished=[entry for entry in entries if entry.state.state not in (*DONE, "failed")],
        charts=charts,
        panels=charts["panels"],
        num_first=len(charts["first"]),
        units={name: _unit_of(name, columns) for name in charts["panels"]},
        pictures=pictures,
        num_pictured=num_pictured,
        num_drawn=num_drawn,
        monitor=monitor_of(entries, columns),
        configuration=configuration(rows),
        environments=environments(entries),
        num_runs=len(entries),
    )


def policy(script: str, style: str) -> str:
    """What a browser may do with the page: run its one script, use its one style, show images that it holds."""
    hashes = [f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in (script, style)]
    return f"default-src 'none'; img-src data:; script-src {hashes[0]}; style-src {hashes[1]}; base-uri 'none'"


def views(rows: Sequence[Row], columns: Sequence[Column]) -> list[View]:
    """The runs, after their configurations where these have several."""
    entries = [entry for row in rows for entry in row.entries]
    groups = [number for number, row in enumerate(rows) for _ in row.entries]
    told = [key for key in find_swept_keys(entries) if not key.startswith("hydra.")]
    made = [_view("runs", rows_of(entries), groups, columns, told)]
    if len(rows) < len(entries):
        others = [key for key in told if key not in SEEDS]
        made.insert(0, _view("configurations", list(rows), list(range(len(rows))), columns, others))
    return made


def _view(name: str, rows: list[Row], groups: list[int], columns: Sequence[Column], told: list[str]) -> View:
    """A key on its own is in the rows' names already."""
    shown = told if 1 < len(told) <= MOST_SWEPT else []
    return View(name, rows, groups, {column.key: best(rows, column) for column in columns}, shown)


@final
class Monitor(NamedTuple):
    """The monitored quantity that all runs share: its name, its unit, and whether ``max`` or ``min`` is best."""

    name: str
    unit: str
    mode: str


def monitor_of(entries: Sequence[Entry], columns: Sequence[Column]) -> Monitor | None:
    """The monitored quantity that all runs share, else None; runs that have not begun are left out."""
    found = {(entry.config["monitor"], entry.config["mode"]) for entry in entries if entry.config}
    if len(found) != 1:
        return None
    name, mode = found.pop()
    return Monitor(name, _unit_of(name.rpartition("/")[2], columns), mode)


def _unit_of(name: str, columns: Sequence[Column]) -> str:
    """The unit of a quantity: that of its evaluation, else that of its logged curve, which may be empty."""
    return next((column.unit for column in columns if column.name == name), curve_of(name).kind.unit)


def sortable(text: str) -> str:
    """The HTML attribute by which the page sorts a cell as a number; empty if ``text`` is no number."""
    value = parse_number(text)
    return "" if value is None else Markup(' data-v="{}"').format(value)


def _command(entries: Sequence[Entry]) -> str | None:
    """The command that started the sweep, if all runs belong to one sweep and it recorded a command, else None."""
    folders = {entry.folder.parent for entry in entries}
    try:
        words = (
            json.loads((folders.pop() / "sweep.json").read_text(encoding="utf-8"))["command"]
            if len(folders) == 1
            else []
        )
    except (OSError, ValueError, KeyError):
        return None
    typed = ["-m" if word == "hydra.mode=MULTIRUN" else word for word in words]
    return shlex.join(["elbolab", "train", *sorted(typed, key=lambda word: word != "-m")]) if words else None


def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    environment.filters["told"] = told
    environment.filters["called"] = lambda name: label_of(name, curve_of(name).kind.label)
    environment.filters["duration"] = format_duration
    environment.filters["short"] = shorten
    environment.filters["sortable"] = sortable
    environment.filters["plainly"] = lambda value: f"{value:.6g}".replace("-", "\N{MINUS SIGN}")
    return environment.get_template("page.html.j2")


def told(cell: Cell) -> str:
    """``−104.23 ± 0.12`` with a minus sign."""
    return format_value(cell.value, cell.stderr).replace("-", "\N{MINUS SIGN}")


def _file(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
