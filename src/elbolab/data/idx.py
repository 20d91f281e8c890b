"""The idx format of MNIST and its relatives.

A file is two zero bytes, a type code (8 for bytes), the number of dimensions, each size as a big-endian 32-bit integer,
and the values.
"""

import gzip
import hashlib
from pathlib import Path

import numpy as np


def read_idx(path: Path, md5: str | None = None) -> np.ndarray:
    """The array in an idx file of bytes, gzipped or plain.

    Args:
        path: the file.
        md5: checksum of the file as it is stored, None where it may differ.

    Raises:
        ValueError: the file is missing, corrupt or no idx file of bytes.
    """
    if not path.is_file():
        raise ValueError(f"missing data file {path}")
    raw = path.read_bytes()
    if md5 is not None and hashlib.md5(raw, usedforsecurity=False).hexdigest() != md5:
        raise ValueError(f"corrupt data file {path}: its md5 is not {md5}; remove it and get it again")
    try:
        return _decode(gzip.decompress(raw) if path.suffix == ".gz" else raw)
    except (ValueError, IndexError, EOFError, OSError) as error:
        raise ValueError(f"corrupt data file {path} ({error}); remove it and get it again") from None


def _decode(raw: bytes) -> np.ndarray:
    if raw[:3] != b"\x00\x00\x08":
        raise ValueError("no idx file of bytes")
    sizes = np.frombuffer(raw, ">i4", count=raw[3], offset=4)
    return np.frombuffer(bytearray(raw), np.uint8, offset=4 + 4 * raw[3]).reshape(sizes)
