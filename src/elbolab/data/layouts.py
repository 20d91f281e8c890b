"""Which pictures of a folder belong to which split and class.

Pictures may lie in the folder itself (no labels), in a folder for each class, or in ``train``, ``val`` and ``test``,
which hold pictures or class folders in turn. A layout that can be read in two ways is refused.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import final

from elbolab.data.folders import Folder, name_some, say_what_is_left_out, warn

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""Split that a folder of this name holds, in any case."""
IMAGES = ("images", "image", "imgs", "img", "pictures")
"""Names of folders that hold the data, and are no class beside masks, say."""


@final
@dataclass(frozen=True)
class Part:
    """The pictures of one split.

    Attributes:
        paths: picture files.
        classes: name of the class of each picture, None where there are no classes.
    """

    paths: list[Path]
    classes: list[str] | None


def arrange(root: Folder) -> dict[str, Part]:
    """The pictures of each split, or of all data, ``x``.

    Raises:
        ValueError: the layout has two readings, or leaves nothing to train on.
    """
    parts = _unwrap_alike(_find_splits(_unwrap(root)))
    for name, folder in parts.items():
        _check_layout(folder, name)
    _check_classes(parts, root.path)
    arranged = {name: _labelled(folder) for name, folder in parts.items()}
    say_what_is_left_out(root)
    return arranged


def _unwrap(folder: Folder) -> Folder:
    """The folder in which pictures or several folders lie."""
    while not folder.pictures and len(folder.folders) == 1:
        _check_filled(folder)
        folder = folder.folders[0]
        if SPLITS.get(folder.name.casefold()) in ("val", "test"):
            raise ValueError(
                f"data.path={folder.path.parent} has pictures in {folder.name} alone, and none to train on: add a "
                f"folder train, or give data.path={folder.path} to train on these"
            )
    return folder


def _find_splits(folder: Folder) -> dict[str, Folder]:
    """The folders of the splits where there are some, else the folder as ``x``."""
    named = [(SPLITS.get(sub.name.casefold()), sub) for sub in folder.folders]
    splits = {split: sub for split, sub in named if split is not None}
    if not splits:
        _check_similar_names(folder)
        return {"x": folder}
    _check_filled(folder)
    names = ", ".join(sub.name for split, sub in named if split is not None)
    beside = [sub.name for split, sub in named if split is None] + [path.name for path in folder.pictures]
    if beside:
        raise ValueError(
            f"data.path={folder.path} has {names}, and beside that {name_some(beside)}. If the former are splits, move "
            "the rest into them or away; if they are classes, give these folders other names"
        )
    if len(splits) < len(named):
        raise ValueError(
            f"data.path={folder.path} has {names}, of which two mean one split: put their pictures into one folder"
        )
    if "train" not in splits:
        raise ValueError(
            f"data.path={folder.path} has {names}, and none to train on. If these are splits, add a folder train; if "
            "they are classes, give these folders other names"
        )
    return {split: splits[split] for split in ("train", "val", "test") if split in splits}


def _check_filled(folder: Folder) -> None:
    """Refuses a split without pictures beside one with them."""
    splits = [sub.name for sub in folder.folders if sub.name.casefold() in SPLITS]
    without = [sub.name for sub in folder.without if sub.name.casefold() in SPLITS]
    if splits and without:
        raise ValueError(
            f"data.path={folder.path} has no pictures in {name_some(without)}, where {name_some(splits)} has some: add "
            "pictures of a kind that Pillow reads, or remove the folder, and such data are cut from train"
        )


def _check_similar_names(folder: Folder) -> None:
    """Refuses train2017 beside val2017, or trainA beside testA."""
    similar = {sub.name: split for sub in folder.folders if (split := _similar_split(sub.name)) is not None}
    if len(set(similar.values())) > 1:
        raise ValueError(
            f"data.path={folder.path} has the folders {name_some(list(similar))}. If these are splits, call them "
            "train, val and test; if they are classes, give them names that are not so like splits"
        )


def _similar_split(name: str) -> str | None:
    """The split that a word of the name means, as in ``train2017``, ``trainA``, ``my-test`` or ``trainset``."""
    words = re.findall("[a-z]+", re.sub("(?<=[a-z])(?=[A-Z])", " ", name).casefold())
    return next((SPLITS[word] for word in (word.removesuffix("set") for word in words) if word in SPLITS), None)


def _unwrap_alike(parts: dict[str, Folder]) -> dict[str, Folder]:
    """The folders images of train/images and test/images, where there is nothing beside them."""
    while all(not part.pictures and len(part.folders) == 1 for part in parts.values()):
        if len({part.folders[0].name for part in parts.values()}) > 1:
            return parts
        parts = {name: part.folders[0] for name, part in parts.items()}
    return parts


def _check_layout(folder: Folder, name: str) -> None:
    """Refuses pictures beside class folders, and splits inside of classes."""
    classes = [sub.name for sub in folder.folders]
    if folder.pictures and classes:
        loose = name_some([path.name for path in folder.pictures])
        raise ValueError(
            f"data.path: {folder.path} has pictures ({loose}) beside folders of pictures ({name_some(classes)}). If "
            "the folders are classes, move the pictures into them or away; if there are no classes, move all pictures "
            "into one folder"
        )
    if len(classes) > 1 and (images := [name for name in classes if name.casefold() in IMAGES]):
        raise ValueError(
            f"data.path: {folder.path} has the folders {name_some(classes)}. If the data are in {images[0]}, give that "
            "as data.path or move the others away; if these are classes, give them other names"
        )
    for sub in folder.folders:
        if inner := [deep.name for deep in sub.all_folders() if deep.name.casefold() in SPLITS]:
            within = "" if name == "x" else f" of the split {name}"
            raise ValueError(
                f"data.path: {sub.path}{within} has {name_some(inner)} inside. If these are splits, put them outside, "
                f"as in {inner[0]}/{sub.name}; if not, give them other names"
            )


def _check_classes(parts: dict[str, Folder], root: Path) -> None:
    """Refuses classes in some splits only, and classes that no training data have; says which training alone has."""
    train, *others = parts.items()
    known = {sub.name for sub in train[1].folders}
    for name, part in others:
        found = {sub.name for sub in part.folders}
        if bool(found) != bool(known):
            some, none = (train[0], name) if known else (name, train[0])
            raise ValueError(
                f"data.path={root}: {some} has class folders ({name_some(sorted(known or found))}), {none} has none: "
                f"put the pictures of {none} into class folders too, or those of {some} into one folder"
            )
        if new := sorted(found - known):
            raise ValueError(
                f"data.path={root}: {name} has folders that train has not: {name_some(new)}. If these are classes, "
                "give train pictures of them or move them away; if there are no classes, move the pictures of each "
                "split into one folder"
            )
        if missing := sorted(known - found):
            warn("data.path=%s: %s has no pictures of the classes %s", root, name, name_some(missing))


def _labelled(folder: Folder) -> Part:
    if not folder.folders:
        return Part(list(folder.pictures), None)
    deeper = [inner.path for sub in folder.folders for inner in sub.folders]
    if deeper:
        warn(
            "data.path: the classes are the folders of %s; deeper ones, such as %s, count as part of theirs",
            folder.path,
            deeper[0].relative_to(folder.path),
        )
    labelled = [(path, sub.name) for sub in folder.folders for path in sub.all_pictures()]
    return Part([path for path, _ in labelled], [name for _, name in labelled])
