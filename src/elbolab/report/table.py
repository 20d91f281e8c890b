"""`elbolab runs [DIR ...] [KEY=VALUE ...]`: runs, finished or not, as a table in the terminal."""

from collections import Counter
from collections.abc import Sequence
from os.path import commonpath
from pathlib import Path
from time import time

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from elbolab.common.did_you_mean import did_you_mean, nearest
from elbolab.common.screen import is_dumb
from elbolab.common.terminal import terminal_width
from elbolab.common.text import WIDE, format_duration
from elbolab.evaluation.report import format_value
from elbolab.report.choosing import chosen, words_of
from elbolab.report.rows import Cell, Column, Row, best, columns_of, configurations, rows_of
from elbolab.runs.gather import Entry

OPTIONS = ("sort", "columns", "mean")

FEWEST = 2
"""Quantities that are shown even where facts must go for it."""

COMPARED = 4
"""Quantities of a comparison for which facts must go: bound, rate, distortion and likelihood."""

KNOWN = ("state", "epoch", "age")
"""Facts that say nothing in a comparison: all of its runs have been measured."""

SPARED = ("age", "folder", "best", "epoch")
"""Facts that go where there is no room, one after the other."""

NAME = 24
"""Characters of a name beyond which it is folded where there is no room."""

STYLES = {
    "finished": "green",
    "running": "cyan",
    "waiting": "dim",
    "pruned": "dim",
    "interrupted": "yellow",
    "killed": "yellow",
}
"""Colours of states; the others are red."""

DECIMALS = {"nats": 2, "dimensions": 0, "samples": 1, "squared distance": 5, "squared error/element": 5}
"""Of the value of one run, by its unit; 3 for shares and scores."""


def print_runs(args: Sequence[str]) -> None:
    """`elbolab runs`: the table, fitted to the terminal; written to a file it is as wide as it is.

    Raises:
        ValueError: no such folder, a folder without runs, an unknown key or option value.
    """
    words = words_of(args, OPTIONS)
    mean = words.options.get("mean", "false")
    if mean not in ("true", "false"):
        raise ValueError(f"mean={mean}: say mean=true for means over seeds, or mean=false")
    entries = chosen(words)
    columns = _columns(entries, words.options.get("columns"))
    table = table_of(entries, columns, terminal_width(), mean=mean == "true", asked="columns" in words.options)
    print(told_of(entries), table, *faults(entries), sep="\n")


def table_of(
    entries: Sequence[Entry],
    columns: Sequence[Column],
    width: int | None,
    *,
    mean: bool,
    asked: bool = False,
    compared: bool = False,
) -> str:
    """A line a run, or a configuration with means over its seeds; fitted where a terminal reads it.

    Args:
        entries: the runs.
        columns: their quantities, of which as many are shown as fit.
        width: columns of the terminal; None where there is none, and no colours either.
        mean: a line for all runs that differ by seeds alone.
        asked: show all of the quantities, whatever the width.
        compared: all have been measured, and this is no answer of `elbolab runs`.
    """
    console = Console(width=width or WIDE, highlight=False, force_terminal=width is not None and not is_dumb())
    with console.capture() as shown:
        rows = configurations(entries) if mean else rows_of(entries)
        table, least = _fitted(rows, columns, console, mean=mean, asked=asked, compared=compared)
        console.width = max(console.width, least)  # a terminal folds lines, and cuts no numbers
        console.print(table)
    return "\n".join(line.rstrip() for line in shown.get().splitlines())


def told_of(entries: Sequence[Entry]) -> str:
    """``12 runs of VAE on MNIST in FOLDER: 10 finished, 1 running, 1 failed``."""
    states = Counter(entry.state.state for entry in entries)
    kinds = {f" of {entry.variant} on {entry.data}" for entry in entries if entry.config}
    kind = kinds.pop() if len(kinds) == 1 else ""
    listed = ", ".join(f"{num} {state}" for state, num in states.most_common())
    where = commonpath([entry.folder.parent for entry in entries])
    return f"{len(entries)} run{'s' * (len(entries) > 1)}{kind} in {where}: {listed}"


def faults(entries: Sequence[Entry]) -> list[str]:
    """A line for each run with an error, and for each whose numbers cannot be read."""
    pairs = [(entry, fault) for entry in entries for fault in (entry.state.error, entry.fault) if fault]
    return [f"{entry.name} ({entry.folder}): {fault}" for entry, fault in pairs]


def _columns(entries: Sequence[Entry], asked: str | None) -> list[Column]:
    """The columns asked for; else the headlines of the runs' own splits."""
    columns = columns_of(entries)
    if asked is None:
        splits = {entry.split for entry in entries}
        return [column for column in columns if column.split in splits and column.is_headline]
    if asked == "all":
        return columns
    by_key = {column.key: column for column in columns}
    names = {column.name: column for column in reversed(columns)}
    return [_asked(word, by_key, names) for word in asked.split(",")]


