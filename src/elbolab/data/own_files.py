"""Reading a user's own data: a file of arrays, a table, or a folder of pictures, arrays or tables.

Folders of arrays hold ``train.npy`` and ``test.npy``, ``train/x.npy``, or MNIST's idx files.
"""

import logging
import re
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from safetensors import SafetensorError
from safetensors.numpy import load_file

from elbolab.common.refusal import Refusal, change, choose
from elbolab.data.pictures import read_pictures
from elbolab.reading.advice import KNOWN, advise_on_file
from elbolab.reading.files import list_npz, read_idx, read_member
from elbolab.reading.folders import SPLITS, Folder, assign_pictures, name_some, scan_folder
from elbolab.reading.names import VOCABULARY, Part, Role, assign_roles, normalise_name
from elbolab.reading.tables import Columns, find_stem, is_table, read_table, sort_columns

WRITERS = {".npz": "numpy.savez(path, x=x)", ".npy": "numpy.save(path, x)", ".safetensors": "numpy.savez('x.npz', x=x)"}
POINTER = b"version https://git-lfs"
ROLES = {"labels": "y", "factors": "factors", "conditions": "given", "keep": "x"}
ARRAYS = (".npy", ".npz")
ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".zst")
IDX = re.compile(r"(?:(?P<set>.+)-)?(?P<split>[a-z0-9]+)-(?P<kind>images|labels)[-.]idx\d-ubyte(?:\.gz)?")
MANY = 20
"""More arrays than this are data, one in each file."""
Named = dict[str, np.ndarray]
warn = rank_zero_only(logging.getLogger(__name__).warning)


class Found(NamedTuple):
    """Arrays by what they are, names of the elements of a datum, and where images are known to have their channels."""

    parts: dict[Role, Part]
    columns: tuple[str, ...] = ()
    channels: str = "auto"


def read_parts(path: Path, columns: Columns) -> Found:
    """Data, labels, factors and conditions, told by ``columns`` in tables, and by their names in other files."""
    where = f"data.path={path}"
    if not path.exists():
        what = "addresses are not read, download it" if ":/" in str(path) else "there is no such file or folder"
        raise ValueError(f"{where}: {what}")
    if path.is_dir() and path.suffix.lower() not in KNOWN:
        return _read_folder(path, columns, where)
    kind = _find_kind(path)
    if is_table(path) and kind == path.suffix.lower():  # and not an array that is called so
        return Found(*sort_columns({"": read_table(path)}, columns, where))
    names, read = _open(path, kind)
    if names == ["x"] and (fields := read("x").dtype.names):
        records = read("x")
        return Found(*sort_columns({"": {field: np.asarray(records[field]) for field in fields}}, columns, where))
    return Found(_assign(names, read, columns, where))


