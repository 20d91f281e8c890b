"""MNIST as Larochelle and Murray (2011) binarised it, once and for all."""

from pathlib import Path
from typing import final

import numpy as np
from typing_extensions import override

from elbolab.batch import Spec, Support
from elbolab.data.module import DataModule
from elbolab.reading.files import data_root, read_npz
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
        """Reads the packed file where there is one, else the text files, 20 s.

        Raises:
            ValueError: missing or corrupt files.
        """
        folder = data_root(self.root) / "binarized_mnist"
        packed = folder / PACKED
        read = _read_packed if packed.is_file() else _read_text
        return Splits(*(Arrays(_pictures(bits, folder), levels=2) for bits in read(folder)))


def _read_packed(folder: Path) -> list[np.ndarray]:
    path = folder / PACKED
    try:
        packed = read_npz(path)
    except ValueError as error:
        raise ValueError(f"corrupt data file {path} ({error}): remove it and get it again. {ADVICE}") from error
    for part in PARTS:
        if part not in packed or packed[part].dtype != np.uint8 or packed[part].shape[1:] != (98,):
            raise ValueError(
                f"corrupt data file {path}: it has no array {part} of bytes, (n, 98): remove it and get it again. "
                f"{ADVICE}"
            )
    return [np.unpackbits(packed[part], axis=1) for part in PARTS]


def _read_text(folder: Path) -> list[np.ndarray]:
    paths = [folder / f"binarized_mnist_{part}.amat" for part in PARTS]
    for path in paths:
        if not path.is_file():
            raise ValueError(f"missing {path}, and there is no {PACKED} either. {ADVICE}")
    return [_bits_of(path) for path in paths]


def _bits_of(path: Path) -> np.ndarray:
    """Digits separated by blanks, (n, 784)."""
    characters = np.frombuffer(bytearray(path.read_bytes()), np.uint8)
    bits = characters[(characters == ord("0")) | (characters == ord("1"))] - ord("0")
    if len(bits) % 784:
        raise ValueError(f"corrupt data file {path}: {len(bits)} digits, no multiple of 784. {ADVICE}")
    return bits.reshape(-1, 784)


def _pictures(bits: np.ndarray, folder: Path) -> np.ndarray:
    if bits.shape[1:] != (784,):
        raise ValueError(f"corrupt data in {folder}: rows of {bits.shape[1:]} bits, where 784 belong. {ADVICE}")
    return bits.reshape(-1, 1, 28, 28)