def _asked(word: str, by_key: dict[str, Column], names: dict[str, Column]) -> Column:
    column = by_key.get(word) or names.get(word)
    if column is None:
        near = did_you_mean(nearest(word, [*by_key, *names]))
        raise ValueError(f"columns={word}: no run has that quantity{near or '; they have ' + ', '.join(by_key)}")
    return column


def _fitted(
    rows: Sequence[Row], columns: Sequence[Column], console: Console, *, mean: bool, asked: bool, compared: bool
) -> tuple[Table, int]:
    """Without the last quantities, then without facts, as far as the width wants it; long names are folded first.

    Also gives the columns that the table takes when they are.
    """
    unbounded = console.options.update(width=WIDE)
    folded = max(0, max(len(row.name) for row in rows) - NAME)
    fewest, few = (len(columns) if asked else min(n, len(columns)) for n in (FEWEST, COMPARED if compared else FEWEST))
    tries: list[tuple[int, Sequence[str]]] = [(num, ()) for num in range(len(columns), few - 1, -1)]
    tries += [(few, SPARED[: i + 1]) for i in range(len(SPARED))]
    tries += [(num, SPARED) for num in range(few - 1, fewest - 1, -1)]
    where = "elbolab runs DIR columns=all" if compared else "columns=all, or columns=test.elbo,..."
    for num, spared in tries:
        caption = f"{len(columns) - num} more: {where}" if num < len(columns) else None
        table = _table(rows, columns[:num], mean, (*(KNOWN if compared else ()), *spared), caption)
        least = Measurement.get(console, unbounded, table).maximum - folded
        if least <= console.width:
            break
    return table, least


def _table(
    rows: Sequence[Row], columns: Sequence[Column], mean: bool, spared: Sequence[str], caption: str | None
) -> Table:
    """A line a row; what is the best of a quantity is bold; facts that no run has are left out."""
    table = Table(box=SIMPLE_HEAD, caption=caption, caption_justify="left", pad_edge=False)
    table.add_column("run", overflow="fold")
    entries = [entry for row in rows for entry in row.entries]
    above = Path(commonpath([entry.folder.parent for entry in entries]))
    monitors = {entry.state.monitor for entry in entries} - {None}
    monitor = monitors.pop() if len(monitors) == 1 else None  # where they differ each number names its own
    facts = [_facts_of_many(row) if mean else _facts(row, above, monitor) for row in rows]
    told = [name for name in facts[0] if name not in spared and any(fact[name].plain != "-" for fact in facts)]
    for name in told:
        heading = f"best {monitor or ''}".strip() if name == "best" else name
        table.add_column(heading, justify="left" if name in ("state", "folder") else "right", no_wrap=True)
    for column in columns:
        table.add_column(_heading(column, columns), justify="right", no_wrap=True)
    tops = {column.key: best(rows, column) for column in columns}
    for number, row in enumerate(rows):
        cells = [_cell(row.cells.get(c.key), c, number in tops[c.key]) for c in columns]
        table.add_row(Text(row.name), *(facts[number][name] for name in told), *cells)
    return table


def _heading(column: Column, columns: Sequence[Column]) -> Text:
    """The quantity and its unit below; its split where not all are of the test set."""
    is_plain = {other.split for other in columns} == {"test"}
    return Text(f"{'' if is_plain else f'{column.split} '}{column.title}\n{column.unit}")


def _facts(row: Row, above: Path, monitor: str | None) -> dict[str, Text]:
    (entry,) = row.entries
    state = entry.state
    epoch = "-" if state.epoch is None else f"{state.epoch}/{state.epochs}" if state.epochs else str(state.epoch)
    value = "-" if state.best is None else f"{state.best:.2f}" if abs(state.best) >= 1 else f"{state.best:.3g}"
    value += f" {state.monitor}" if state.best is not None and monitor is None else ""
    folder = Text(str(entry.folder.relative_to(above)))
    age = "-" if entry.when is None else format_duration(max(0.0, time() - entry.when))
    told = {"epoch": Text(epoch), "best": Text(value), "age": Text(age)}
    return {"folder": folder, "state": _coloured(state.state)} | told


def _facts_of_many(row: Row) -> dict[str, Text]:
    states = Counter(entry.state.state for entry in row.entries)
    told = Text(", ").join(_coloured(state, num if len(states) > 1 else None) for state, num in states.items())
    return {"runs": Text(row.counted), "state": told}


def _coloured(state: str, num: int | None = None) -> Text:
    return Text(state if num is None else f"{num} {state}", style=STYLES.get(state, "red"))


def _cell(cell: Cell | None, column: Column, is_best: bool) -> Text:
    """A mean with its standard error, one run's value to the digits of its unit, a dash where there is none."""
    if cell is None:
        return Text("-", style="dim")
    told = format_value(cell.value, cell.stderr) if cell.num > 1 else f"{cell.value:.{DECIMALS.get(column.unit, 3)}f}"
    return Text(told, style="bold" if is_best else "")
