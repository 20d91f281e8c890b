"""What lies in a folder of pictures, and what of it is left out."""

import os
from pathlib import Path

import pytest
from tests.reading.picture_writers import fill

from elbolab.data.arrays import OwnArrays
from elbolab.data.own_files import read_arrays


def test_what_is_left_out_is_counted_and_named(tmp_path, caplog):
    fill(tmp_path, "cat/0.png", "dog/1.png", ".ipynb_checkpoints/0.png", "__MACOSX/0.png")
    for name in ("cat/._0.png", "cat/notes.txt", "cat/more.txt", "dog/Thumbs.db", "LICENSE"):
        (tmp_path / name).write_text("no picture")
    (tmp_path / "empty/labels").mkdir(parents=True)
    assert len(read_arrays(tmp_path)["x"]) == 2
    assert "left out what is no picture: 2 hidden, 2 without a suffix, 2 .txt, 1 .db, the first" in caplog.text
    assert "no pictures in empty\n" in caplog.text
    assert "labels are given as class folders" in caplog.text


def test_a_clean_folder_is_read_without_a_word(tmp_path, caplog):
    fill(tmp_path, "train/cat/0.png", "train/dog/0.png", "test/cat/0.png", "test/dog/0.png")
    read_arrays(tmp_path)
    assert not caplog.text


def test_a_link_to_a_folder_above_is_refused(tmp_path):
    fill(tmp_path, "cat/0.png")
    os.symlink(tmp_path, tmp_path / "cat" / "again")
    with pytest.raises(ValueError, match="the link .*again leads back to .*: remove the link"):
        read_arrays(tmp_path)


def test_links_to_folders_and_names_in_any_script(tmp_path):
    fill(tmp_path, "elsewhere/0.png")
    (tmp_path / "data").mkdir()
    greys = fill(tmp_path, "data/große Katze/1.png")
    os.symlink(tmp_path / "elsewhere", tmp_path / "data" / "犬")
    named = read_arrays(tmp_path / "data")
    assert named["x"].reshape(-1).tolist() == [greys["data/große Katze/1.png"], 1]
    assert named["y"].tolist() == ["große Katze", "犬"]


def found(root: Path) -> dict[str, list[int]]:
    """The greys of each split."""
    named = read_arrays(root)
    return {name: x.reshape(-1).tolist() for name, x in named.items() if not name.startswith("y")}


def written(greys: dict[str, int], folder: str) -> list[int]:
    return [grey for name, grey in greys.items() if name.startswith(folder)]


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (["train", "val", "test"], ["train", "val", "test"]),
        (["Train", "VALID", "Test"], ["train", "val", "test"]),
        (["training", "validation", "testing"], ["train", "val", "test"]),
        (["train", "dev"], ["train", "val"]),
        (["train", "test"], ["train", "test"]),
        (["mnist/raw/train", "mnist/raw/test"], ["train", "test"]),
        (["train/images", "test/images"], ["train", "test"]),
    ],
)
@pytest.mark.parametrize("inner", [[""], ["cat/", "dog/"]])
def test_split_folders_are_splits(tmp_path, folders, splits, inner):
    greys = fill(tmp_path, *(f"{folder}/{sub}{i}.png" for folder in folders for sub in inner for i in range(2)))
    named = read_arrays(tmp_path)
    assert found(tmp_path) == {split: written(greys, folder) for split, folder in zip(splits, folders, strict=True)}
    assert set(named) == {*splits, *(f"y_{split}" for split in splits if len(inner) > 1)}
    labels = ["cat", "cat", "dog", "dog"]
    assert all(named[f"y_{split}"].tolist() == labels for split in splits if len(inner) > 1)


def test_no_picture_of_another_split_is_trained_on(tmp_path, agrees):
    greys = fill(tmp_path, *(f"{split}/{i:02}.png" for split in ("train", "valid", "test") for i in range(20)))
    data = OwnArrays(tmp_path, batch_size=10)
    agrees(data)
    for split, folder in (("train", "train"), ("val", "valid"), ("test", "test")):
        assert sorted(data.arrays(split).x.reshape(-1).tolist()) == written(greys, folder)


def test_class_folders_are_classes_and_numbers_sort_as_numbers(tmp_path, agrees):
    greys = fill(tmp_path, *(f"{label}/{i}.png" for label in (10, 2, 1) for i in range(10)))
    (tmp_path / "notes").mkdir()
    data = OwnArrays(tmp_path, batch_size=10)
    agrees(data)
    assert data.spec.classes == ("1", "2", "10")
    for arrays in data.splits:
        for grey, label in zip(arrays.x.reshape(-1), arrays.y, strict=True):
            assert grey in written(greys, f"{(1, 2, 10)[label]}/")


