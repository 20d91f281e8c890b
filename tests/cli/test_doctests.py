"""Every example of every docstring; ``finished_run`` is the folder of a finished run."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src"
WITH_EXAMPLES = sorted(p for p in SRC.rglob("*.py") if ">>> " in p.read_text())


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda p: p.stem)
def test_examples_are_true(path, finished):
    module = import_module(".".join(path.relative_to(SRC).with_suffix("").parts))
    result = doctest.testmod(module, extraglobs={"finished_run": finished[0]}, raise_on_error=False)
    assert result.attempted > 0
    assert result.failed == 0
