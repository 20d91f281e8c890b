"""Durations and tables as text."""

import pytest

from elbolab.common.text import format_duration, text_table


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(59.4, "59 s"), (59.6, "1 min"), (185, "3 min 5 s"), (3_660, "1 h 1 min"), (3_601, "1 h"), (86_400 * 3, "3 d")],
)
def test_durations_have_their_two_largest_units(seconds, said):
    assert format_duration(seconds) == said


def test_columns_are_flush_left_or_right():
    rows = [("name", "nll", "where"), ("vae", "98.3", "a"), ("iwae, K=50", "7", "bb")]
    expected = ["name         nll  where", "vae         98.3  a", "iwae, K=50     7  bb"]
    assert text_table(rows, left=(0, 2)).splitlines() == expected


def test_cells_are_text_whatever_they_hold(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("FORCE_COLOR", "1")
    long = "aten::" + "x" * 200
    assert text_table([("[bold]", "1"), (long, "±")]).splitlines() == ["[bold]" + " " * 202 + "1", f"{long}  ±"]
