"""What the documents link to is there and is shipped, and what they list is complete."""

import re
import tomllib
from pathlib import Path

import pytest

from elbolab.config.listing import read_choices
from elbolab.config.paths import config_dir

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("[a-z]*/**/*.md"))]
SHIPPED = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]


def links_of(text):
    """The targets of links and pictures, but for those on the web."""
    return [link for link in re.findall(r"\]\(([^)\s]+?)(?:#[^)]*)?\)", text) if "://" not in link]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_to_files_that_are_shipped(document):
    for link in links_of(document.read_text()):
        target = (document.parent / link).resolve()
        assert target.exists(), link
        assert target.relative_to(ROOT).parts[0] in SHIPPED, f"{link} is not in the sdist"
    assert document.relative_to(ROOT).parts[0] in SHIPPED


def test_a_broken_link_would_be_seen():
    assert links_of("[a](b/c.md) ![d](e.png) [f](https://g.org) [h](i.md#part)") == ["b/c.md", "e.png", "i.md"]


def test_the_first_page_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_the_map_names_every_package():
    folder = ROOT / "src" / "elbolab"
    packages = {path.parent.name for path in folder.glob("*/__init__.py")}
    text = (folder / "README.md").read_text()
    rows = [line.partition("|")[2].partition("|")[0] for line in text.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)/`", row)} == packages


def test_the_page_of_groups_has_all_of_them():
    page = (config_dir() / "README.md").read_text(encoding="utf-8")
    listed = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
    assert listed == {group for group in read_choices([config_dir()]) if group.count("/") < 2}
