"""`elbolab report [DIR ...] [KEY=VALUE ...] out=FILE`: runs as one HTML page that needs nothing beside it."""

from collections.abc import Sequence
from pathlib import Path

from elbolab.common.files import write_atomically
from elbolab.common.terminal import unattended
from elbolab.report.page import page_of
from elbolab.report.selection import parse_arguments, select_entries

OPTIONS = ("out", "figures", "sort")

MOST_FIGURES = 16
"""Runs whose figures a page holds unless told otherwise: 0.1 to 0.3 MB each."""


def print_report(args: Sequence[str]) -> None:
    """`elbolab report`: writes the page, whole or not at all, and says where it is.

    Raises:
        ValueError: no such folder, a folder without runs, an unknown key or option value, an ``out`` that is none.
        OSError: the page cannot be written; the one that was there is as it was.
    """
    arguments = parse_arguments(args, OPTIONS)
    figures = arguments.options.get("figures", str(MOST_FIGURES))
    if not figures.isdigit():
        raise ValueError(f"figures={figures}: say how many runs' figures the page holds, figures=0 for none")
    entries, folder = select_entries(arguments), arguments.paths[0]
    beside = folder / "report.html" if len(arguments.paths) == 1 else Path("report.html")
    out = Path(arguments.options.get("out", beside))
    if out.is_dir():
        raise ValueError(f"out={out} is a directory: name a file in it, out={out / 'report.html'}")
    if not out.parent.is_dir():
        raise ValueError(f"out={out}: there is no folder {out.parent}; make it first, or name another")
    if len(arguments.paths) > 1:
        title = f"{len(entries)} runs"
    else:
        is_run = len(entries) == 1 and entries[0].folder == folder.absolute()
        title = entries[0].name if is_run else folder.resolve().name
    text = page_of(entries, title, int(figures))
    write_atomically(out, text)
    with unattended():  # the page is written, whoever reads where
        print(f"{len(entries)} run{'s' * (len(entries) > 1)}, {len(text) / 1e6:.1f} MB: {out.absolute()}")
