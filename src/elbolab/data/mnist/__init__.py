"""MNIST, embedded in the package (LeCun, Cortes and Burges; see the NOTICE beside this file)."""

from pathlib import Path
from typing import final

from typing_extensions import override

from elbolab.data.vision import MNISTLike
from elbolab.reading.files import read_idx
from elbolab.reading.splits import Arrays

FOLDER = Path(__file__).parent
MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}


@final
class MNIST(MNISTLike):
    """70,000 handwritten digits; the arguments are those of `MNISTLike`."""

    @override
    def read(self, part: str) -> Arrays:
        images, labels = f"{part}-images-idx3-ubyte.gz", f"{part}-labels-idx1-ubyte.gz"
        x, y = (read_idx(FOLDER / name, MD5[name]) for name in (images, labels))
        return Arrays(x[:, None], y, levels=256)
