"""Reading a user's own data: a file of arrays, a table, or a folder of pictures, arrays or tables."""

import logging
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from safetensors import SafetensorError
from safetensors.numpy import load_file

from elbolab.data.array_folders import ARRAYS, read_array_folder
from elbolab.data.converters import KNOWN, advise, advise_on_picture
from elbolab.data.folders import scan
from elbolab.data.layouts import arrange
from elbolab.data.npz import list_npz, read_member
from elbolab.data.own_names import VOCABULARY, Part, Role, assign_roles, glue
from elbolab.data.own_tables import Columns, arrays_of, is_table, read_table, stem_of
from elbolab.data.picture_files import picture_suffixes
from elbolab.data.pictures import read_pictures

WRITERS = {".npz": "numpy.savez(path, x=x)", ".npy": "numpy.save(path, x)", ".safetensors": "numpy.savez('x.npz', x=x)"}
POINTER = b"version https://git-lfs"
ROLES = {"labels": "y", "factors": "factors", "conditions": "given"}
warn = rank_zero_only(logging.getLogger(__name__).warning)


class Found(NamedTuple):
    """What a file or folder holds.

    Attributes:
        parts: arrays by what they are.
        columns: names of the elements of a datum, none where they have no names.
        channels: ``first`` where images are known to have their channels so, else ``auto``.
    """

    parts: dict[Role, Part]
    columns: tuple[str, ...] = ()
    channels: str = "auto"


def read_parts(path: Path, columns: Columns) -> Found:
    """Data, labels, factors and conditions; an .npy file is memory-mapped.

    Args:
        path: a file or folder.
        columns: what the columns of tables are; the arrays of other files are told by their names.

    Raises:
        ValueError: there is nothing, nothing that can be read, or something that nothing would use.
    """
    where = f"data.path={path}"
    if not path.exists():
        what = "addresses are not read, download it" if ":/" in str(path) else "there is no such file or folder"
        raise ValueError(f"{where}: {what}")
    if path.is_dir() and path.suffix.lower() not in KNOWN:
        return _read_folder(path, columns, where)
    kind = _kind_of(path)
    if is_table(path) and kind == path.suffix.lower():  # and not an array that is called so
        return Found(*arrays_of({"": read_table(path)}, columns, where))
    names, read = _open(path, kind)
    if names == ["x"] and (fields := read("x").dtype.names):
        records = read("x")
        return Found(*arrays_of({"": {field: np.asarray(records[field]) for field in fields}}, columns, where))
    return Found(_assign(names, read, columns, where))


def _read_folder(path: Path, columns: Columns, where: str) -> Found:
    folder = scan(path)
    has_pictures = bool(folder.pictures or folder.folders)
    tables = [file for file in folder.others if is_table(file)]
    if tables and not has_pictures and not any(file.suffix.lower() in ARRAYS for file in folder.others):
        return Found(*_read_folder_of_tables(tables, columns, where))
    named = read_named(path)
    return Found(_assign(list(named), named.__getitem__, columns, where), channels="first" if has_pictures else "auto")


def read_named(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file; or of a folder the pictures or arrays by split, with labels where there are class folders.

    Raises:
        ValueError: there is nothing that can be read, a layout has two readings, or arrays do not go together.
    """
    if path.is_file():
        names, read = _open(path, _kind_of(path))
        return {name: read(name) for name in names}
    folder = scan(path)
    if not folder.pictures and not folder.folders:
        return read_array_folder(folder, read_named)
    parts = arrange(folder)
    x = read_pictures([picture for part in parts.values() for picture in part.paths])
    ends = np.cumsum([len(part.paths) for part in parts.values()])
    named = dict(zip(parts, np.split(x, ends[:-1]), strict=True))
    labels = {name: np.array(part.classes) for name, part in parts.items() if part.classes is not None}
    return named | {"y" if name == "x" else f"y_{name}": y for name, y in labels.items()}


def _kind_of(path: Path) -> str:
    """.npy or .npz by the content, whatever the name; else the suffix in small letters, as of a folder of zarr."""
    if path.is_dir():
        return path.suffix.lower()
    with path.open("rb") as file:
        start = file.read(len(POINTER))
    if start == POINTER:
        raise ValueError(f"data.path={path} is a pointer of Git LFS, not the data: run git lfs pull")
    if start.startswith(b"\x93NUMPY"):
        return ".npy"
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if archive.namelist() and all(name.endswith(".npy") for name in archive.namelist()):
                return ".npz"
    return path.suffix.lower()


def _open(path: Path, kind: str) -> tuple[list[str], Callable[[str], np.ndarray]]:
    """Names of the arrays of a file, and what reads one of them."""
    where = f"data.path={path}"
    if kind not in WRITERS:
        if kind in picture_suffixes():
            raise ValueError(f"{where} is one picture: {advise_on_picture(path)}")
        raise ValueError(
            f"{where}: give an .npz or .npy file, a table (.csv, .tsv, .txt, .parquet), or a folder of pictures; from "
            f"{kind or 'this'} by {advise(path, kind)}"
        )

    def read(name: str) -> np.ndarray:
        try:
            return held[name] if kind != ".npz" else read_member(path, name)
        except ValueError as error:
            raise ValueError(
                f"{where}: the array {name} cannot be read ({error}): write the file anew, objects by "
                f"{name}.astype(str), or leave it out by data.ignore=[{name}]"
            ) from error

    try:
        if kind == ".npz":
            return list_npz(path), read
        held = {"x": np.lib.format.open_memmap(path, mode="r")} if kind == ".npy" else load_file(path)
    except (ValueError, OSError, EOFError, SafetensorError) as error:
        raise ValueError(
            f"{where} cannot be read as {kind} ({error}): write arrays of numbers with {WRITERS[kind]}"
        ) from error
    return list(held), read


def _assign(names: list[str], read: Callable[[str], np.ndarray], columns: Columns, where: str) -> dict[Role, Part]:
    """The arrays that are used, by what they are."""
    for option, named in columns.options():
        if named and option == "keep":
            raise ValueError(f"{where}: data.keep names columns of a table, and these are arrays: leave it out")
        if named and option != "ignore":
            raise ValueError(
                f"{where}: data.{option} names columns of a table, and arrays are told by their names: call it "
                f"{ROLES[option]}"
            )
    roles = assign_roles(names, columns.ignore, where)
    other = [f"{name} as {role}" for role, name in roles.items() if name != str(role)]
    if other:
        warn("%s: %s", where, ", ".join(other))
    return {role: Part(name, read(name)) for role, name in roles.items()}


def _read_folder_of_tables(files: list[Path], columns: Columns, where: str) -> tuple[dict[Role, Part], tuple[str, ...]]:
    """The tables of a folder, each a split; other text is no table."""
    roles = {path: VOCABULARY.get(glue(stem_of(path))) for path in files}
    notes = [path.name for path, role in roles.items() if role is None and path.suffix.lower() == ".txt"]
    if notes:
        warn("%s: left out %s", where, ", ".join(notes))
    roles = {path: role for path, role in roles.items() if path.name not in notes}
    for path, role in roles.items():
        if role is None or role.kind != "x":
            raise ValueError(
                f"{where}: {path.name} is none of the splits train, val and test, and a folder of tables has one for "
                f"each: rename or move it, or choose data.path={path}"
            )
    splits = [role.split for role in roles.values() if role is not None]
    assign_roles([stem_of(path) for path in roles], [], where)
    return arrays_of({split: read_table(path) for split, path in zip(splits, roles, strict=True)}, columns, where)
