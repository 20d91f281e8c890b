"""Imports go downwards and never in a circle (design §1), by package path; this parses them."""

from itertools import pairwise
from pathlib import Path

import pytest
from tests.imports import Tree, circular

SRC = Path(__file__).parents[1] / "src" / "elbolab"
LAYER = {
    "batch": 0,
    "common": 0,
    "nets": 1,
    "metrics": 1,
    "distributions": 2,
    "reading": 2,
    "data": 3,
    "densities": 3,
    "training": 4,
    "models": 5,
    "evaluation": 6,
    "loggers": 7,
    "callbacks": 8,
    "benchmark": 8,
    "config": 8,
    "runs": 9,
    "stages": 10,
    "sweeps": 11,
    "search": 12,
    "cluster": 12,
    "report": 12,
    "cli": 13,
    "__init__": 14,
}
MAY_IMPORT = {
    "hydra": {"config", "stages", "sweeps", "search", "cluster", "report", "cli"},
    "lightning": {
        *(
            "reading",
            "data",
            "training",
            "models",
            "loggers",
            "callbacks",
            "benchmark",
            "config",
            "runs",
            "stages",
            "sweeps",
            "cli",
        ),
    },
}
APART = {("search", "cluster"), ("cluster", "search"), ("search", "report"), ("cluster", "report")}
"""Packages of one layer that must not know each other, although that would close no circle."""


@pytest.fixture(scope="module")
def tree():
    return Tree(SRC)


def test_every_package_has_a_layer(tree):
    assert {package.partition("/")[0] for package in tree.packages()} == LAYER.keys()


def test_no_import_goes_up(tree):
    assert tree.upward(LAYER) == []


def test_only_some_packages_know_hydra_and_lightning(tree):
    assert tree.foreign(MAY_IMPORT) == []


def test_packages_of_one_layer_keep_apart(tree):
    assert {(one, other) for one, found in tree.packages().items() for other in found} & APART == set()


def test_only_the_command_line_imports_the_benchmark(tree):
    assert {one for one, found in tree.packages().items() if "benchmark" in found} == {"cli"}


def test_no_packages_import_each_other_in_a_circle(tree):
    assert circular(tree.packages()) == set()


def test_no_modules_import_each_other_in_a_circle(tree):
    assert circular(tree.within()) == set()


# -- that these checks see what they are for ---------------------------------------------------------------------------

PACKAGES = [name for name in LAYER if name != "__init__"]
UPWARD = [(one, other) for one in PACKAGES for other in PACKAGES if LAYER[one] < LAYER[other]]
FORMS = {
    "of a module": "import elbolab.{other}.b",
    "of a name": "from elbolab.{other}.b import b",
    "of a module from its package": "from elbolab.{other} import b",
    "in a function": "def f():\n    from elbolab.{other}.b import b\n",
    "for types alone": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from elbolab.{other}.b import b\n",
}


def planted(folder, files):
    """A source tree of these files, all of whose folders are packages."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for package in {parent for path in folder.rglob("*.py") for parent in path.relative_to(folder).parents}:
        (folder / package / "__init__.py").touch()
    return Tree(folder)


@pytest.mark.parametrize(("one", "other"), UPWARD)
def test_an_upward_import_is_seen_from_every_package_to_every_one_above(one, other, tmp_path):
    files = {f"{one}/a.py": f"from elbolab.{other} import b\n", f"{other}/b.py": "b = 1\n"}
    assert planted(tmp_path, files).upward(LAYER) == [f"elbolab.{one}.a imports elbolab.{other}.b"]
    files = {f"{other}/a.py": f"from elbolab.{one} import b\n", f"{one}/b.py": "b = 1\n"}
    assert planted(tmp_path / "right", files).upward(LAYER) == []


@pytest.mark.parametrize("form", FORMS)
def test_an_upward_import_is_seen_in_every_form(form, tmp_path):
    files = {"data/deep/a.py": FORMS[form].format(other="models"), "models/b.py": "b = 1\n"}
    assert planted(tmp_path, files).upward(LAYER) == ["elbolab.data.deep.a imports elbolab.models.b"]


@pytest.mark.parametrize("form", FORMS)
def test_a_circle_of_packages_is_seen_in_every_form(form, tmp_path):
    """Through three packages of one layer, by three files that are no circle."""
    packages = ["cli/runs", "cli/sweep", "cli/report", "cli/runs"]
    files = {f"{one}/a.py": FORMS[form].format(other=other.replace("/", ".")) for one, other in pairwise(packages)}
    files |= {f"{package}/b.py": "b = 1\n" for package in packages}
    tree = planted(tmp_path, files)
    assert circular(tree.packages()) == set(pairwise(packages))
    assert circular(tree.within()) == set()
    files["cli/report/a.py"] = "b = 1\n"
    assert circular(planted(tmp_path, files).packages()) == set()


def test_a_circle_of_modules_is_seen_within_a_package(tmp_path):
    files = {"cli/a.py": "def f():\n    import elbolab.cli.b\n", "cli/b.py": "from elbolab.cli import a\n"}
    pairs = {("elbolab.cli.a", "elbolab.cli.b"), ("elbolab.cli.b", "elbolab.cli.a")}
    assert circular(planted(tmp_path, files).within()) == pairs


@pytest.mark.parametrize(
    "line", ["import hydra", "from hydra.utils import instantiate", "def f():\n    import hydra.core"]
)
def test_a_library_in_the_wrong_place_is_seen(line, tmp_path):
    tree = planted(tmp_path, {"cli/a.py": line, "densities/a.py": line, "densities/b.py": "import torch"})
    assert tree.foreign(MAY_IMPORT) == ["elbolab.densities.a imports hydra"]
