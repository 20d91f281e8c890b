"""The planting of mistakes, on a small package; and that its lists are in step with the source."""

import ast
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from tests.planting import ROOT, Mistake, Planter

LISTS = sorted(path.stem for path in (ROOT / "tests" / "planted").glob("*.py"))
PLANTED = [mistake for name in LISTS for mistake in import_module(f"tests.planted.{name}").MISTAKES]


@cache
def text_of(path):
    return (ROOT / path).read_text()


@cache
def statements_of(path):
    """Where the outermost statements of a file begin and end, decorators included: lines counted from 0."""
    body = ast.parse(text_of(path)).body
    return [(min(n.lineno for n in (node, *getattr(node, "decorator_list", ()))) - 1, node.end_lineno) for node in body]


def touched_by(mistake, right, path):
    """The outermost statements of a file that a mistake changes, right and wrong: to parse them all takes a minute."""
    place = right.index(mistake.old)
    first, last = (right.count("\n", 0, position) for position in (place, place + len(mistake.old) - 1))
    touched = [(begin, end) for begin, end in statements_of(path) if begin <= last and first < end]
    begin, end = touched[0][0], touched[-1][1]
    lines, rest = right.splitlines(keepends=True), len(right.splitlines()) - end
    wrong = mistake.planted_in(right).splitlines(keepends=True)
    return "".join(lines[begin:end]), "".join(wrong[begin : len(wrong) - rest])


@pytest.mark.parametrize("name", LISTS)
def test_every_entry_is_in_step_with_the_source(name):
    """What is changed occurs once, what comes of it is another program, and its tests are there."""
    for mistake in import_module(f"tests.planted.{name}").MISTAKES:
        path = f"src/elbolab/{mistake.file}"
        mistake.planted_in(text_of(path))
        right, wrong = touched_by(mistake, text_of(path), path)
        assert ast.dump(ast.parse(wrong)) != ast.dump(ast.parse(right)), mistake
        for test in mistake.tests.split():
            path, _, function = test.partition("::")
            assert f"def {function.partition('[')[0]}" in text_of(path), mistake


def test_no_mistake_is_planted_twice():
    assert len(set(PLANTED)) == len(PLANTED) > 0


SOURCE = "def twice(x):\n    return x + x\n\n\ndef never(x):\n    return x\n"
TESTS = """import pytest
from toy.numbers import twice


def test_twice():
    assert twice(3) == 6


def test_curves_are_the_recorded_ones():
    assert twice(-1) == -2


def test_of_text():
    with pytest.raises(TypeError):
        twice(None)
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkout")
    for path, text in {"src/toy/__init__.py": "", "src/toy/numbers.py": SOURCE, "tests/test_toy.py": TESTS}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


@pytest.fixture(scope="module")
def planter(root):
    with Planter(root / "src", "toy", beside=(), preload=("pytest",)) as planter:
        yield planter
    assert not planter.folder.exists()


def outcome(planter, root, old, new, tests="tests/test_toy.py"):
    return planter.try_mistake(Mistake("numbers.py", old, new, tests), root)


@pytest.mark.parametrize(
    ("old", "new", "verdict", "test"),
    [
        ("x + x", "x * x", "assertion", "test_twice"),
        ("x + x", "x + x if x else 0", "assertion", "test_of_text"),  # pytest's own failure: nothing was raised
        ("x + x", "1 / 0 * x", "error", "test_twice"),
        ("x + x", "x + y", "broken", "test_twice"),
        ("x + x", "x +", "broken", ""),
        ("def twice", "def thrice", "broken", ""),
        ("    return x\n", "    return -x\n", "survived", ""),
        ("x + x", "abs(x + x)", "survived", ""),  # a recorded curve alone sees it
    ],
)
def test_a_mistake_ends_as_the_tests_do(old, new, verdict, test, planter, root):
    found = outcome(planter, root, old, new)
    assert found.verdict == verdict, found
    assert found.is_caught == (verdict in ("assertion", "error"))
    assert found.test.endswith(test)


def test_nothing_of_a_mistake_is_left(planter, root):
    outcome(planter, root, "x + x", "x * x")
    assert planter.try_unchanged(["tests/test_toy.py"], root).verdict == "survived"
    assert (root / "src/toy/numbers.py").read_text() == SOURCE
    assert Path(planter.folder).resolve() not in (root, *root.parents)


def test_a_test_that_is_not_there_sees_nothing(planter, root):
    assert outcome(planter, root, "x + x", "x * x", "tests/test_toy.py::test_none").verdict == "broken"


@pytest.mark.parametrize(("old", "places"), [("x - x", 0), ("return", 2)])
def test_an_entry_out_of_step_with_the_source_is_refused(old, places, planter, root):
    with pytest.raises(ValueError, match=rf"numbers.py has {places} places .*update the entry"):
        outcome(planter, root, old, "pass")
