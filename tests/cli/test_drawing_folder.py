"""Matplotlib's folder, where nobody can write to the one it would take."""

import os
import stat

import pytest

from elbolab.cli import drawing_folder
from elbolab.cli.drawing_folder import settle_drawing_folder

NAMES = ("MPLCONFIGDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "HOME")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Sets the variables that lead to it; what is to be done at the end of the process is done at the test's."""
    ends = []
    monkeypatch.setattr(drawing_folder.atexit, "register", lambda *args, **options: ends.append((args, options)))

    def of(**values):
        for name in NAMES:
            monkeypatch.delenv(name, raising=False)
        for name, value in values.items():
            monkeypatch.setenv(name, str(value))

    of(HOME=tmp_path)
    yield of
    for (remove, *args), options in ends:
        remove(*args, **options)
    os.environ.pop("MPLCONFIGDIR", None)


def test_a_folder_that_can_be_written_stays(tmp_path, home):
    settle_drawing_folder()
    assert "MPLCONFIGDIR" not in os.environ
    home(MPLCONFIGDIR=tmp_path / "mine", HOME="/dev/null")
    settle_drawing_folder()
    assert os.environ["MPLCONFIGDIR"] == str(tmp_path / "mine")


@pytest.mark.parametrize("name", NAMES)
def test_where_one_cannot_be_written_there_is_one_for_all_processes(tmp_path, home, name):
    home(**({"HOME": tmp_path} | {name: "/dev/null"}))
    settle_drawing_folder()
    folder = os.environ["MPLCONFIGDIR"]
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700  # its name is nobody's secret
    settle_drawing_folder()
    assert os.environ["MPLCONFIGDIR"] == folder


def test_it_goes_with_the_command(home, monkeypatch):
    ends = []
    monkeypatch.setattr(drawing_folder.atexit, "register", lambda *args, **options: ends.append((args, options)))
    home(HOME="/dev/null")
    settle_drawing_folder()
    folder = os.environ["MPLCONFIGDIR"]
    (((remove, *args), options),) = ends
    remove(*args, **options)
    assert not os.path.exists(folder)
