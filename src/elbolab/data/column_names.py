"""Columns of a user's tables that by their names may be no data: class labels, identifiers and splits."""

import re
from collections.abc import Iterable

from elbolab.data.options import typed
from elbolab.data.own_names import VOCABULARY, glue

LABELS, IDENTIFIERS, SPLITS = "class labels", "an identifier", "a split or a group"
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
SPLIT_WORDS = (
    *("split", "splits", "fold", "folds", "kfold", "cvfold", "set", "subset", "partition", "group", "groups"),
    *("istrain", "istest", "isval", "isvalid", "traintest"),
)


def meaning_of(name: str) -> str | None:
    """What the name of a column says that it is, where that is no data; else None."""
    glued, words = glue(name), re.findall("[a-z]+", re.sub("(?<=[a-z])(?=[A-Z])", " ", name).lower())
    role = VOCABULARY.get(glued)
    if (role is not None and role.kind == "y") or glued in CLASS_WORDS or words[-1:] in [[w] for w in LAST_CLASS_WORDS]:
        return LABELS
    if glued in INDEX_WORDS or glued in {f"{whose}id" for whose in WHOSE} or set(words) & set(ID_WORDS):
        return IDENTIFIERS
    return SPLITS if glued in SPLIT_WORDS else None


def check_names_of_data(data: Iterable[str], has_no_labels: bool, where: str) -> None:
    """Refuses columns that nobody named and that may be no data.

    Args:
        data: names of the columns that would be data.
        has_no_labels: whether it was said that the table has no labels, so that a column called so is data.
        where: the file, for messages.

    Raises:
        ValueError: there are some; says the ways out.
    """
    found = {name: meaning for name in data if (meaning := meaning_of(name)) is not None}
    if has_no_labels:
        found = {name: meaning for name, meaning in found.items() if meaning != LABELS}
    if not found:
        return
    named = ", ".join(f"the column {name} may be {meaning}" for name, meaning in found.items())
    labels = [f"set {typed('labels', name)}, " for name, meaning in found.items() if meaning == LABELS]
    raise ValueError(
        f"{where}: by {'their names' if len(found) > 1 else 'its name'}, {named}: {''.join(labels)}leave out by "
        f"{typed('ignore', list(found))}, or keep as data by {typed('keep', list(found))}"
    )
