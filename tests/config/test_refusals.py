"""Every way out that the library names exists in conf/."""

import ast
import re
from pathlib import Path

import pytest

import elbolab
from elbolab.common.refusal import Refusal, change, choose
from elbolab.config.errors import explain, sentence_of
from elbolab.config.paths import config_dir

SRC = Path(elbolab.__file__).parent
NAMING = {"choose": 0, "change": 0, "require_part": 1}
"""Functions that name a group or a key, and the position of the name among their arguments."""


def ways_in(source):
    """Function, name and options (or None where they are not written out) of every way that a source file names."""
    tree = ast.parse(source)
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in imported & NAMING.keys():
            first = NAMING[node.func.id]
            name, *others = node.args[first:]
            if isinstance(name, ast.Constant):
                options = [other.value for other in others if isinstance(other, ast.Constant)]
                settings = [word.value for word in node.keywords if word.arg == "settings"]
                keys = [key.value for pair in settings if isinstance(pair, ast.Dict) for key in pair.keys]
                yield node.func.id, name.value, options, keys


WAYS = [
    (path.relative_to(SRC).as_posix(), *way)
    for path in sorted(SRC.rglob("*.py"))
    if path.name != "refusal.py"
    for way in ways_in(path.read_text())
]


def keys_in_conf():
    """The last parts of all keys that any file of conf/ sets: a key is moved as a whole, or renamed."""
    text = "\n".join(path.read_text() for path in config_dir().rglob("*.yaml"))
    return set(re.findall(r"(?:^|[{,\s])([\w]+):", text))


def is_option(group, option):
    folder = config_dir() / group.partition("@")[0]
    return (folder / f"{option}.yaml").is_file() or (folder / option).is_dir()


@pytest.mark.parametrize(("file", "function", "name", "options", "keys"), WAYS)
def test_every_option_and_key_that_a_refusal_names_exists(file, function, name, options, keys):
    if function == "change":
        keys = [name]
    else:
        assert [option for option in options if not is_option(name, option)] == []
    assert [key for key in keys if key.rpartition(".")[2] not in keys_in_conf()] == []


def test_a_wrong_option_would_be_seen():
    source = "from elbolab.common.refusal import choose\nchoose('likelihood', 'bernouli', settings={'data.gvien': 1})"
    (way,) = ways_in(source)
    assert way == ("choose", "likelihood", ["bernouli"], ["data.gvien"])
    assert not is_option("likelihood", "bernouli")
    assert is_option("likelihood", "bernoulli")
    assert "gvien" not in keys_in_conf()
    assert "given" in keys_in_conf()


def test_the_command_line_says_what_to_type():
    error = Refusal(
        "they do not fit", choose("prior", "a", "b", settings={"x.y": 3}), change("data.given", "labels", None)
    )
    assert sentence_of(error) == "they do not fit: choose prior=a or b with x.y=3, or set data.given=labels or null"
    assert explain(error, [], ["train"]) == sentence_of(error)
    assert (error.ways[0].group, error.ways[0].options) == ("prior", ("a", "b"))
    assert "another prior (a or b) with x.y=3" in str(error)