def _read_folder(path: Path, columns: Columns, where: str) -> Found:
    folder = scan_folder(path)
    has_pictures = bool(folder.pictures or folder.folders)
    tables = [file for file in folder.others if is_table(file)]
    if tables and not has_pictures and not any(file.suffix.lower() in ARRAYS for file in folder.others):
        return Found(*_read_folder_of_tables(tables, columns, where))
    named = read_arrays(path)
    return Found(_assign(list(named), named.__getitem__, columns, where), channels="first" if has_pictures else "auto")


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file; or of a folder the pictures or arrays by split, with labels by class folders."""
    if path.is_file():
        names, read = _open(path, _find_kind(path))
        return {name: read(name) for name in names}
    folder = scan_folder(path)
    if not folder.pictures and not folder.folders:
        return _read_array_folder(folder)
    parts = assign_pictures(folder)
    x = read_pictures([path for paths, _ in parts.values() for path in paths])
    ends = np.cumsum([len(paths) for paths, _ in parts.values()])
    named = dict(zip(parts, np.split(x, ends[:-1]), strict=True))
    labels = {name: np.array(classes) for name, (_, classes) in parts.items() if classes is not None}
    return named | {"y" if name == "x" else f"y_{name}": y for name, y in labels.items()}


def _find_kind(path: Path) -> str:
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
        raise ValueError(f"{where}{advise_on_file(path, kind)}")

    def read(name: str) -> np.ndarray:
        try:
            return held[name] if kind != ".npz" else read_member(path, name)
        except ValueError as error:
            fix = f"write the file anew, objects by {name}.astype(str), or leave it out by data.ignore=[{name}]"
            raise ValueError(f"{where}: the array {name} cannot be read ({error}): {fix}") from error

    try:
        if kind == ".npz":
            return list_npz(path), read
        held = {"x": np.lib.format.open_memmap(path, mode="r")} if kind == ".npy" else load_file(path)
    except (ValueError, OSError, EOFError, SafetensorError) as error:
        fix = f"write arrays of numbers with {WRITERS[kind]}"
        raise ValueError(f"{where} cannot be read as {kind} ({error}): {fix}") from error
    return list(held), read


def _assign(names: list[str], read: Callable[[str], np.ndarray], columns: Columns, where: str) -> dict[Role, Part]:
    """The arrays that are used, by what they are."""
    for option in [option for option, named in columns.options().items() if named and option != "ignore"]:
        fix = f"and arrays are told by their names: call it {ROLES[option]}"
        fix = "and these are arrays: leave it out" if option == "keep" else fix
        raise ValueError(f"{where}: data.{option} names columns of a table, {fix}")
    roles = assign_roles(names, columns.ignore, where)
    other = [f"{name} as {role}" for role, name in roles.items() if name != str(role)]
    if other:
        warn("%s: %s", where, ", ".join(other))
    return {role: Part(name, read(name)) for role, name in roles.items()}


def _read_folder_of_tables(files: list[Path], columns: Columns, where: str) -> tuple[dict[Role, Part], tuple[str, ...]]:
    """The tables of a folder, each a split; other text is no table."""
    roles = {path: VOCABULARY.get(normalise_name(find_stem(path))) for path in files}
    notes = [path for path, role in roles.items() if role is None and path.suffix.lower() == ".txt"]
    if notes:
        warn("%s: left out %s", where, ", ".join(path.name for path in notes))
    tables = {}
    for path, role in roles.items():
        if path in notes:
            continue
        if role is None or role.kind != "x":
            what = "is none of the splits train, val and test, and a folder of tables has one for each"
            raise Refusal(f"{where}: {path.name} {what}: rename or move it", change("data.path", path))
        tables[path] = role.split
    assign_roles([find_stem(path) for path in tables], [], where)
    return sort_columns({split: read_table(path) for path, split in tables.items()}, columns, where)


def _read_array_folder(root: Folder) -> Named:
    """The arrays of a folder without pictures, by name."""
    folder = root
    while len(folder.without) == 1 and not folder.others and folder.without[0].name.casefold() not in SPLITS:
        folder = folder.without[0]  # in which files, several folders or splits lie
    files = [path for path in folder.others if path.is_file() and not path.name.startswith(".")]
    arrays = [path for path in files if path.suffix.lower() in ARRAYS]
    idx = [path for path in files if IDX.fullmatch(path.name)]
    splits = [sub for sub in folder.without if SPLITS.get(sub.name.casefold())]
    if len(arrays) > MANY:
        raise ValueError(
            f"data.path={root.path} has {len(arrays)} arrays, one of each datum it seems: write them to one file, as "
            "by numpy.save('x.npy', numpy.stack([numpy.load(path) for path in sorted(pathlib.Path().glob('*.npy'))]))"
        )
    if bool(arrays) + bool(idx) + bool(splits) > 1:
        several = [*arrays, *idx, *(sub.path for sub in splits)]
        raise ValueError(f"data.path={root.path} has both {name_some([path.name for path in several])}: leave one kind")
    if not arrays and not idx and not splits:
        everything = [path for inner in (root, *root.all_folders()) for path in inner.others]
        if any(path.name.startswith("data_batch_") for path in everything):
            what = "holds CIFAR-10 in its own format, in a folder cifar-10-batches-py"
            way = choose("data", "cifar10", settings={"data.root": "FOLDER"})
            raise Refusal(f"data.path={root.path} {what}", way)
        raise ValueError(f"data.path={root.path}: no pictures there, and no arrays; {_advise_on_files(everything)}")
    if others := [path.name for path in files if path not in (*arrays, *idx)]:
        warn("data.path=%s: left out what is no array: %s", root.path, name_some(others))
    if idx:
        return _read_idx_files(idx, root.path)
    if splits:
        return _join_arrays([(sub.name, _read_array_folder(sub)) for sub in splits], root.path)
    if len(arrays) == 1:
        return read_arrays(arrays[0])
    return _join_arrays([(path.stem, read_arrays(path)) for path in arrays], root.path)


def _join_arrays(parts: list[tuple[str, Named]], root: Path) -> Named:
    """``x`` of train.npz or train/ becomes ``train``, its ``y`` ``y_train``; a single array is called as its file."""
    joined: Named = {}
    for part, arrays in parts:
        split = SPLITS.get(part.casefold())
        if split is None and len(arrays) > 1:
            what = f"{part} has the arrays {name_some(list(arrays))}, and there are files beside it"
            raise ValueError(f"data.path={root}: {what}: call it train, val or test, or give it as data.path")
        for name, array in arrays.items():
            called = split or part if len(arrays) == 1 or name == "x" else f"{name}_{split}"
            if called in joined:
                raise ValueError(f"data.path={root} has the array {called} twice, once in {part}: leave one")
            joined[called] = array
    return joined


def _read_idx_files(paths: list[Path], root: Path) -> Named:
    """Images and labels in MNIST's format; of a file that is there plain and gzipped, the plain one."""
    plain = {path.with_suffix("") if path.suffix == ".gz" else path: path for path in sorted(paths, reverse=True)}
    found = {path: match for target, path in plain.items() if (match := IDX.fullmatch(target.name))}
    sets = sorted({str(match["set"]) for match in found.values()})
    if len(sets) > 1:
        raise ValueError(f"data.path={root} has the idx files of {name_some(sets)}: leave those of one data set")
    named: Named = {}
    for path, match in found.items():
        split = SPLITS.get(match["split"].replace("t10k", "test"))
        if split is None:
            raise ValueError(f"data.path={root}: {path.name} is of no split: call it train-..., val-... or t10k-...")
        name = split if match["kind"] == "images" else f"y_{split}"
        if name in named:
            raise ValueError(f"data.path={root} has the array {name} twice, once in {path.name}: leave one")
        named[name] = read_idx(path)
    return named


def _advise_on_files(paths: list[Path]) -> str:
    """What to do with a folder of other things."""
    if archives := [path.name for path in paths if path.suffix.lower() in ARCHIVES]:
        return f"unpack {name_some(archives)}"
    kinds = Counter(path.suffix.lower() or path.name for path in paths if not path.name.startswith("."))
    found = name_some([f"{num} {kind}" for kind, num in kinds.most_common()])
    there = f"there are {found}" if kinds else "it is empty"
    return f"{there}: give pictures of a kind that Pillow reads, or arrays as .npy or .npz"
