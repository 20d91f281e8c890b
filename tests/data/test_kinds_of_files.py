"""Files by what they hold, whatever they are called, and what becomes of those that are not read."""

from importlib import import_module

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from scipy.io import savemat
from torch.utils.data import TensorDataset

from elbolab.data.arrays import OwnArrays

RNG = np.random.default_rng(0)
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
        ("x.PT", r"torch.load\('.*x.PT', weights_only=False\)"),
        ("x.pth", "torch.load"),
        ("x.pkl", "allow_pickle=True"),
        ("x.h5", "h5py.File"),
        ("x.hdf5", "h5py.File"),
        ("x.xlsx", "pandas.read_excel"),
        ("x.json", "pandas.read_json"),
        ("x.npz.gz", "gunzip"),
        ("x.zip", "zipfile"),
        ("x.tar", "tar -xf"),
        ("x", "numpy.savez"),
    ],
)
def test_other_files_are_told_how_to_become_one(tmp_path, name, line):
    (tmp_path / name).write_bytes(b"?" * 100)
    with pytest.raises(
        ValueError, match=f"give an .npz or .npy file, a table .*, or a folder of pictures; from .* by .*{line}"
    ):
        rows(tmp_path / name)


def test_one_picture_is_no_data(tmp_path):
    (tmp_path / "x.png").write_bytes(b"?")
    with pytest.raises(ValueError, match=rf"is one picture: give the folder .*data.path={tmp_path}; .*numpy.stack"):
        rows(tmp_path / "x.png")


LABELS = np.arange(20) % 3
IMAGES = RNG.random((20, 4, 5, 3))


def followed(path) -> dict[str, np.ndarray]:
    """The arrays that the advice makes, typed as it stands."""
    with pytest.raises(ValueError, match="give an .npz or .npy file") as refused:
        rows(path)
    code = str(refused.value).partition(f"from {path.suffix.lower()} by ")[2]
    code = code[: code.rindex(")", 0, (code + ", its first").index(", its first")) + 1]
    code = code.partition(", where")[0].partition(" (")[0]
    modules = {name: import_module(name) for name in ("numpy", "scipy.io", "torch")}
    exec(code.replace("'x.npz'", f"{str(path.with_name('made.npz'))!r}"), modules | {"scipy": import_module("scipy")})
    return dict(np.load(path.with_name("made.npz")))


@pytest.mark.parametrize(
    ("arrays", "x", "y"),
    [
        ({"data": X}, X, None),
        ({"data": X, "gnd": LABELS}, X, LABELS),
        ({"X": np.moveaxis(IMAGES, 0, -1), "y": LABELS[:, None]}, IMAGES, LABELS),  # as SVHN has them
        ({"X": X.T, "y": LABELS[:, None]}, X, LABELS),
        ({"faces": np.moveaxis(IMAGES[..., 0], 0, -1), "id": LABELS}, IMAGES[..., 0], LABELS),
    ],
)
def test_arrays_of_matlab_are_told_the_code_that_makes_them(tmp_path, arrays, x, y):
    savemat(tmp_path / "x.mat", arrays)
    made = followed(tmp_path / "x.mat")
    np.testing.assert_array_equal(made["x"], x)
    np.testing.assert_array_equal(made.get("y"), y)


def test_matlab_7_3_is_hdf5_with_its_axes_turned_round(tmp_path):
    (tmp_path / "x.mat").write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64" + b" " * 200)
    with pytest.raises(ValueError, match=r"h5py.File\('.*x.mat'\)\['x'\]\[:\].T\), as Matlab 7.3 writes HDF5"):
        rows(tmp_path / "x.mat")


@pytest.mark.parametrize(
    ("make", "x", "y"),
    [
        (lambda x, y: x, X, None),
        (lambda x, y: (x, y), X, LABELS),
        (lambda x, y: {"images": x, "labels": y, "epoch": 3}, X, LABELS),
        (lambda x, y: list(x), X, None),
        (lambda x, y: {"a": x, "b": x}, np.stack([X, X]), None),
    ],
)
def test_tensors_of_torch_are_told_the_code_that_makes_them(tmp_path, make, x, y):
    torch.save(make(torch.from_numpy(X), torch.from_numpy(LABELS)), tmp_path / "x.pt")
    made = followed(tmp_path / "x.pt")
    np.testing.assert_array_equal(made["x"], x)
    np.testing.assert_array_equal(made.get("y"), y)


def test_files_of_torch_that_hold_something_else(tmp_path):
    torch.save(TensorDataset(torch.from_numpy(X)), tmp_path / "x.pt")
    with pytest.raises(ValueError, match=r"where you trust the file .*d.tensors\[0\].numpy"):
        rows(tmp_path / "x.pt")
    torch.save({"epoch": 3}, tmp_path / "x.pt")
    with pytest.raises(ValueError, match="of what is data in it"):
        rows(tmp_path / "x.pt")


def test_data_along_the_last_axis_are_told_how_to_be_turned(tmp_path, caplog):
    np.savez(tmp_path / "x.npz", x=RNG.random((8, 8, 3, 40)), y=np.arange(40) % 4)
    with pytest.raises(ValueError, match=r"where the last axis counts the data, give numpy.moveaxis\(x, -1, 0\)"):
        rows(tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", x=RNG.random((8, 40)), y=np.arange(40) % 4)
    with pytest.raises(ValueError, match=r"8 data, but 40 y: the last axis of x counts the data, give numpy.moveaxis"):
        rows(tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", x=RNG.random((8, 8, 40)))
    rows(tmp_path / "x.npz")
    assert "read as 8 images of 8 x 40; where the last axis counts the data, give numpy.moveaxis" in caplog.text


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
