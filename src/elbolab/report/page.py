"""The page: a template filled with what the runs' directories hold."""

import shlex
from base64 import b64encode
from collections.abc import Callable, Sequence
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
from elbolab.report.pictures import embed_pictures
from elbolab.report.rows import Column, Row, best, columns_of, configurations, rows_of
from elbolab.report.settings import configuration, environments, read_json
from elbolab.report.table import summarize
from elbolab.runs.content import SEEDS
from elbolab.runs.gather import Entry, find_swept_keys
from elbolab.runs.labels import parse_number, shorten
from elbolab.runs.status import DONE

HERE = Path(__file__).parent

MOST_SWEPT = 8
"""Swept keys that have a column of their own."""


@final
class View(NamedTuple):
    """A table of the page, ``configurations`` or ``runs``.

    Attributes:
        groups: for each row the number of its configuration.
        tops: for each column the rows with its best value.
        swept: keys that have a column, because the runs were given different values.
    """

    name: str
    rows: list[Row]
    groups: list[int]
    tops: dict[str, set[int]]
    swept: list[str]


def page_of(entries: Sequence[Entry], title: str, figures: int) -> str:
    """The whole page, with the figures of as many runs as ``figures`` says."""
    rows, columns = configurations(entries), columns_of(entries)
    script, style = ((HERE / name).read_text(encoding="utf-8") for name in ("page.js", "page.css"))
    charts = charts_of(rows)
    pictures, num_pictured, num_drawn = embed_pictures(rows, figures)
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    filters: dict[str, Callable[..., Any]] = {
        "duration": format_duration,
        "label": lambda name: label_of(name, curve_of(name).kind.label),
        "number": lambda value, stderr=None: format_value(value, stderr).replace("-", "\N{MINUS SIGN}"),
        "short": shorten,
        "sortable": mark_number,
    }
    environment.filters |= filters
    return environment.get_template("page.html.j2").render(
        title=title,
        summary=summarize(entries),
        command=_find_command(entries),
        written=datetime.now().strftime("%Y-%m-%d %H:%M"),
        version=version("elbolab"),
        script=Markup(script),
        style=Markup(style),
        policy=policy(script, style),
        views=_views(rows, columns),
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
        monitor=_find_monitor(entries, columns),
        configuration=configuration(rows),
        environments=environments(entries),
        num_runs=len(entries),
    )


def policy(script: str, style: str) -> str:
    """What a browser may do with the page: run its one script, use its one style, show images that it holds."""
    hashes = [f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in (script, style)]
    return f"default-src 'none'; img-src data:; script-src {hashes[0]}; style-src {hashes[1]}; base-uri 'none'"


def mark_number(text: str) -> str:
    """The HTML attribute by which the page sorts a cell as a number; empty if ``text`` is no number."""
    value = parse_number(text)
    return "" if value is None else Markup(' data-v="{}"').format(value)


def _views(rows: Sequence[Row], columns: Sequence[Column]) -> list[View]:
    """The runs, after their configurations where these have several."""
    entries = [entry for row in rows for entry in row.entries]
    groups = [number for number, row in enumerate(rows) for _ in row.entries]
    keys = [key for key in find_swept_keys(entries) if not key.startswith("hydra.")]
    kinds = [("runs", rows_of(entries), groups, keys)]
    if len(rows) < len(entries):
        others = [key for key in keys if key not in SEEDS]
        kinds.insert(0, ("configurations", list(rows), list(range(len(rows))), others))
    return [
        View(
            name,
            shown,
            groups,
            tops={column.key: best(shown, column) for column in columns},
            swept=swept if 1 < len(swept) <= MOST_SWEPT else [],  # a key on its own is in the rows' names already
        )
        for name, shown, groups, swept in kinds
    ]


def _find_monitor(entries: Sequence[Entry], columns: Sequence[Column]) -> dict[str, str] | None:
    """Name, unit and mode of the monitored quantity if all runs that have begun share it, else None."""
    found = {(entry.config["monitor"], entry.config["mode"]) for entry in entries if entry.config}
    if len(found) != 1:
        return None
    name, mode = found.pop()
    return {"name": name, "unit": _unit_of(name.rpartition("/")[2], columns), "mode": mode}


def _unit_of(name: str, columns: Sequence[Column]) -> str:
    """The unit of a quantity: that of its evaluation, else that of its logged curve, which may be empty."""
    return next((column.unit for column in columns if column.name == name), curve_of(name).kind.unit)


def _find_command(entries: Sequence[Entry]) -> str | None:
    """The command that started the sweep, if all runs belong to one sweep and it recorded a command, else None."""
    folders = {entry.folder.parent for entry in entries}
    recorded = read_json(folders.pop() / "sweep.json").get("command", []) if len(folders) == 1 else []
    words = ["-m" if word == "hydra.mode=MULTIRUN" else word for word in recorded]
    return shlex.join(["elbolab", "train", *sorted(words, key=lambda word: word != "-m")]) if words else None
