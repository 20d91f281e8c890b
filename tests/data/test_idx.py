"""The idx format."""

import gzip
import hashlib

import numpy as np
import pytest

from elbolab.data.files import read_idx

PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
RAW = b"\x00\x00\x08\x03" + np.array(PIXELS.shape, ">i4").tobytes() + PIXELS.tobytes()


@pytest.mark.parametrize("packed", [True, False])
def test_gzipped_and_plain_files_give_the_array(tmp_path, packed):
    path = tmp_path / ("x.gz" if packed else "x")
    path.write_bytes(gzip.compress(RAW) if packed else RAW)
    assert np.array_equal(read_idx(path), PIXELS)
    assert np.array_equal(read_idx(path, hashlib.md5(path.read_bytes()).hexdigest()), PIXELS)


def test_a_changed_file_is_found_out(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(RAW[:-1] + b"\x00")
    with pytest.raises(ValueError, match=r"corrupt data file .*: its md5 is not .*; remove it and get it again"):
        read_idx(path, hashlib.md5(RAW).hexdigest())


@pytest.mark.parametrize(
    "raw",
    [b"", RAW[:-1], b"\x00\x00\x0d\x03" + RAW[4:], gzip.compress(RAW)[:-9]],
    ids=["empty", "short", "of another type", "half packed"],
)
@pytest.mark.parametrize("name", ["x", "x.gz"])
def test_a_broken_file_is_an_error(tmp_path, raw, name):
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(ValueError, match="corrupt data file"):
        read_idx(tmp_path / name)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="missing data file"):
        read_idx(tmp_path / "x")
