"""Files by what they hold, whatever they are called, and what becomes of those that are not read."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from elbolab.data.arrays import OwnArrays

X = np.arange(60.0).reshape(20, 3) + 0.5


def rows(path) -> list:
    data = OwnArrays(path, batch_size=4)
    return sorted(np.concatenate([np.asarray(arrays.x) for arrays in data.splits]).tolist())


@pytest.mark.parametrize("name", ["X.NPY", "x", "x.npz", "x.csv", "x.dat.1"])
def test_an_npy_file_is_one_by_its_content(tmp_path, name):
    np.save(tmp_path / "a.npy", X)
    (tmp_path / "a.npy").rename(tmp_path / name)
    assert rows(tmp_path / name) == X.tolist()


@pytest.mark.parametrize("name", ["X.NPZ", "x", "x.npy", "x.zip"])
def test_an_npz_file_is_one_by_its_content(tmp_path, name):
    np.savez_compressed(tmp_path / "a.npz", x=X)
    (tmp_path / "a.npz").rename(tmp_path / name)
    assert rows(tmp_path / name) == X.tolist()


def test_safetensors(tmp_path):
    save_file({"data": X}, tmp_path / "x.safetensors")
    assert rows(tmp_path / "x.safetensors") == X.tolist()
    (tmp_path / "x.safetensors").write_bytes(b"?" * 99)
    with pytest.raises(ValueError, match=r"cannot be read as .safetensors \(.*numpy.savez"):
        rows(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("x.mat", r"scipy.io.loadmat\('.*x.mat'\)"),
        ("x.PT", r"torch.load\('.*x.PT'\)"),
        ("x.pth", "torch.load"),
        ("x.pkl", "allow_pickle=True"),
        ("x.h5", "h5py.File"),
        ("x.hdf5", "h5py.File"),
        ("x.xlsx", "pandas.read_excel"),
        ("x.json", "pandas.read_json"),
        ("x.npz.gz", "gunzip"),
        ("x.zip", "zipfile"),
        ("x.tar", "tar -xf"),
        ("x.png", "numpy.savez"),
        ("x", "numpy.savez"),
    ],
)
def test_other_files_are_told_how_to_become_one(tmp_path, name, line):
    (tmp_path / name).write_bytes(b"?" * 100)
    with pytest.raises(
        ValueError, match=f"give an .npz or .npy file, a table .*, or a folder of pictures; from .* by .*{line}"
    ):
        rows(tmp_path / name)


@pytest.mark.parametrize("name", ["x.npz", "x.npy", "x.csv"])
def test_pointers_of_git_lfs_are_not_the_data(tmp_path, name):
    (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(ValueError, match=f"{name} is a pointer of Git LFS, not the data: run git lfs pull"):
        rows(tmp_path / name)


def test_addresses_are_not_read():
    with pytest.raises(ValueError, match="addresses are not read, download it"):
        rows("https://example.org/x.npz")


def test_a_folder_that_is_a_file_of_zarr(tmp_path):
    (tmp_path / "x.zarr").mkdir()
    with pytest.raises(ValueError, match="from .zarr by .*zarr.open"):
        rows(tmp_path / "x.zarr")
