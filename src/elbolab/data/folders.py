"""What lies in a folder of pictures, and what of it is left out."""

import logging
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

from lightning.pytorch.utilities.rank_zero import rank_zero_only

from elbolab.data.picture_files import picture_suffixes

LITTER = ("__MACOSX", "@eaDir")
"""Folders that archives and file servers add; so are those whose names begin with a dot."""
LABEL_FILES = (".csv", ".tsv", ".json", ".txt", ".xml", ".xlsx", ".mat", ".npy", ".npz", ".parquet", ".pkl")
"""Files that may hold labels or data, which a user would miss."""
warn = rank_zero_only(logging.getLogger(__name__).warning)


@final
@dataclass(frozen=True)
class Folder:
    """A folder and what lies in it, in sorted order.

    Attributes:
        path: the folder.
        pictures: picture files directly in it.
        folders: folders that have pictures at any depth.
        without: folders that have none.
        others: files that are no pictures, and folders that are not looked into.
    """

    path: Path
    pictures: tuple[Path, ...]
    folders: tuple["Folder", ...]
    without: tuple["Folder", ...]
    others: tuple[Path, ...]

    @property
    def name(self) -> str:
        """Last part of the path."""
        return self.path.name

    def all_pictures(self) -> Iterator[Path]:
        """Pictures at any depth."""
        yield from self.pictures
        for folder in self.folders:
            yield from folder.all_pictures()

    def all_without(self) -> Iterator["Folder"]:
        """Folders without pictures beside others with them, at any depth."""
        yield from self.without
        for folder in self.folders:
            yield from folder.all_without()

    def all_folders(self) -> Iterator["Folder"]:
        """Folders at any depth, with and without pictures."""
        for folder in sorted(self.folders + self.without, key=lambda folder: folder.path):
            yield folder
            yield from folder.all_folders()


def scan(path: Path, above: frozenset[Path] = frozenset()) -> Folder:
    """Lists a folder and its subfolders.

    Args:
        path: the folder.
        above: resolved paths of the folders that it lies in.

    Raises:
        ValueError: a folder cannot be listed, or a link leads back to a folder above.
    """
    real = path.resolve()
    if real in above:
        raise ValueError(f"data.path: the link {path} leads back to {real}, which it lies in: remove the link")
    try:
        with os.scandir(path) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        raise ValueError(
            f"data.path: the folder {path} cannot be listed ({error.strerror}): make it readable"
        ) from error
    pictures, folders, others = [], [], []
    for entry in entries:
        if entry.name.startswith(".") or entry.name in LITTER:
            others.append(Path(entry.path))
        elif entry.is_dir():
            folders.append(scan(Path(entry.path), above | {real}))
        elif Path(entry.name).suffix.lower() in picture_suffixes() and (entry.is_file() or entry.is_symlink()):
            pictures.append(Path(entry.path))
        else:
            others.append(Path(entry.path))
    filled = tuple(folder for folder in folders if folder.pictures or folder.folders)
    without = tuple(folder for folder in folders if not (folder.pictures or folder.folders))
    return Folder(path, tuple(pictures), filled, without, tuple(others))


def say_what_is_left_out(root: Folder) -> None:
    """Counts what is not read, so that nothing is passed over in silence."""
    others = [path for folder in (root, *root.all_folders()) for path in folder.others]
    if others:
        kinds = Counter(map(_name_kind, others))
        counted = name_some([f"{num} {kind}" for kind, num in kinds.most_common()])
        labels = "; labels are given as class folders, or as y in an .npz" if _may_hold_labels(others) else ""
        first = others[0].relative_to(root.path)
        warn("data.path=%s: left out what is no picture: %s, the first is %s%s", root.path, counted, first, labels)
    without = [str(folder.path.relative_to(root.path)) for folder in root.all_without()]
    if without:
        warn("data.path=%s: no pictures in %s", root.path, name_some(without))


def _name_kind(path: Path) -> str:
    return "hidden" if path.name.startswith(".") else path.suffix.lower() or "without a suffix"


def _may_hold_labels(paths: list[Path]) -> bool:
    return any(path.suffix.lower() in LABEL_FILES and "readme" not in path.name.casefold() for path in paths)


def name_some(names: list[str], most: int = 5) -> str:
    """The first of some names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
