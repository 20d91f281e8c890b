"""Public image data sets, in torchvision's files and folders: placed there beforehand, or downloaded once."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, final

import numpy as np
from typing_extensions import override

from elbolab.batch import Spec, Support, name_by_number
from elbolab.data.binarize import binarize_spec, binarize_splits, check_binarize
from elbolab.data.module import DataModule
from elbolab.reading.files import data_root, obtain_files, read_idx
from elbolab.reading.options import check_whole
from elbolab.reading.splits import Arrays, Splits

IDX = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
"""Names of the files in MNIST's format."""
BOUNDS = {"standard": (50_000, 50_000), "burda": (59_600, 59_600), "all": (60_000, 50_000)}
"""Where the training data end and where the validation data, which end at 60,000, begin."""


class MNISTLike(DataModule, ABC):
    """60,000 + 10,000 grey pictures, 28 x 28, of 10 classes; the last 10,000 are the test set.

    Args:
        split: ``standard`` trains on the first 50,000 and validates on the next 10,000; ``burda`` on 59,600 and 400
            (Burda, Grosse and Salakhutdinov 2016); ``all`` trains on all 60,000 and validates on the last 10,000 of
            them, which are training data: for PCA and other fits that need no validation. None sees the test set.
        binarize: ``dynamic``, ``fixed``, ``threshold`` or ``none`` for grey values; see `elbolab.data.binarize`.
        binarize_seed: seed of data that are binarised once, apart from the run's seed; 777 as Tomczak and Welling
            (2018) used.
        base: arguments of `DataModule`.
    """

    classes = name_by_number(10)

    def __init__(
        self, split: str = "standard", binarize: str = "dynamic", binarize_seed: int = 777, **base: Any
    ) -> None:
        super().__init__(**base)
        check_binarize(binarize, binarize_seed)
        if split not in BOUNDS:
            raise ValueError(f"data.split={split}: choose {', '.join(BOUNDS)}")
        self.split, self.binarize, self.binarize_seed = split, binarize, binarize_seed

    @abstractmethod
    def read(self, part: str) -> Arrays:
        """Pictures (n, 1, 28, 28) in 256 levels and labels of ``train`` or ``t10k``, as the files name them."""

    @final
    @override
    def header(self) -> Spec:
        return binarize_spec(self.binarize, Spec((1, 28, 28), Support.UNIT, levels=256, classes=self.classes))

    @final
    @override
    def load(self) -> Splits:
        train, test = self.read("train"), self.read("t10k")
        train_end, val_start = BOUNDS[self.split]
        splits = Splits(train.rows(slice(train_end)), train.rows(slice(val_start, None)), test)
        return binarize_splits(self.binarize, splits, self.binarize_seed)


@final
class FashionMNIST(MNISTLike):
    """70,000 articles of clothing (Xiao, Rasul and Vollgraf 2017); the arguments are those of `MNISTLike`.

    Read from ``FashionMNIST/raw`` below ``data.root``, gzipped or plain.
    """

    classes = (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"
    )  # fmt: skip

    @override
    def read(self, part: str) -> Arrays:
        return _read_idx_set("FashionMNIST", data_root(self.root), part)


@final
class KMNIST(MNISTLike):
    """70,000 cursive Japanese characters (Clanuwat et al. 2018); the arguments are those of `MNISTLike`.

    Read from ``KMNIST/raw`` below ``data.root``, gzipped or plain.
    """

    classes = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")

    @override
    def read(self, part: str) -> Arrays:
        return _read_idx_set("KMNIST", data_root(self.root), part)


class Colour(DataModule, ABC):
    """Colour pictures, 32 x 32, of 10 classes.

    Args:
        val_size: validation data, the last ones of the training files.
        base: arguments of `DataModule`.
    """

    classes = name_by_number(10)

    def __init__(self, val_size: int = 5000, **base: Any) -> None:
        super().__init__(**base)
        check_whole(1, val_size=val_size)
        self.val_size = val_size

    @abstractmethod
    def read(self, root: Path) -> tuple[Arrays, Arrays]:
        """Training and test pictures (n, 3, 32, 32), after a download where files are missing."""

    @final
    @override
    def header(self) -> Spec:
        return Spec((3, 32, 32), Support.UNIT, levels=256, classes=self.classes)

    @final
    @override
    def load(self) -> Splits:
        train, test = self.read(data_root(self.root))
        end = len(train) - self.val_size
        if end < 1:
            raise ValueError(f"data.val_size={self.val_size}: there are {len(train)} data to train and validate on")
        return Splits(train.rows(slice(end)), train.rows(slice(end, None)), test)


@final
class CIFAR10(Colour):
    """60,000 pictures of things (Krizhevsky 2009), 10,000 of them the test set; the arguments are those of `Colour`.

    Read from ``cifar-10-batches-py`` below ``data.root``.
    """

    classes = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

    @override
    def read(self, root: Path) -> tuple[Arrays, Arrays]:
        """Reads the pickled batches after torchvision has checked their md5."""
        from torchvision.datasets import CIFAR10 as Files

        names = [name for name, _ in (*Files.train_list, *Files.test_list)]
        paths = [root / Files.base_folder / name for name in (*names, Files.meta["filename"])]
        obtain_files(paths, root, lambda folder: Files(folder, download=True), _advice("CIFAR-10", paths[0].parent))

        def read_part(*, train: bool) -> Arrays:
            part = _open(Files, root, train=train)
            return Arrays(np.ascontiguousarray(np.moveaxis(part.data, 3, 1)), np.array(part.targets), levels=256)

        return read_part(train=True), read_part(train=False)


@final
class SVHN(Colour):
    """99,289 house numbers (Netzer et al. 2011), 26,032 of them the test set; the arguments are those of `Colour`.

    Read from ``train_32x32.mat`` and ``test_32x32.mat`` below ``data.root``.
    """

    @override
    def read(self, root: Path) -> tuple[Arrays, Arrays]:
        """Reads the MATLAB files after torchvision has checked their md5."""
        from torchvision.datasets import SVHN as Files

        def download(folder: Path) -> None:
            for part in ("train", "test"):
                Files(folder, split=part, download=True)

        paths = [root / Files.split_list[part][1] for part in ("train", "test")]
        obtain_files(paths, root, download, _advice("SVHN", root))
        train, test = (_open(Files, root, split=part) for part in ("train", "test"))
        return Arrays(train.data, train.labels, levels=256), Arrays(test.data, test.labels, levels=256)


def _read_idx_set(name: str, root: Path, part: str) -> Arrays:
    """Pictures and labels of one of the sets in MNIST's format."""
    from torchvision import datasets

    files, folder = getattr(datasets, name), root / name / "raw"

    def find_file(kind: str) -> Path:
        """The plain file where there is one, else the gzipped one."""
        return folder / kind if (folder / kind).exists() else folder / f"{kind}.gz"

    advice = _advice(name, folder)
    obtain_files([find_file(kind) for kind in IDX], root, lambda into: files(into, download=True), advice)
    x, y = (read_idx(find_file(kind)) for kind in IDX if kind.startswith(part))
    return Arrays(x[:, None], y, levels=256)


def _open(files: Any, root: Path, **part: Any) -> Any:
    """The data set as torchvision reads it; raises ValueError where a file is corrupt."""
    try:
        return files(root, download=False, **part)
    except RuntimeError as error:
        raise ValueError(f"corrupt files of {files.__name__} in {root} ({error}): remove them and try again") from error


def _advice(name: str, folder: Path) -> str:
    return f"To use {name} without a download, put torchvision's files into {folder}"
