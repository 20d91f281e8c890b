"""Folders of pictures: what lies in them, and which pictures belong to which split and class.

Pictures may lie in the folder itself (no labels), in a folder for each class, or in ``train``, ``val`` and ``test``,
which hold pictures or class folders in turn. A layout that can be read in two ways is refused.
"""

import logging
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from lightning.pytorch.utilities.rank_zero import rank_zero_only

from elbolab.reading.picture_files import picture_suffixes

LITTER = ("__MACOSX", "@eaDir")
"""Folders that archives and file servers add; so are those whose names begin with a dot."""
LABEL_FILES = (".csv", ".tsv", ".json", ".txt", ".xml", ".xlsx", ".mat", ".npy", ".npz", ".parquet", ".pkl")
"""Files that may hold labels or data, which a user would miss."""
SPLIT_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
SPLITS = {name: split for split, names in SPLIT_NAMES.items() for name in names}
"""Split that a folder of this name holds, in any case."""
IMAGES = ("images", "image", "imgs", "img", "pictures")
"""Names of folders that hold the data, and are no class beside masks, say."""
warn = rank_zero_only(logging.getLogger(__name__).warning)


@final
@dataclass(frozen=True)
class Folder:
    """A folder and what lies in it, in sorted order.

    Attributes:
        pictures: picture files directly in it.
        folders: folders that have pictures at any depth.
        without: folders that have none.
        others: files that are no pictures, and folders that are not looked into.
    """

    path: Path
    pictures: list[Path] = field(default_factory=list)
    folders: list["Folder"] = field(default_factory=list)
    without: list["Folder"] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Last part of the path."""
        return self.path.name

    def all_pictures(self) -> Iterator[Path]:
        """Pictures at any depth."""
        yield from self.pictures
        for folder in self.folders:
            yield from folder.all_pictures()

    def all_folders(self) -> Iterator["Folder"]:
        """Folders at any depth, with and without pictures."""
        for folder in sorted(self.folders + self.without, key=lambda folder: folder.path):
            yield folder
            yield from folder.all_folders()


def scan_folder(path: Path, above: frozenset[Path] = frozenset()) -> Folder:
    """Lists a folder and its subfolders; ``above`` are the resolved paths of the folders that it lies in."""
    real = path.resolve()
    if real in above:
        raise ValueError(f"data.path: the link {path} leads back to {real}, which it lies in: remove the link")
    try:
        with os.scandir(path) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        why = f"data.path: the folder {path} cannot be listed ({error.strerror}): make it readable"
        raise ValueError(why) from error
    folder = Folder(path)
    for entry in entries:
        inner, is_hidden = Path(entry.path), entry.name.startswith(".") or entry.name in LITTER
        if entry.is_dir() and not is_hidden:
            sub = scan_folder(inner, above | {real})
            (folder.folders if sub.pictures or sub.folders else folder.without).append(sub)
        elif not is_hidden and inner.suffix.lower() in picture_suffixes() and (entry.is_file() or entry.is_symlink()):
            folder.pictures.append(inner)
        else:
            folder.others.append(inner)
    return folder


def say_what_is_left_out(root: Folder) -> None:
    """Warns of the files that are not read, with their number, so that no file is ignored silently."""
    others = [path for folder in (root, *root.all_folders()) for path in folder.others]
    if others:
        kinds = Counter("hidden" if p.name.startswith(".") else p.suffix.lower() or "without a suffix" for p in others)
        counted = name_some([f"{num} {kind}" for kind, num in kinds.most_common()])
        may_hold = any(p.suffix.lower() in LABEL_FILES and "readme" not in p.name.casefold() for p in others)
        labels = "; labels are given as class folders, or as y in an .npz" * may_hold
        first = others[0].relative_to(root.path)
        warn("data.path=%s: left out what is no picture: %s, the first is %s%s", root.path, counted, first, labels)
    filled = [root, *(folder for folder in root.all_folders() if folder.folders)]
    without = [str(empty.path.relative_to(root.path)) for folder in filled for empty in folder.without]
    if without:
        warn("data.path=%s: no pictures in %s", root.path, name_some(without))


def name_some(names: list[str], most: int = 5) -> str:
    """The first of some names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


Labelled = tuple[list[Path], list[str] | None]
"""Pictures, and the name of the class of each where there are classes."""


def assign_pictures(root: Folder) -> dict[str, Labelled]:
    """The pictures of each split, or of all data, ``x``; refuses a layout that has two readings."""
    parts = _find_splits(_unwrap(root))
    while all(not part.pictures and len(part.folders) == 1 for part in parts.values()):
        if len({part.folders[0].name for part in parts.values()}) > 1:  # as it is in train/images, test/images
            break
        parts = {name: part.folders[0] for name, part in parts.items()}
    for name, folder in parts.items():
        _check_layout(folder, name)
    _check_classes(parts, root.path)
    labelled = {name: _label_pictures(folder) for name, folder in parts.items()}
    say_what_is_left_out(root)
    return labelled


def _unwrap(folder: Folder) -> Folder:
    """The folder in which pictures or several folders lie."""
    while not folder.pictures and len(folder.folders) == 1:
        _check_filled(folder)
        folder = folder.folders[0]
        if SPLITS.get(folder.name.casefold()) in ("val", "test"):
            fix = f"add a folder train, or give data.path={folder.path} to train on these"
            where = f"data.path={folder.path.parent} has pictures in {folder.name} alone"
            raise ValueError(f"{where}, and none to train on: {fix}")
    return folder


