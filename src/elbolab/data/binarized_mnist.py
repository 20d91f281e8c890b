"""MNIST as Larochelle and Murray (2011) binarised it, once and for all."""

from pathlib import Path
from typing import final

import numpy as np
from typing_extensions import override

from elbolab.batch import Spec, Support
from elbolab.data.module import DataModule
from elbolab.reading.files import data_root, list_npz, read_member
from elbolab.reading.splits import Arrays, Splits

PARTS = ("train", "valid", "test")
PACKED = "binarized_mnist_packed.npz"
ADVICE = (
    "Get binarized_mnist_{train,valid,test}.amat from Hugo Larochelle's page of data sets; "
    "data.root or ELBOLAB_DATA says where the folder binarized_mnist lives"
)


@final
class BinarizedMNIST(DataModule):
    """50,000 / 10,000 / 10,000 binary digits, 28 x 28, without labels; the arguments are those of `DataModule`.

    Read from the folder ``binarized_mnist`` below ``data.root``: the authors' ``binarized_mnist_*.amat`` (a line of 784
    zeros and ones for each digit), or ``binarized_mnist_packed.npz`` with arrays train, valid and test of the same bits
    packed by `numpy.packbits`, (n, 98).
    """

    @override
    def header(self) -> Spec:
        return Spec((1, 28, 28), Support.BINARY, levels=2)

    @override
    def load(self) -> Splits:
        folder = data_root(self.root) / "binarized_mnist"
        read = read_packed if (folder / PACKED).is_file() else read_text  # which takes 20 s
        return Splits(*(Arrays(bits.reshape(-1, 1, 28, 28), levels=2) for bits in read(folder)))


def read_packed(folder: Path) -> list[np.ndarray]:
    """The bits (n, 784) of each part, from the packed file; raises ValueError where it is corrupt."""
    path = folder / PACKED
    try:
        packed = {name: read_member(path, name) for name in list_npz(path)}
    except ValueError as error:
        raise ValueError(f"corrupt data file {path} ({error}): remove it and get it again. {ADVICE}") from error
    for part in PARTS:
        if part not in packed or packed[part].dtype != np.uint8 or packed[part].shape[1:] != (98,):
            why = f"it has no array {part} of bytes, (n, 98)"
            raise ValueError(f"corrupt data file {path}: {why}: remove it and get it again. {ADVICE}")
    return [np.unpackbits(packed[part], axis=1) for part in PARTS]


def read_text(folder: Path) -> list[np.ndarray]:
    """The bits (n, 784) of each part, digits separated by blanks; raises ValueError where a file is corrupt."""
    parts = []
    for path in (folder / f"binarized_mnist_{part}.amat" for part in PARTS):
        if not path.is_file():
            raise ValueError(f"missing {path}, and there is no {PACKED} either. {ADVICE}")
        characters = np.frombuffer(bytearray(path.read_bytes()), np.uint8)
        bits = characters[(characters == ord("0")) | (characters == ord("1"))] - ord("0")
        if len(bits) % 784:
            raise ValueError(f"corrupt data file {path}: {len(bits)} digits, no multiple of 784. {ADVICE}")
        parts.append(bits.reshape(-1, 784))
    return parts
