"""What lies in a folder of pictures, and what of it is left out."""

import os

import pytest
from tests.data.picture_writers import fill

from elbolab.data.reading import read_named


def test_what_is_left_out_is_counted_and_named(tmp_path, caplog):
    fill(tmp_path, "cat/0.png", "dog/1.png", ".ipynb_checkpoints/0.png", "__MACOSX/0.png")
    for name in ("cat/._0.png", "cat/notes.txt", "cat/more.txt", "dog/Thumbs.db", "LICENSE"):
        (tmp_path / name).write_text("no picture")
    (tmp_path / "empty/labels").mkdir(parents=True)
    assert len(read_named(tmp_path)["x"]) == 2
    assert "left out what is no picture: 2 hidden, 2 without a suffix, 2 .txt, 1 .db, the first" in caplog.text
    assert "no pictures in empty\n" in caplog.text
    assert "labels are given as class folders" in caplog.text


def test_a_clean_folder_is_read_without_a_word(tmp_path, caplog):
    fill(tmp_path, "train/cat/0.png", "train/dog/0.png", "test/cat/0.png", "test/dog/0.png")
    read_named(tmp_path)
    assert not caplog.text


def test_a_link_to_a_folder_above_is_refused(tmp_path):
    fill(tmp_path, "cat/0.png")
    os.symlink(tmp_path, tmp_path / "cat" / "again")
    with pytest.raises(ValueError, match="the link .*again leads back to .*: remove the link"):
        read_named(tmp_path)


def test_links_to_folders_and_names_in_any_script(tmp_path):
    fill(tmp_path, "elsewhere/0.png")
    (tmp_path / "data").mkdir()
    greys = fill(tmp_path, "data/große Katze/1.png")
    os.symlink(tmp_path / "elsewhere", tmp_path / "data" / "犬")
    named = read_named(tmp_path / "data")
    assert named["x"].reshape(-1).tolist() == [greys["data/große Katze/1.png"], 1]
    assert named["y"].tolist() == ["große Katze", "犬"]
