"""torchvision's data sets, on imitations of their files."""

import gzip
import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from torchvision import datasets

from elbolab.batch import Spec, Support, name_by_number
from elbolab.data import vision
from elbolab.data.vision import CIFAR10, IDX, KMNIST, SVHN, FashionMNIST

RNG = np.random.default_rng(0)
COLOUR = Spec((3, 32, 32), Support.UNIT, levels=256, classes=name_by_number(10))


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def write_idx(folder: Path, suffix: str = "") -> dict[str, np.ndarray]:
    """60 + 20 pictures in MNIST's format."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for name in IDX:
        num, images = (60 if name.startswith("train") else 20), "images" in name
        array = RNG.integers(256 if images else 10, size=(num, 28, 28) if images else num, dtype=np.uint8)
        raw = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()
        (folder / f"{name}{suffix}").write_bytes(gzip.compress(raw) if suffix else raw)
        arrays[name] = array
    return arrays


@pytest.fixture
def _few(monkeypatch):
    monkeypatch.setattr(vision, "BOUNDS", {"standard": (50, 50)})


@pytest.mark.usefixtures("_few")
@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("kind", [FashionMNIST, KMNIST])
def test_placed_idx_files_are_read(tmp_path, kind, suffix, agrees):
    arrays = write_idx(tmp_path / kind.__name__ / "raw", suffix)
    data = kind(root=str(tmp_path), binarize="none", batch_size=10)
    agrees(data)
    assert list(data.spec.classes) == getattr(datasets, kind.__name__).classes
    assert list(map(len, data.splits)) == [50, 10, 20]
    assert np.array_equal(data.arrays("test").x[:, 0], arrays["t10k-images-idx3-ubyte"])
    assert np.array_equal(data.arrays("val").y, arrays["train-labels-idx1-ubyte"][50:])


@pytest.mark.usefixtures("_few")
def test_missing_idx_files_are_downloaded_once(tmp_path, monkeypatch):
    downloads = []

    class Files:
        def __init__(self, root, download):
            downloads.append(root)
            write_idx(root / "FashionMNIST" / "raw", ".gz")

    monkeypatch.setattr(datasets, "FashionMNIST", Files)
    for _ in range(2):
        FashionMNIST(root=str(tmp_path), batch_size=10).splits  # noqa: B018
    assert len(downloads) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "FashionMNIST"]


@pytest.mark.usefixtures("_few")
def test_a_failed_download_says_what_is_missing_and_how_to_get_it(tmp_path, monkeypatch):
    class Files:
        def __init__(self, root, download):
            raise RuntimeError("Error downloading")

    monkeypatch.setattr(datasets, "KMNIST", Files)
    message = rf"missing {tmp_path}/KMNIST/raw/train-images-idx3-ubyte.gz, .*failed \(RuntimeError: Error downloading\)"
    with pytest.raises(ValueError, match=message + r".*To use KMNIST without a download, put torchvision's files into"):
        KMNIST(root=str(tmp_path)).splits  # noqa: B018


@pytest.fixture
def cifar(tmp_path, monkeypatch) -> np.ndarray:
    """Two training batches of 20 and a test batch of 10; the pictures in order."""
    folder = tmp_path / datasets.CIFAR10.base_folder
    folder.mkdir()
    x = RNG.integers(256, size=(50, 3, 32, 32), dtype=np.uint8)
    parts = {"data_batch_1": x[:20], "data_batch_2": x[20:40], "test_batch": x[40:]}
    for name, part in parts.items():
        content = {"data": part.reshape(len(part), -1), "labels": [int(row.sum()) % 10 for row in part]}
        (folder / name).write_bytes(pickle.dumps(content))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("0123456789")}))
    sums = {path.name: md5(path) for path in folder.iterdir()}
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [[name, sums[name]] for name in list(parts)[:2]])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(datasets.CIFAR10, "meta", datasets.CIFAR10.meta | {"md5": sums["batches.meta"]})
    return x


def test_cifar_pictures_keep_channels_and_labels(tmp_path, cifar, agrees):
    data = CIFAR10(root=str(tmp_path), val_size=15, batch_size=10)
    agrees(data)
    assert data.spec._replace(classes=name_by_number(10)) == COLOUR
    assert (data.spec.classes[0], data.spec.classes[3]) == ("airplane", "cat")
    assert list(map(len, data.splits)) == [25, 15, 10]
    assert np.array_equal(np.concatenate([arrays.x for arrays in data.splits]), cifar)
    assert all((arrays.y == arrays.x.reshape(len(arrays), -1).sum(1) % 10).all() for arrays in data.splits)


@pytest.mark.usefixtures("cifar")
@pytest.mark.parametrize("val_size", [40, 45])
def test_validation_data_leave_something_to_train_on(tmp_path, val_size):
    with pytest.raises(ValueError, match=f"data.val_size={val_size}: there are 40 data to train and validate on"):
        CIFAR10(root=str(tmp_path), val_size=val_size, batch_size=1).splits  # noqa: B018


def test_corrupt_cifar_files_are_found_out(tmp_path, cifar):
    path = tmp_path / datasets.CIFAR10.base_folder / "data_batch_2"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ValueError, match=r"corrupt files of CIFAR10 in .*: remove them and try again"):
        CIFAR10(root=str(tmp_path)).splits  # noqa: B018


def test_svhn_pictures_keep_channels_and_labels(tmp_path, monkeypatch, agrees):
    x = RNG.integers(256, size=(50, 3, 32, 32), dtype=np.uint8)
    y = np.where(np.arange(50) % 10 == 0, 10, np.arange(50) % 10)
    lists = {}
    for part, rows in (("train", slice(40)), ("test", slice(40, None))):
        path = tmp_path / f"{part}_32x32.mat"
        scipy.io.savemat(path, {"X": np.moveaxis(x[rows], (1, 0), (2, 3)), "y": y[rows, None]})
        lists[part] = ["", path.name, md5(path)]
    monkeypatch.setattr(datasets.SVHN, "split_list", lists)
    data = SVHN(root=str(tmp_path), val_size=10, batch_size=10)
    agrees(data)
    assert list(map(len, data.splits)) == [30, 10, 10]
    assert np.array_equal(np.concatenate([arrays.x for arrays in data.splits]), x)
    assert np.concatenate([arrays.y for arrays in data.splits]).tolist() == [i % 10 for i in range(50)]


@pytest.mark.parametrize("kind", [CIFAR10, SVHN])
def test_nothing_half_written_stays(tmp_path, monkeypatch, kind):
    def interrupted(self, root, **options):
        (Path(root) / "half").write_bytes(b"half")
        raise OSError("no network")

    monkeypatch.setattr(getattr(datasets, kind.__name__), "__init__", interrupted)
    with pytest.raises(ValueError, match=rf"missing {tmp_path}.*OSError: no network.*without a download"):
        kind(root=str(tmp_path)).splits  # noqa: B018
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
