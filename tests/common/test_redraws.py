"""Terminals that redraw, and what cannot: a pair of ends stands for a terminal."""

import fcntl
import os
import pty
import struct
import termios

import pytest

from elbolab.common.terminal import is_dumb, redraws


@pytest.fixture
def screen():
    """A terminal of as many columns as are asked for, to write to."""
    ends, streams = [], []

    def of(columns):
        ends.extend(pty.openpty())
        fcntl.ioctl(ends[-1], termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        streams.append(os.fdopen(ends[-1], "w", closefd=False))
        return streams[-1]

    yield of
    for stream in streams:
        stream.close()
    for end in ends:
        os.close(end)


@pytest.mark.parametrize(
    ("term", "columns", "expected"),
    [
        ("xterm-256color", 80, True),
        ("xterm", 40, True),
        ("xterm", 39, False),
        ("xterm", 0, False),
        ("dumb", 80, False),
        ("Dumb", 80, False),
        ("unknown", 80, False),
        ("", 80, False),
        (None, 80, False),
    ],
)
def test_a_terminal_redraws_that_has_the_room_and_knows_how(screen, monkeypatch, term, columns, expected):
    monkeypatch.delenv("TERM", raising=False)
    if term is not None:
        monkeypatch.setenv("TERM", term)
    assert redraws(screen(columns)) is expected
    assert is_dumb() is (term not in ("xterm", "xterm-256color"))


def test_a_file_redraws_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    with open(tmp_path / "file", "w") as file:
        assert not redraws(file)
