"""Terminals without room, colours or letters beyond ASCII: what is printed stays readable."""

import re

import pytest
from tests.runs.fake_runs import make_run, report_of

from elbolab.config.arguments import quote_values
from elbolab.report.rows import columns_of
from elbolab.report.table import table_of
from elbolab.runs.gather import read_entries


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """The table of two runs."""
    for num in range(2):
        make_run(tmp_path / str(num), name=f"run_{num}", seed=num, report=report_of(-91.25 - num))
    entries = read_entries([tmp_path])

    def draw(width, term):
        monkeypatch.setenv("TERM", term)
        return table_of(entries, columns_of(entries), width, mean=False)

    return draw


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("width", [1, 20])
def test_a_table_wider_than_its_terminal_is_cut_nowhere(drawn, width):
    rows = [line.split() for line in plain(drawn(width, "xterm")).splitlines()]
    told = [row for row in rows if row[:1] in (["seed=0"], ["seed=1"])]
    assert [row[1:3] for row in told] == [["finished", "-91.25"], ["finished", "-92.25"]]
    assert "…" not in drawn(width, "xterm")


@pytest.mark.parametrize("term", ["dumb", "unknown", ""])
def test_a_terminal_that_knows_no_colours_gets_none(drawn, term):
    assert "\x1b" in drawn(100, "xterm")
    assert "\x1b" not in drawn(100, term)
    assert drawn(100, term) == plain(drawn(100, "xterm"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("data.path=données.npz", "data.path='données.npz'"),
        ("title=Ä,b,c d'", "title=Ä,b,c d'"),
        ("title=Ä,b", "title='Ä',b"),
        ("title='Ä'", "title='Ä'"),
        ("tags=[Ä]", "tags=[Ä]"),
        ("a=b", "a=b"),
        ("--config-dir=Ä", "--config-dir=Ä"),
        ("hydra.run.dir=caf\udce9", "hydra.run.dir='caf\udce9'"),
    ],
)
def test_letters_that_hydra_does_not_know_are_quoted_for_it(given, expected):
    assert quote_values([given]) == [expected]


def test_paths_may_have_any_letters(shell):
    assert "title: Über uns" in shell("train", "title=Über uns", "--cfg", "job", "hydra.run.dir=数据")
