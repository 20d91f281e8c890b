"""Folders of array files: ``train.npy`` and ``test.npy``, ``train/x.npy``, or MNIST's idx files."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from elbolab.data.folders import Folder, name_some, warn
from elbolab.data.idx import read_idx
from elbolab.data.layouts import SPLITS

ARRAYS = (".npy", ".npz")
ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".zst")
IDX = re.compile(r"(?:(?P<set>.+)-)?(?P<split>[a-z0-9]+)-(?P<kind>images|labels)[-.]idx\d-ubyte(?:\.gz)?")
MANY = 20
"""More arrays than this are data, one in each file."""

Named = dict[str, np.ndarray]


def read_array_folder(root: Folder, read_file: Callable[[Path], Named]) -> Named:
    """The arrays of a folder without pictures, by name.

    Args:
        root: the folder.
        read_file: reads the arrays of one file.

    Raises:
        ValueError: nothing that can be read, or arrays whose split or name is not clear.
    """
    folder = _unwrap(root)
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
        raise ValueError(f"data.path={root.path}: no pictures there, and no arrays; {_advise(root, files)}")
    if others := [path.name for path in files if path not in (*arrays, *idx)]:
        warn("data.path=%s: left out what is no array: %s", root.path, name_some(others))
    if idx:
        return _read_idx_files(idx, root.path)
    if splits:
        return _join([(sub.name, read_array_folder(sub, read_file)) for sub in splits], root.path)
    if len(arrays) == 1:
        return read_file(arrays[0])
    return _join([(path.stem, read_file(path)) for path in arrays], root.path)


def _unwrap(folder: Folder) -> Folder:
    """The folder in which files, several folders or splits lie."""
    while len(folder.without) == 1 and not folder.others and folder.without[0].name.casefold() not in SPLITS:
        folder = folder.without[0]
    return folder


def _join(parts: list[tuple[str, Named]], root: Path) -> Named:
    """The arrays of several files, under the names that they would have in one.

    Args:
        parts: the name of each file or folder, and its arrays.
        root: the folder, for messages.
    """
    joined: Named = {}
    for part, arrays in parts:
        for name, array in _rename(part, arrays, root).items():
            if name in joined:
                raise ValueError(f"data.path={root} has the array {name} twice, once in {part}: leave one")
            joined[name] = array
    return joined


def _rename(part: str, arrays: Named, root: Path) -> Named:
    """``x`` of train.npz becomes ``train``, its ``y`` ``y_train``; a single array has the name of its file."""
    split = SPLITS.get(part.casefold())
    if split is None and len(arrays) > 1:
        raise ValueError(
            f"data.path={root}: {part} has the arrays {name_some(list(arrays))}, and there are files beside it: call "
            "it train, val or test, or give it as data.path"
        )
    if len(arrays) == 1:
        return {split or part: next(iter(arrays.values()))}
    return {split if name == "x" else f"{name}_{split}": array for name, array in arrays.items() if split}


def _read_idx_files(paths: list[Path], root: Path) -> Named:
    """Images and labels in MNIST's format; of a file that is there plain and gzipped, the plain one."""
    plain = {path.with_suffix("") if path.suffix == ".gz" else path: path for path in sorted(paths, reverse=True)}
    found = {path: IDX.fullmatch(target.name) for target, path in plain.items()}
    sets = {match["set"] for match in found.values() if match}
    if len(sets) > 1:
        names = name_some(sorted(str(name) for name in sets))
        raise ValueError(f"data.path={root} has the idx files of {names}: leave those of one data set")
    named: Named = {}
    for path, match in found.items():
        assert match is not None
        split = SPLITS.get("test" if match["split"] == "t10k" else match["split"])
        if split is None:
            raise ValueError(f"data.path={root}: {path.name} is of no split: call it train-..., val-... or t10k-...")
        name = split if match["kind"] == "images" else f"y_{split}"
        if name in named:
            raise ValueError(f"data.path={root} has the array {name} twice, once in {path.name}: leave one")
        named[name] = read_idx(path)
    return named


def _advise(root: Folder, files: list[Path]) -> str:
    """What to do with a folder of other things."""
    everything = [path for folder in (root, *root.all_folders()) for path in folder.others]
    kinds = Counter(path.suffix.lower() or path.name for path in everything if not path.name.startswith("."))
    if any(path.name.startswith("data_batch_") for path in everything):
        return "CIFAR-10 in its own format is read by data=cifar10 data.root=FOLDER, with FOLDER/cifar-10-batches-py"
    if any(kind in ARCHIVES for kind in kinds):
        return f"unpack {name_some([path.name for path in everything if path.suffix.lower() in ARCHIVES])}"
    found = name_some([f"{num} {kind}" for kind, num in kinds.most_common()])
    formats = "pictures of a kind that Pillow reads, or arrays as .npy or .npz"
    return f"there are {found}: give {formats}" if kinds else f"it is empty: give {formats}"
