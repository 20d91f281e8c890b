"""Larochelle's files, as text and packed; imitations of them, and the real ones where they are."""

import os
from pathlib import Path

import numpy as np
import pytest

from elbolab.batch import Spec, Support
from elbolab.data.binarized_mnist import PACKED, PARTS, BinarizedMNIST

SIZES = (30, 8, 9)


@pytest.fixture
def bits() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {part: rng.integers(2, size=(num, 784), dtype=np.uint8) for part, num in zip(PARTS, SIZES, strict=True)}


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "binarized_mnist").mkdir()
    return tmp_path / "binarized_mnist"


def write_text(folder: Path, bits: dict[str, np.ndarray]) -> None:
    for part, rows in bits.items():
        np.savetxt(folder / f"binarized_mnist_{part}.amat", rows, fmt="%d")


def data(folder: Path) -> BinarizedMNIST:
    return BinarizedMNIST(root=str(folder.parent), batch_size=10)


@pytest.mark.parametrize("packed", [True, False])
def test_both_formats_give_the_same_digits(folder, bits, packed, agrees):
    if packed:
        np.savez(folder / PACKED, **{part: np.packbits(rows, axis=1) for part, rows in bits.items()})
    else:
        write_text(folder, bits)
    for arrays, part in zip(data(folder).splits, PARTS, strict=True):
        assert np.array_equal(arrays.x.reshape(-1, 784), bits[part])
    agrees(data(folder))
    assert data(folder).spec == Spec((1, 28, 28), Support.BINARY, levels=2)


def test_missing_files_say_how_to_get_them(folder, bits):
    write_text(folder, bits)
    (folder / "binarized_mnist_valid.amat").unlink()
    with pytest.raises(
        ValueError, match=r"missing .*_valid.amat, and there is no .*npz either. Get .* from Hugo Laroc"
    ):
        data(folder).splits  # noqa: B018


def test_cut_off_files_are_found_out(folder, bits):
    write_text(folder, bits)
    path = folder / "binarized_mnist_test.amat"
    path.write_text(path.read_text()[:-100])
    with pytest.raises(ValueError, match="corrupt data file .*_test.amat: .* digits, no multiple of 784"):
        data(folder).splits  # noqa: B018


GOOD = {part: np.zeros((20, 98), np.uint8) for part in PARTS}


@pytest.mark.parametrize(
    ("arrays", "part"),
    [
        ({"train": GOOD["train"], "test": GOOD["test"]}, "valid"),
        (GOOD | {"test": np.zeros((20, 97), np.uint8)}, "test"),
        (GOOD | {"train": np.zeros(98, np.uint8)}, "train"),
        (GOOD | {"train": np.zeros((20, 98))}, "train"),
    ],
)
def test_other_arrays_are_found_out(folder, arrays, part):
    np.savez(folder / PACKED, **arrays)
    message = (
        rf"corrupt data file .*{PACKED}: it has no array {part} of bytes, \(n, 98\): remove it and get .*Larochelle"
    )
    with pytest.raises(ValueError, match=message):
        data(folder).splits  # noqa: B018


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("damage", ["garbage", "cut", "flipped"])
def test_a_corrupt_packed_file_says_where_and_how(folder, damage, save):
    save(folder / PACKED, **{part: np.arange(1960, dtype=np.uint8).reshape(20, 98) for part in PARTS})
    whole = (folder / PACKED).read_bytes()
    damaged = {"garbage": b"no zip", "cut": whole[:300], "flipped": whole[:150] + b"\xff" * 40 + whole[190:]}[damage]
    (folder / PACKED).write_bytes(damaged)
    with pytest.raises(
        ValueError, match=rf"corrupt data file .*{PACKED} \(.+\): remove it and get it again. Get .*Laro"
    ):
        data(folder).splits  # noqa: B018


ROOT = os.environ.get("ELBOLAB_DATA")


@pytest.mark.skipif(ROOT is None or not Path(ROOT, "binarized_mnist").is_dir(), reason="no files in ELBOLAB_DATA")
def test_the_real_files_are_binary_mnist():
    real = BinarizedMNIST(root=ROOT)
    assert list(map(len, real.splits)) == [50_000, 10_000, 10_000]
    assert real.train_mean().mean().item() == pytest.approx(0.13, abs=0.005)
