"""Imports go downwards (design §1); this parses them."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "elbolab"
LAYER = {
    "batch": 0,
    "common": 0,
    "nets": 0,
    "metrics": 0,
    "distributions": 1,
    "data": 1,
    "densities": 2,
    "training": 2,
    "models": 3,
    "evaluation": 4,
    "callbacks": 4,
    "benchmark": 4,
    "cli": 5,
    "__init__": 6,
}
MAY_IMPORT = {"hydra": {"cli"}, "lightning": {"data", "training", "models", "callbacks", "benchmark", "cli"}}
FILES = sorted(SRC.rglob("*.py"))


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def package(path):
    return path.relative_to(SRC).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SRC)))
def test_no_import_goes_up(path):
    for module in imports(path):
        parts = module.split(".")
        if parts[0] == "elbolab" and len(parts) > 1:
            assert LAYER[parts[1]] <= LAYER[package(path)], f"{path} imports {module}"
        if parts[0] in MAY_IMPORT:
            assert package(path) in MAY_IMPORT[parts[0]], f"{path} imports {module}"


def test_the_check_sees_an_upward_import(tmp_path):
    (tmp_path / "x.py").write_text("from elbolab.models.vae import VAE\n")
    assert list(imports(tmp_path / "x.py")) == ["elbolab.models.vae"]
