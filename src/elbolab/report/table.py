"""`elbolab runs [DIR ...] [KEY=VALUE ...]`: runs, finished or not, as a table in the terminal."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from os.path import commonpath
from pathlib import Path
from time import time

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from elbolab.common.did_you_mean import did_you_mean, nearest
from elbolab.common.terminal import is_dumb, terminal_width
from elbolab.common.text import WIDE, format_duration
from elbolab.evaluation.report import format_value
from elbolab.report.rows import Cell, Column, Row, best, columns_of, configurations, rows_of
from elbolab.report.selection import parse_arguments, select_entries
from elbolab.runs.gather import Entry

OPTIONS = ("sort", "columns", "mean")

FEWEST = 2
"""Quantities that are shown even where facts must go for it."""

COMPARED = 4
"""Quantities of a comparison for which facts must go: bound, rate, distortion and likelihood."""

UNINFORMATIVE = ("state", "epoch", "age")
"""Facts that say nothing in a comparison: all of its runs have been measured."""

EXPENDABLE = ("age", "folder", "best", "epoch")
"""Facts that go where there is no room, one after the other."""

NAME = 24
"""Characters of a name beyond which it is folded where there is no room."""

STYLES = {"finished": "green", "running": "cyan"}
STYLES |= dict.fromkeys(("waiting", "pruned"), "dim") | dict.fromkeys(("interrupted", "killed"), "yellow")
"""Colours of states; the others are red."""

DECIMALS = {"nats": 2, "dimensions": 0, "samples": 1, "squared distance": 5, "squared error/element": 5}
"""Of the value of one run, by its unit; 3 for shares and scores."""

Facts = Mapping[str, Sequence[Text]]
"""What is known of runs beside their quantities: heading -> a text for each row."""


def print_runs(args: Sequence[str]) -> None:
    """`elbolab runs`: the table, fitted to the terminal; written to a file it is as wide as it is.

    Raises:
        ValueError: no such folder, a folder without runs, an unknown key or option value.
    """
    arguments = parse_arguments(args, OPTIONS)
    mean, asked = arguments.options.get("mean", "false"), arguments.options.get("columns")
    if mean not in ("true", "false"):
        raise ValueError(f"mean={mean}: say mean=true for means over seeds, or mean=false")
    entries = select_entries(arguments)
    columns = _select_columns(entries, asked)
    table = table_of(entries, columns, terminal_width(), mean=mean == "true", asked=asked is not None)
    faults = [(entry, fault) for entry in entries for fault in (entry.state.error, entry.fault) if fault]
    lines = [f"{entry.name} ({entry.folder}): {fault}" for entry, fault in faults]
    print(summarize(entries), table, *lines, sep="\n")


def summarize(entries: Sequence[Entry]) -> str:
    """``12 runs of VAE on MNIST in FOLDER: 10 finished, 1 running, 1 failed``."""
    states = Counter(entry.state.state for entry in entries)
    kinds = {f" of {entry.variant} on {entry.data}" for entry in entries if entry.config}
    kind = kinds.pop() if len(kinds) == 1 else ""
    listed = ", ".join(f"{num} {state}" for state, num in states.most_common())
    where = commonpath([entry.folder.parent for entry in entries])
    return f"{len(entries)} run{'s' * (len(entries) > 1)}{kind} in {where}: {listed}"


def _select_columns(entries: Sequence[Entry], asked: str | None) -> list[Column]:
    """The columns asked for, ``all`` or some keys and names; else the headlines of the runs' own splits."""
    columns = columns_of(entries)
    if asked is None:
        splits = {entry.split for entry in entries}
        return [column for column in columns if column.split in splits and column.is_headline]
    if asked == "all":
        return columns
    by_key = {column.key: column for column in columns}
    known = {column.name: column for column in reversed(columns)} | by_key
    for word in asked.split(","):
        if word not in known:
            near = did_you_mean(nearest(word, [*by_key, *known]))
            raise ValueError(f"columns={word}: no run has that quantity{near or '; they have ' + ', '.join(by_key)}")
    return [known[word] for word in asked.split(",")]


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

    What does not fit goes: first the last quantities, then facts. Long names are folded.

    Args:
        entries: the runs.
        columns: their quantities.
        width: columns of the terminal; None where there is none, and no colours either.
        mean: a line for all runs that differ by seeds alone.
        asked: show all of the quantities, whatever the width.
        compared: all have been measured, and this is no answer of `elbolab runs`.
    """
    rows = configurations(entries) if mean else rows_of(entries)
    known = _facts(rows, mean=mean)
    facts = {name: known[name] for name in known if not (compared and name in UNINFORMATIVE)}
    console = Console(width=width or WIDE, highlight=False, force_terminal=width is not None and not is_dumb())
    folded = max(0, max(len(row.name) for row in rows) - NAME)
    where = "elbolab runs DIR columns=all" if compared else "columns=all, or columns=test.elbo,..."
    fewest, few = (len(columns) if asked else min(n, len(columns)) for n in (FEWEST, COMPARED if compared else FEWEST))
    tries: list[tuple[int, Collection[str]]] = [(num, ()) for num in range(len(columns), few - 1, -1)]
    tries += [(few, EXPENDABLE[: i + 1]) for i in range(len(EXPENDABLE))]
    tries += [(num, EXPENDABLE) for num in range(few - 1, fewest - 1, -1)]
    for num, without in tries:
        caption = f"{len(columns) - num} more: {where}" if num < len(columns) else None
        kept = {name: facts[name] for name in facts if name.partition(" ")[0] not in without}
        table = _table(rows, kept, columns[:num], caption)
        least = Measurement.get(console, console.options.update(width=WIDE), table).maximum - folded
        if least <= console.width:
            break
    console.width = max(console.width, least)  # a terminal folds lines, and cuts no numbers
    with console.capture() as shown:
        console.print(table)
    return "\n".join(line.rstrip() for line in shown.get().splitlines())


def _table(rows: Sequence[Row], facts: Facts, columns: Sequence[Column], caption: str | None) -> Table:
    """A line a row; what is the best of a quantity is bold; facts that no run has are left out."""
    facts = {name: texts for name, texts in facts.items() if any(text.plain != "-" for text in texts)}
    splits = {column.split for column in columns}
    tops = {column.key: best(rows, column) for column in columns}
    table = Table(box=SIMPLE_HEAD, caption=caption, caption_justify="left", pad_edge=False)
    table.add_column("run", overflow="fold")
    for name in facts:
        table.add_column(name, justify="left" if name in ("state", "folder") else "right", no_wrap=True)
    for column in columns:
        split = "" if splits == {"test"} else f"{column.split} "
        table.add_column(Text(f"{split}{column.title}\n{column.unit}"), justify="right", no_wrap=True)
    for number, row in enumerate(rows):
        cells = [_cell(row.cells.get(c.key), c.unit, number in tops[c.key]) for c in columns]
        table.add_row(Text(row.name), *(texts[number] for texts in facts.values()), *cells)
    return table


def _facts(rows: Sequence[Row], *, mean: bool) -> Facts:
    """The state, and of single runs what else their directories say; a value of another quantity names its own."""
    states = []
    for row in rows:
        counts = Counter(entry.state.state for entry in row.entries)
        texts = {state: state if len(counts) == 1 else f"{num} {state}" for state, num in counts.items()}
        states.append(Text(", ").join(Text(text, STYLES.get(state, "red")) for state, text in texts.items()))
    if mean:
        return {"runs": [Text(row.counted) for row in rows], "state": states}
    entries = [row.entries[0] for row in rows]
    above = Path(commonpath([entry.folder.parent for entry in entries]))
    monitors = {entry.state.monitor for entry in entries} - {None}
    epochs, values, ages = list[str](), list[str](), list[str]()
    for entry in entries:
        state, best = entry.state, entry.state.best
        epochs.append("-" if state.epoch is None else f"{state.epoch}" + (f"/{state.epochs}" if state.epochs else ""))
        value = "-" if best is None else f"{best:.2f}" if abs(best) >= 1 else f"{best:.3g}"
        values.append(f"{value} {state.monitor}" if best is not None and len(monitors) > 1 else value)
        ages.append("-" if entry.when is None else format_duration(max(0.0, time() - entry.when)))
    return {
        "folder": [Text(str(entry.folder.relative_to(above))) for entry in entries],
        "state": states,
        "epoch": list(map(Text, epochs)),
        f"best {monitors.pop() if len(monitors) == 1 else ''}".strip(): list(map(Text, values)),
        "age": list(map(Text, ages)),
    }


def _cell(cell: Cell | None, unit: str, is_best: bool) -> Text:
    """A mean with its standard error, one run's value to the digits of its unit, a dash where there is none."""
    if cell is None:
        return Text("-", style="dim")
    text = format_value(cell.value, cell.stderr) if cell.num > 1 else f"{cell.value:.{DECIMALS.get(unit, 3)}f}"
    return Text(text, style="bold" if is_best else "")
