"""What the arrays of a user's own data are, by their names: data, labels, factors or conditions, and of which split.

A name says a kind (``x``, ``images``, ``y``, ``labels``, ...), a split (``train``, ``valid``, ...) or both in either
order, in any case and with or without separators: ``x_train``, ``trainLabels``, ``test-images``.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import NamedTuple

import numpy as np

from elbolab.data.layouts import SPLITS

KINDS = {
    "x": ("x", "data", "images", "image", "imgs", "img", "inputs", "input", "features", "samples", "arr", "arr0"),
    "y": ("y", "labels", "label", "targets", "target"),
    "factors": ("factors", "factor", "latents", "latentsclasses"),
    "given": ("given", "conditions", "condition"),
}
"""Ways to write each kind of array."""
WORDS = {"y": "labels", "factors": "factors", "given": "conditions"}
SPLIT_WORDS = SPLITS | {"tr": "train", "te": "test"}
DSPRITES = {"imgs", "latents_classes", "latents_values", "metadata"}


class Part(NamedTuple):
    """An array of a user's data.

    Attributes:
        name: what it is called there.
        array: one row for each datum.
    """

    name: str
    array: np.ndarray


class Role(NamedTuple):
    """What an array is.

    Attributes:
        kind: ``x``, ``y``, ``factors`` or ``given``.
        split: ``train``, ``val`` or ``test``, empty where the file has no splits.
    """

    kind: str
    split: str

    def __str__(self) -> str:
        """The plainest name of such an array."""
        if self.kind == "x":
            return self.split or "x"
        return f"{self.kind}_{self.split}" if self.split else self.kind


def assign_roles(names: Iterable[str], ignore: list[str], where: str) -> dict[Role, str]:
    """What each array is.

    Args:
        names: of the arrays.
        ignore: names of arrays that are left out.
        where: the file, for messages.

    Raises:
        ValueError: an array that nothing would read, that belongs to no data, or that has two readings.
    """
    names = list(names)
    check_there("ignore", ignore, names, where)
    left = [name for name in names if name not in ignore]
    if set(left) >= DSPRITES:
        raise ValueError(
            f"{where} has the arrays of dSprites: choose data=dsprites data.root=FOLDER; for another selection of it, "
            "data.ignore=[metadata,latents_values]"
        )
    roles = _read_names(left, where)
    splits = [role.split for role in roles if role.kind == "x"]
    _check_layout(splits, roles, where)
    if splits == ["train"]:  # nothing to keep apart: all splits are cut from it
        roles = {role._replace(split=""): name for role, name in roles.items()}
    return roles


def check_there(option: str, wanted: list[str], names: list[str], where: str) -> None:
    """Raises ValueError where an option names an array or a column that is not there."""
    for name in wanted:
        if name not in names:
            nearest = get_close_matches(name, names, 1)
            there = f"the nearest name is {nearest[0]}" if nearest else f"there are {', '.join(names)}"
            raise ValueError(f"{where}: data.{option} names {name}, which is not there: {there}")


def _read_names(names: list[str], where: str) -> dict[Role, str]:
    if len(names) == 1 and glue(names[0]) not in VOCABULARY:
        return {Role("x", ""): names[0]}
    roles: dict[Role, str] = {}
    unknown = [name for name in names if glue(name) not in VOCABULARY]
    if unknown:
        raise ValueError(_describe_unknown(unknown, names, where))
    for name in names:
        role = VOCABULARY[glue(name)]
        if role in roles:
            raise ValueError(
                f"{where}: {roles[role]} and {name} both mean {role}: leave one out by data.ignore=[{name}]"
            )
        roles[role] = name
    return roles


def _describe_unknown(unknown: list[str], names: list[str], where: str) -> str:
    listed = ", ".join(unknown)
    if all(re.fullmatch(r"arr_\d+", name) for name in names):
        return f"{where} has arrays without names, {', '.join(names)}: save them by numpy.savez(path, x=x, y=y)"
    nearest = get_close_matches(glue(unknown[0]), VOCABULARY, 1, cutoff=0.75)
    roles = f"{VOCABULARY[nearest[0]]}, the nearest name" if nearest else "x (data), y (labels), factors or given"
    return (
        f"{where}: nothing reads {listed}: leave out by data.ignore=[{','.join(unknown)}], or call {unknown[0]} {roles}"
    )


def _check_layout(splits: list[str], roles: dict[Role, str], where: str) -> None:
    """Raises ValueError unless there are data, in one piece or in splits, and every other array belongs to some."""
    data = [name for role, name in roles.items() if role.kind == "x"]
    if not data:
        raise ValueError(
            f"{where} has {', '.join(roles.values()) or 'no arrays'}, and no data: call them x, or train and test"
        )
    parts = [roles[Role("x", split)] for split in splits if split]
    if "" in splits and parts:
        whole = roles[Role("x", "")]
        if "train" not in splits:
            raise ValueError(
                f"{where} has {whole} beside {', '.join(parts)}: call {whole} train if it is to be trained on, or "
                f"leave out the others to cut {whole} anew (data.ignore=[{','.join(parts)}])"
            )
        raise ValueError(
            f"{where} has {whole} beside {', '.join(parts)}: leave out {whole} to use the splits "
            f"(data.ignore=[{whole}]), or leave out the splits to cut {whole} anew (data.ignore=[{','.join(parts)}])"
        )
    if parts and "train" not in splits:
        raise ValueError(f"{where} has {', '.join(parts)}, and none to train on: add the array train")
    for role, name in roles.items():
        if role.split not in splits:
            fixes = [str(role._replace(split=split)) for split in splits]
            raise ValueError(
                f"{where}: {name} belongs to no data, as there is no {Role('x', role.split)} beside {', '.join(data)}: "
                f"call it {' or '.join(fixes)}, or leave it out by data.ignore=[{name}]"
            )
    _check_complete(splits, roles, where)


def _check_complete(splits: list[str], roles: dict[Role, str], where: str) -> None:
    for role, name in roles.items():
        for split in splits:
            if role._replace(split=split) not in roles:
                raise ValueError(
                    f"{where}: there is {name}, but no {role._replace(split=split)}: give {WORDS[role.kind]} to all "
                    f"splits, or leave them out by data.ignore=[{name}]"
                )


def glue(name: str) -> str:
    """A name in small letters, without separators."""
    return re.sub(r"[\W_]+", "", name).lower()


def _vocabulary() -> dict[str, Role]:
    """Every way to write a kind, a split, or both."""
    found = {word: Role(kind, "") for kind, words in KINDS.items() for word in words}
    for split_word, split in SPLIT_WORDS.items():
        for split_name in (split_word, f"{split_word}set"):
            if len(split_word) > 2:
                found[split_name] = Role("x", split)
            for kind, words in KINDS.items():
                found |= {name: Role(kind, split) for word in words for name in (word + split_name, split_name + word)}
    return found


VOCABULARY = _vocabulary()
"""What a name means, as `glue` writes it."""
