"""Every example of every docstring, in an empty folder; ``finished_run`` is the folder of a finished run."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src"
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
WITH_EXAMPLES = sorted(p for p in SRC.rglob("*.py") if ">>> " in p.read_text())


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda p: p.stem)
@pytest.mark.usefixtures("no_pictures")
def test_examples_are_true(path, finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = import_module(".".join(path.relative_to(SRC).with_suffix("").parts))
    known = {"finished_run": finished[0]}
    result = doctest.testmod(module, extraglobs=known, raise_on_error=False, optionflags=FLAGS)
    assert result.attempted > 0
    assert result.failed == 0
