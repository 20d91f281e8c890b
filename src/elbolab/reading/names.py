"""What arrays and columns are, by their names: data, labels, factors or conditions, and of which split.

A name says a kind (``x``, ``images``, ``y``, ``labels``, ...), a split (``train``, ``valid``, ...) or both in either
order, in any case and with or without separators: ``x_train``, ``trainLabels``, ``test-images``.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import NamedTuple

import numpy as np

from elbolab.common.refusal import Refusal, change, choose
from elbolab.reading.folders import SPLITS
from elbolab.reading.options import write_option

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
    """An array of a user's data, one row for each datum, and the name that it has there."""

    name: str
    array: np.ndarray


class Role(NamedTuple):
    """What an array is: its kind, ``x``, ``y``, ``factors`` or ``given``, and its split, empty where there are none."""

    kind: str
    split: str

    def __str__(self) -> str:
        if self.kind == "x":
            return self.split or "x"
        return f"{self.kind}_{self.split}" if self.split else self.kind


def assign_roles(names: Iterable[str], ignore: list[str], where: str) -> dict[Role, str]:
    """What each array of a file is, but for those that are left out; refuses any that nothing would read."""
    names = list(names)
    check_there("ignore", ignore, names, where)
    left = [name for name in names if name not in ignore]
    if set(left) >= DSPRITES:
        raise Refusal(
            f"{where} has the arrays of dSprites",
            choose("data", "dsprites", settings={"data.root": "FOLDER"}),
            change("data.ignore", "[metadata,latents_values]"),
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
    unknown = [name for name in names if normalise_name(name) not in VOCABULARY]
    if len(names) == 1 and unknown:
        return {Role("x", ""): names[0]}
    if unknown and all(re.fullmatch(r"arr_\d+", name) for name in names):
        fix = "save them by numpy.savez(path, x=x, y=y)"
        raise ValueError(f"{where} has arrays without names, {', '.join(names)}: {fix}")
    if unknown:
        nearest = get_close_matches(normalise_name(unknown[0]), VOCABULARY, 1, cutoff=0.75)
        meant = f"{VOCABULARY[nearest[0]]}, the nearest name" if nearest else "x (data), y (labels), factors or given"
        fix = f"leave out by data.ignore=[{','.join(unknown)}], or call {unknown[0]} {meant}"
        raise ValueError(f"{where}: nothing reads {', '.join(unknown)}: {fix}")
    roles: dict[Role, str] = {}
    for name in names:
        role = VOCABULARY[normalise_name(name)]
        if role in roles:
            both = f"{roles[role]} and {name} both mean {role}"
            raise ValueError(f"{where}: {both}: leave one out by data.ignore=[{name}]")
        roles[role] = name
    return roles


def _check_layout(splits: list[str], roles: dict[Role, str], where: str) -> None:
    """Raises ValueError unless there are data, whole or in splits, which have the same arrays beside them."""
    data = [name for role, name in roles.items() if role.kind == "x"]
    if not data:
        there = ", ".join(roles.values()) or "no arrays"
        raise ValueError(f"{where} has {there}, and no data: call them x, or train and test")
    parts = [roles[Role("x", split)] for split in splits if split]
    if "" in splits and parts:
        whole, others = roles[Role("x", "")], "the splits" if "train" in splits else "the others"
        fix = f"call {whole} train if it is to be trained on"
        fix = f"leave out {whole} to use the splits (data.ignore=[{whole}])" if "train" in splits else fix
        anew = f"leave out {others} to cut {whole} anew (data.ignore=[{','.join(parts)}])"
        raise ValueError(f"{where} has {whole} beside {', '.join(parts)}: {fix}, or {anew}")
    if parts and "train" not in splits:
        raise ValueError(f"{where} has {', '.join(parts)}, and none to train on: add the array train")
    for role, name in roles.items():
        if role.split not in splits:
            fixes = " or ".join(str(role._replace(split=split)) for split in splits)
            why = f"as there is no {Role('x', role.split)} beside {', '.join(data)}"
            fix = f"call it {fixes}, or leave it out by data.ignore=[{name}]"
            raise ValueError(f"{where}: {name} belongs to no data, {why}: {fix}")
    for role, name in roles.items():
        for other in (role._replace(split=split) for split in splits):
            if other not in roles:
                fix = f"give {WORDS[role.kind]} to all splits, or leave them out by data.ignore=[{name}]"
                raise ValueError(f"{where}: there is {name}, but no {other}: {fix}")


def normalise_name(name: str) -> str:
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
"""What a name means, as `normalise_name` writes it."""


LABELS, IDENTIFIERS, A_SPLIT = "class labels", "an identifier", "a split or a group"
CLASS_WORDS = (
    *("class", "classes", "cls", "classname", "classlabel", "classid", "species", "category", "categories"),
    *("diagnosis", "outcome", "type", "kind", "groundtruth", "gt"),
)
LAST_CLASS_WORDS = ("class", "label", "labels", "target", "species", "category", "diagnosis")
"""What the name of a column of classes may end in, ``wine_class``."""
ID_WORDS = ("id", "ids", "uuid", "guid")
"""Words of a name that make it an identifier, ``PatientId``, ``id_ref``."""
WHOSE = (
    *("user", "customer", "client", "patient", "subject", "person", "employee", "student", "passenger", "participant"),
    *("sample", "image", "item", "row", "record", "case", "object", "order", "product", "session", "event"),
    *("account", "transaction", "device", "cell", "gene", "obs", "observation"),
)
INDEX_WORDS = ("index", "idx", "rowindex", "rownum", "rownumber", "rownr", "rowno", "rownames", "level0", "key")
SPLIT_COLUMNS = (
    *("split", "splits", "fold", "folds", "kfold", "cvfold", "set", "subset", "partition", "group", "groups"),
    *("istrain", "istest", "isval", "isvalid", "traintest"),
)


def guess_meaning(name: str) -> str | None:
    """What the name of a column says that it is, where that is no data; else None."""
    glued, words = normalise_name(name), re.findall("[a-z]+", re.sub("(?<=[a-z])(?=[A-Z])", " ", name).lower())
    role = VOCABULARY.get(glued)
    if (role is not None and role.kind == "y") or glued in CLASS_WORDS or words[-1:] in [[w] for w in LAST_CLASS_WORDS]:
        return LABELS
    if glued in INDEX_WORDS or glued in {f"{whose}id" for whose in WHOSE} or set(words) & set(ID_WORDS):
        return IDENTIFIERS
    return A_SPLIT if glued in SPLIT_COLUMNS else None


def check_names_of_data(data: Iterable[str], has_no_labels: bool, where: str) -> None:
    """Raises ValueError where columns that would be data, and that nobody named, may be none by their names.

    Where the user has said that the table has no labels, a column that is called so is data.
    """
    excluded = (None, LABELS) if has_no_labels else (None,)
    found = {name: meaning for name in data if (meaning := guess_meaning(name)) not in excluded}
    if not found:
        return
    named = ", ".join(f"the column {name} may be {meaning}" for name, meaning in found.items())
    labels = [f"set {write_option('labels', name)}, " for name, meaning in found.items() if meaning == LABELS]
    raise ValueError(
        f"{where}: by {'their names' if len(found) > 1 else 'its name'}, {named}: {''.join(labels)}leave out by "
        f"{write_option('ignore', list(found))}, or keep as data by {write_option('keep', list(found))}"
    )
