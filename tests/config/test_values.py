"""Types of config values, against the annotations of what they are given to."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
import torch
from omegaconf import OmegaConf

from elbolab.config.values import absolute_paths, check_values, describe_type, fits, hints_of

NODE = {"_target_": "somewhere.Else"}


@pytest.mark.parametrize(
    ("hint", "good", "bad"),
    [
        (int, [3, -1], ["x", 1.5, True, None, [1]]),
        (float, [3, 1.5, float("inf")], ["x", False, None]),
        (bool, [True, False], ["yes", 0, 1, None]),
        (str, ["x", ""], [5, 1.5, True, None, ["x"]]),
        (int | None, [3, None], ["x", 1.5]),
        (str | Path, ["x", 5], [None, ["x"]]),
        (Literal["a", "b"], ["a"], ["c", None]),
        (bool | Literal["warn"], [True, "warn"], ["foo"]),
        (Sequence[int], [[], [1, 2]], [1, "12", [1, "a"], [1.5]]),
        (list[str] | None, [["a"], None], ["a", [1]]),
        (tuple[float, float], [[0.9, 1]], [0.9, ["a", "b"]]),
        (tuple[float | torch.Tensor, ...], [[0.9, 1]], [0.9, ["a"]]),
        (Mapping[str, int], [{"a": 1}], [1, ["a"]]),
        (float | torch.Tensor, [0.1, NODE], ["abc"]),
        (Callable[[int], int] | None, [None, NODE], ["x"]),
        (torch.Tensor, ["what a class alone takes is not known", NODE], []),
        (Any, ["x", 1, None], []),
    ],
)
def test_a_value_fits_its_annotation(hint, good, bad):
    assert [value for value in good if not fits(value, hint)] == []
    assert [value for value in bad if fits(value, hint)] == []
    assert fits(NODE, hint)


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (int | None, "a whole number, or null"),
        (str | Path, "text"),
        (Sequence[int], "a list in brackets, of whole numbers"),
        (float | torch.Tensor, "a number, or a node with _target_"),
        (bool | Literal["warn"], "true or false, or warn"),
    ],
)
def test_types_in_words(hint, words):
    assert describe_type(hint) == words


class Base:
    def __init__(self, seed: int = 0, root: str | Path | None = None, later: "float" = 0.0): ...


class Kind(Base):
    def __init__(self, size: int, name: str = None, **base: Any):  # noqa: RUF013 -- None is allowed by its default
        super().__init__(**base)


class Closed(Base):
    def __init__(self, size: int):
        super().__init__()


class Pair(NamedTuple):
    first: int = 1


def recipe(size: int, **others: Any): ...


HERE = "tests.config.test_values"


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, HERE, sys.modules[__name__])


def test_hints_reach_base_classes_that_get_the_other_arguments():
    assert hints_of(f"{HERE}.Kind") == {
        "seed": int,
        "root": str | Path | None,
        "later": float,
        "size": int,
        "name": str | None,
    }
    assert hints_of(f"{HERE}.Closed") == {"size": int}
    assert hints_of(f"{HERE}.Pair") == {"first": int}
    assert hints_of(f"{HERE}.recipe") == {"size": int}
    assert hints_of("nowhere.Else") == {}


def config(**data):
    return OmegaConf.create({"seed": 1, "data": {"_target_": f"{HERE}.Kind", **data}, "copy": "${data}"})


DEFAULTS = OmegaConf.create({"seed": 0, "group": None, "run": "???", "name": "${seed}", "tags": []})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"size": "x"}, "data.size=x: give a whole number"),
        ({"size": 1, "seed": "x"}, "data.seed=x: give a whole number"),
        ({"size": 1, "seed": "${data.root}", "root": "a"}, "data.seed=a: give a whole number"),
        ({"size": 1, "name": 5}, "data.name=5: give text, or null$"),
        ({"size": True}, "data.size=true: give"),
        ({"size": 1, "later": {"_target_": f"{HERE}.Kind", "size": "y"}}, "data.later.size=y: give"),
    ],
)
def test_a_value_of_another_type_is_named_once_with_its_key(data, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        check_values(config(**data), DEFAULTS)


def test_values_that_fit_pass():
    check_values(config(size=1, seed="${seed}", root=None, name=None, later={"_target_": "x.Y"}, unknown=1), DEFAULTS)
    check_values(config(size="???"), DEFAULTS)  # what is missing has a message of its own


@pytest.mark.parametrize(("root", "word"), [({"seed": "x"}, "seed=x"), ({"tags": "a"}, "tags=a")])
def test_plain_keys_are_of_their_defaults_type(root, word):
    with pytest.raises(ValueError, match=f"^{word}: give a "):
        check_values(OmegaConf.create(root), DEFAULTS)
    check_values(OmegaConf.create({"seed": 3, "group": 5, "run": "a", "name": "b", "tags": ["a"]}), DEFAULTS)


def test_paths_become_absolute_and_nothing_else(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    data = absolute_paths(config(size=1, root="a/b", name="a/b")).data
    assert data.root == str(tmp_path / "a" / "b")
    assert data.name == "a/b"
    for kept in (None, "/a", "s3://bucket/a"):
        assert absolute_paths(config(size=1, root=kept)).data.root == kept
