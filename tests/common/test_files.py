"""Files that nothing tears."""

from pathlib import Path

import pytest

from elbolab.common.files import write_atomically, write_json


def test_a_text_is_there_whole(tmp_path):
    write_atomically(tmp_path / "new" / "a.txt", "one")
    write_json(tmp_path / "new" / "a.txt", {"two": 2})
    assert (tmp_path / "new" / "a.txt").read_text() == '{\n  "two": 2\n}\n'
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.txt"]


def test_a_full_disk_leaves_the_old_text_and_nothing_beside_it(tmp_path, monkeypatch):
    write_atomically(tmp_path / "a.txt", "old")

    def half(path, text, encoding, errors):
        with path.open("w", encoding=encoding) as file:
            file.write(text[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "a.txt", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_path_that_is_no_text_is_written_as_it_is(tmp_path):
    write_atomically(tmp_path / "a.html", "caf\udcc3\udca9")
    assert (tmp_path / "a.html").read_bytes() == "café".encode()