@pytest.mark.parametrize("wrapping", ["train", "cats", "deep/level/images"])
def test_a_single_folder_is_neither_class_nor_split(tmp_path, wrapping):
    greys = fill(tmp_path, f"{wrapping}/0.png", f"{wrapping}/1.png")
    (tmp_path / "empty").mkdir()
    assert set(read_arrays(tmp_path)) == {"x"}
    assert found(tmp_path)["x"] == list(greys.values())


def test_folders_within_a_class_belong_to_it(tmp_path, caplog):
    greys = fill(tmp_path, "cat/0.png", "cat/persian/old/1.png", "cat/tabby/2.png", "dog/3.png")
    named = read_arrays(tmp_path)
    assert named["x"].reshape(-1).tolist() == list(greys.values())
    assert named["y"].tolist() == ["cat", "cat", "cat", "dog"]
    assert "deeper ones, such as cat/persian, count as part of theirs" in caplog.text


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (["train/0.png", "car/0.png", "bus/0.png"], ["has train, and beside that bus, car", "if they are classes"]),
        (
            ["train/0.png", "test/0.png", "bus/0.png"],
            ["has test, train, and beside that bus", "move the rest"],
        ),
        (["train/0.png", "0.png"], ["has train, and beside that 0.png"]),
        (["train/0.png", "val/0.png", "valid/0.png"], ["has train, val, valid, of which two mean one split"]),
        (["train/0.png", "Train/0.png"], ["two mean one split"]),
        (["val/0.png", "test/0.png"], ["has test, val, and none to train on", "add a folder train"]),
        (["test/0.png"], ["has pictures in test alone, and none to train on", "data.path=.*test to train on these"]),
        (["train2017/0.png", "val2017/0.png"], ["has the folders train2017, val2017", "call them train, val and test"]),
        (["trainA/0.png", "trainB/0.png", "testA/0.png"], ["has the folders testA, trainA, trainB"]),
        (["train_images/0.png", "Test-Set/0.png"], ["has the folders Test-Set, train_images"]),
        (["trainset/0.png", "testset/0.png"], ["has the folders testset, trainset"]),
        (["cat/0.png", "dog/0.png", "1.png"], [r"has pictures \(1.png\) beside folders of pictures \(cat, dog\)"]),
        (["train/cat/0.png", "train/0.png", "test/0.png"], [r"train has pictures \(0.png\) beside .* \(cat\)"]),
        (["images/0.png", "masks/0.png"], ["has the folders images, masks", "give that as data.path"]),
        (["train/img/0.png", "train/gt/0.png", "val/img/0.png", "val/gt/0.png"], ["train has the folders gt, img"]),
        (["cat/train/0.png", "cat/test/0.png", "dog/0.png"], ["cat has test, train inside", "put them outside, as in"]),
        (
            ["train/cat/0.png", "train/dog/0.png", "test/0.png"],
            [r"train has class folders \(cat, dog\), test has none"],
        ),
        (["train/0.png", "test/cat/0.png"], [r"test has class folders \(cat\), train has none"]),
        (["train/cat/0.png", "test/cat/0.png", "test/dog/0.png"], ["test has folders that train has not: dog"]),
        (["train/cat/0.png", "test/dog/0.png"], ["test has folders that train has not: dog", "one folder"]),
    ],
)
def test_a_layout_with_two_readings_is_refused(tmp_path, names, parts):
    fill(tmp_path, *names)
    for part in parts:
        with pytest.raises(ValueError, match=part):
            read_arrays(tmp_path)


@pytest.mark.parametrize("names", [["train/0.png"], ["train/0.png", "val/0.png"], ["train/a/0.png", "train/b/0.png"]])
def test_a_split_without_pictures_is_refused(tmp_path, names):
    fill(tmp_path, *names)
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "0.heic").write_text("of no known kind")
    with pytest.raises(ValueError, match="has no pictures in test, where train.* has some: add .*, or remove"):
        read_arrays(tmp_path)


@pytest.mark.parametrize("names", [["tester/0.png", "trains/0.png"], ["training day/0.png", "valley/0.png"]])
def test_classes_that_are_hardly_like_splits(tmp_path, names):
    fill(tmp_path, *names)
    assert read_arrays(tmp_path)["y"].tolist() == [name.partition("/")[0] for name in names]


def test_a_class_of_training_data_alone_is_said(tmp_path, caplog):
    fill(tmp_path, "train/cat/0.png", "train/dog/0.png", "val/cat/0.png", "test/dog/0.png")
    named = read_arrays(tmp_path)
    assert (named["y_val"].tolist(), named["y_test"].tolist()) == (["cat"], ["dog"])
    assert "val has no pictures of the classes dog" in caplog.text
    assert "test has no pictures of the classes cat" in caplog.text