def _find_splits(folder: Folder) -> dict[str, Folder]:
    """The folders of the splits where there are some, else the folder as ``x``."""
    named = [(SPLITS.get(sub.name.casefold()), sub) for sub in folder.folders]
    splits = {split: sub for split, sub in named if split is not None}
    if not splits:
        _check_similar_names(folder)
        return {"x": folder}
    _check_filled(folder)
    has = f"data.path={folder.path} has {', '.join(sub.name for split, sub in named if split is not None)}"
    rename = "if they are classes, give these folders other names"
    beside = [sub.name for split, sub in named if split is None] + [path.name for path in folder.pictures]
    if beside:
        move = "If the former are splits, move the rest into them or away"
        raise ValueError(f"{has}, and beside that {name_some(beside)}. {move}; {rename}")
    if len(splits) < len(named):
        raise ValueError(f"{has}, of which two mean one split: put their pictures into one folder")
    if "train" not in splits:
        raise ValueError(f"{has}, and none to train on. If these are splits, add a folder train; {rename}")
    return {split: splits[split] for split in ("train", "val", "test") if split in splits}


def _check_filled(folder: Folder) -> None:
    """Refuses a split folder without pictures if another split has pictures."""
    splits = [sub.name for sub in folder.folders if sub.name.casefold() in SPLITS]
    without = [sub.name for sub in folder.without if sub.name.casefold() in SPLITS]
    if splits and without:
        has = f"has no pictures in {name_some(without)}, where {name_some(splits)} has some"
        fix = "add pictures of a kind that Pillow reads, or remove the folder, and such data are cut from train"
        raise ValueError(f"data.path={folder.path} {has}: {fix}")


def _check_similar_names(folder: Folder) -> None:
    """Refuses folder names that contain different splits as words, such as train2017 beside val2017."""
    similar: dict[str, str] = {}
    for sub in folder.folders:
        words = re.findall("[a-z]+", re.sub("(?<=[a-z])(?=[A-Z])", " ", sub.name).casefold())
        if splits := [SPLITS[word] for word in (word.removesuffix("set") for word in words) if word in SPLITS]:
            similar[sub.name] = splits[0]
    if len(set(similar.values())) > 1:
        fix = "call them train, val and test; if they are classes, give them names that are not so like splits"
        raise ValueError(
            f"data.path={folder.path} has the folders {name_some(list(similar))}. If these are splits, {fix}"
        )


def _check_layout(folder: Folder, name: str) -> None:
    """Refuses pictures beside class folders, and splits inside of classes."""
    classes = [sub.name for sub in folder.folders]
    if folder.pictures and classes:
        loose = name_some([path.name for path in folder.pictures])
        fix = "move the pictures into them or away; if there are no classes, move all pictures into one folder"
        has = f"has pictures ({loose}) beside folders of pictures ({name_some(classes)})"
        raise ValueError(f"data.path: {folder.path} {has}. If the folders are classes, {fix}")
    if len(classes) > 1 and (images := [name for name in classes if name.casefold() in IMAGES]):
        fix = "give that as data.path or move the others away; if these are classes, give them other names"
        has = f"has the folders {name_some(classes)}"
        raise ValueError(f"data.path: {folder.path} {has}. If the data are in {images[0]}, {fix}")
    for sub in folder.folders:
        if inner := [deep.name for deep in sub.all_folders() if deep.name.casefold() in SPLITS]:
            within = "" if name == "x" else f" of the split {name}"
            fix = f"put them outside, as in {inner[0]}/{sub.name}; if not, give them other names"
            raise ValueError(f"data.path: {sub.path}{within} has {name_some(inner)} inside. If these are splits, {fix}")


def _check_classes(parts: dict[str, Folder], root: Path) -> None:
    """Refuses classes in some splits only, and classes that no training data have; says which training alone has."""
    (train, folder), *others = parts.items()
    known = {sub.name for sub in folder.folders}
    for name, part in others:
        found = {sub.name for sub in part.folders}
        if bool(found) != bool(known):
            some, none = (train, name) if known else (name, train)
            has = f"{some} has class folders ({name_some(sorted(known or found))}), {none} has none"
            fix = f"put the pictures of {none} into class folders too, or those of {some} into one folder"
            raise ValueError(f"data.path={root}: {has}: {fix}")
        if new := sorted(found - known):
            raise ValueError(
                f"data.path={root}: {name} has folders that train has not: {name_some(new)}. If these are classes, "
                "give train pictures of them or move them away; if there are no classes, move the pictures of each "
                "split into one folder"
            )
        if missing := sorted(known - found):
            warn("data.path=%s: %s has no pictures of the classes %s", root, name, name_some(missing))


def _label_pictures(folder: Folder) -> Labelled:
    """The pictures of a folder, by the folders in it where there are some."""
    if not folder.folders:
        return folder.pictures, None
    deeper = [inner.path for sub in folder.folders for inner in sub.folders]
    if deeper:
        text = "data.path: the classes are the folders of %s; deeper ones, such as %s, count as part of theirs"
        warn(text, folder.path, deeper[0].relative_to(folder.path))
    labelled = [(path, sub.name) for sub in folder.folders for path in sub.all_pictures()]
    return [path for path, _ in labelled], [name for _, name in labelled]
