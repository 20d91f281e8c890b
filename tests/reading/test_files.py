"""Downloads: once for many jobs, whole or not at all."""

import gzip
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from elbolab.reading import files
from elbolab.reading.files import cache_dir, data_root, obtain_files, read_idx

JOB = """
import sys, time
from pathlib import Path
from elbolab.reading.files import obtain_files

def download(folder):
    with open(sys.argv[2], "a") as log:
        log.write("downloaded\\n")
    time.sleep(0.5)
    (folder / "set").mkdir()
    (folder / "set" / "x.bin").write_bytes(b"data")

root = Path(sys.argv[1])
obtain_files([root / "set" / "x.bin"], root, download, "what")
assert (root / "set" / "x.bin").read_bytes() == b"data"
"""


def test_jobs_that_start_at_once_download_once(tmp_path):
    command = [sys.executable, "-c", JOB, str(tmp_path / "root"), str(tmp_path / "log")]
    jobs = [subprocess.Popen(command) for _ in range(5)]
    assert [job.wait() for job in jobs] == [0] * 5
    assert (tmp_path / "log").read_text() == "downloaded\n"
    assert sorted(path.name for path in (tmp_path / "root").iterdir()) == [".lock", "set"]


def test_a_failed_download_leaves_nothing_and_says_everything(tmp_path):
    def download(folder: Path) -> None:
        (folder / "half").write_bytes(b"half")
        raise OSError("no route")

    message = (
        rf"missing {tmp_path}/half, and the download failed \(OSError: no route\). Put it there; data.root or ELBO"
    )
    with pytest.raises(ValueError, match=message):
        obtain_files([tmp_path / "half"], tmp_path, download, "Put it there")
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_download_without_the_file_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="the download does not contain it"):
        obtain_files([tmp_path / "x"], tmp_path, lambda folder: None, "Put it there")


def test_files_placed_beforehand_need_no_download(tmp_path):
    (tmp_path / "x").touch()
    obtain_files([tmp_path / "x"], tmp_path, lambda folder: pytest.fail("downloads"), "what")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_only_what_is_missing_makes_it_incomplete(tmp_path):
    (tmp_path / "x").write_text("old")
    obtain_files([tmp_path / "x", tmp_path / "y"], tmp_path, lambda folder: (folder / "y").write_text("new"), "what")
    assert ((tmp_path / "x").read_text(), (tmp_path / "y").read_text()) == ("old", "new")


def test_the_root_is_the_cache_folder_unless_given(tmp_path, monkeypatch):
    assert data_root(str(tmp_path)) == tmp_path
    assert data_root(None) == cache_dir()
    assert data_root("~/x") == Path.home() / "x"
    monkeypatch.setattr(files, "user_cache_dir", lambda name: str(tmp_path / name))
    assert cache_dir() == tmp_path / "elbolab"


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
