"""Published numbers: rows of ``published.yaml``, and the page that lists them with what was measured here."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, final

import yaml

from elbolab.common.files import write_atomically
from elbolab.config.paths import config_dir

ROWS = Path(__file__).with_name("published.yaml")
"""What was published, with its source and the gate that runs are held to."""

PAGE = "experiment/README.md"
"""Below ``conf``: the page of all rows."""

HEAD = """\
# Published numbers, and what was measured here

Written by `elbolab published --markdown` from `src/elbolab/report/published.yaml`: change that file, not this one.
A row is reproduced by `elbolab train experiment=COMMAND`; `elbolab published DIR` sets your own runs beside these
numbers. `scale=reduced` takes minutes on two cores; without it sizes and lengths are those of the paper.
[MEASURED.md](MEASURED.md) has other measurements, and how all of them were made.

Errors are fractions, and likelihoods are in nats per datum. V1 was read in a primary source, V2 second hand, C measured
by us, M recalled. ± is the standard error over what is named, and the commit is the one that recorded the number.
Measured on {hardware}.
"""


@final
class Row(NamedTuple):
    """A published number and what reproduces it.

    Attributes:
        experiment: the words that reproduce it, as they are typed after ``experiment=``.
        quantity: split and name in evaluation.json, ``test.error``.
        published: the number; None where the paper has a picture or a sign.
        spread: its published standard deviation or error.
        tag: where the number comes from, as in the head of ``published.yaml``.
        gate: what a run is held to, in words; ``at_most`` and ``at_least`` say it in numbers, and ``below`` what the
            mean must lie below by more than 2 standard errors.
        runs: over how many splits of labelled data, or seeds where none are labelled, the gate is asked.
        per: a quantity of the same run that it is divided by.
        where: values that a run's configuration has besides; of ``unless`` it must not have all: another row has.
        versus: ``experiment``, ``where`` and, if it is another, ``quantity`` of the runs whose values are subtracted,
            seed by seed; of several configurations the one with the fewest changes.
        differs: where the experiment leaves the protocol that was published.
        measured: what was reached here: ``value``, its ``stderr`` ``over`` seeds, splits or images, and the ``commit``.
    """

    what: str
    experiment: str
    quantity: str
    published: float | None = None
    spread: float | None = None
    tag: str = ""
    gate: str = ""
    at_most: float | None = None
    at_least: float | None = None
    below: float | None = None
    runs: int = 1
    per: str | None = None
    where: dict[str, Any] = {}
    unless: dict[str, Any] = {}
    versus: dict[str, Any] | None = None
    differs: str = ""
    measured: dict[str, Any] | None = None

    @property
    def command(self) -> str:
        """What is typed after ``experiment=``; of a difference both, the one less the other."""
        words = type_command(self.experiment, self.where)
        if self.versus is None:
            return f"`{words}`"
        return f"`{words}` less `{type_command(self.versus['experiment'], self.versus.get('where', {}))}`"


def type_command(experiment: str, values: Mapping[str, Any]) -> str:
    """An experiment with some values, as it is typed."""
    return " ".join([experiment, *(f"{key}={value}" for key, value in values.items())])


@cache
def read_rows() -> list[Row]:
    """All rows."""
    return [Row(**row) for row in _read_content()["rows"]]


@cache
def _read_content() -> dict[str, Any]:
    return yaml.safe_load(ROWS.read_text(encoding="utf-8"))


def write_page() -> Path:
    """Writes the page beside the experiments, and returns its path.

    Raises:
        OSError: the folder cannot be written, as in an installed package.
    """
    path = config_dir() / PAGE
    write_atomically(path, page())
    return path


def page() -> str:
    """The page: a table for each paper."""
    papers: dict[str, list[Row]] = {}
    for row in read_rows():
        papers.setdefault(row.experiment.partition("/")[0], []).append(row)
    parts = [HEAD.format(hardware=_read_content()["hardware"])]
    for paper, rows in papers.items():
        columns = ("row", "command", "quantity", "published", "gate", "measured here", "commit")
        lines = []
        for row in rows:
            found = row.measured or {}
            stderr = f" ± {found['stderr']:g}" if "stderr" in found else ""
            number = f"{found['value']:g}{stderr} ({found['over']})" if found else ""
            cells = row.what, row.command, row.quantity, published_number(row), row.gate, number
            lines.append([*cells, found.get("commit", "")])
        notes = dict.fromkeys(f"`{row.experiment}` differs: {row.differs}.\n" for row in rows if row.differs)
        parts += [f"## {paper}\n", markdown_table(columns, lines), *notes]
    return "\n".join(parts)


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, each line ended."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n" for cells in lines)


def published_number(row: Row) -> str:
    """With its spread and where it comes from; the latter alone where the paper has a picture or a sign."""
    tag = f"{row.tag} (recalled)" if row.tag.startswith("M") else row.tag
    if row.published is None:
        return tag or "none"
    spread = "" if row.spread is None else f" ± {row.spread:g}"
    return f"{row.published:g}{spread} {tag}".rstrip()
