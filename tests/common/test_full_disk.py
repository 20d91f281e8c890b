"""Files that cannot be written, or not whole: nothing is torn, and what is said is one line."""

import logging
import os
import resource
import sys
from errno import EFBIG, ENAMETOOLONG, ENOSPC, EROFS
from types import SimpleNamespace

import pytest
import yaml
from omegaconf import OmegaConf

from elbolab.cli import commands
from elbolab.common.log_file import LogFile
from elbolab.config.errors import explain
from elbolab.config.paths import config_dir
from elbolab.loggers.table import Table
from elbolab.runs import run_dir
from elbolab.runs import status as state
from elbolab.runs.run_dir import RunDir
from elbolab.runs.status import read_status, record_end, record_start


@pytest.fixture
def room():
    """Lets no file grow beyond a size, as a disk does that gets full: the last write before is a short one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def logger():
    """Of one handler, which writes to a file."""
    made = logging.Logger("made")
    made.to = lambda path: made.addHandler(LogFile(path)) or made  # type: ignore[attr-defined]
    yield made
    for handler in made.handlers:
        handler.close()


def full(path, content, number=ENOSPC):
    raise OSError(number, os.strerror(number), str(path))


def test_a_row_that_does_not_fit_is_left_out_whole(tmp_path, room):
    table = Table(tmp_path / "metrics.csv")
    table.put({"step": "3", "epoch": "0"})
    whole = (tmp_path / "metrics.csv").read_bytes()
    room(len(whole) + 3)
    with pytest.raises(OSError, match="No space left on device: '.*metrics.csv'") as caught:
        table.put({"step": "1000007", "epoch": "0"})
    assert caught.value.errno == ENOSPC
    assert (tmp_path / "metrics.csv").read_bytes() == whole


def test_a_row_that_cannot_be_completed_stays_as_it_was(tmp_path, room):
    table = Table(tmp_path / "metrics.csv")
    table.put({"step": "3", "epoch": "0", "a": "1", "b": ""})
    whole = (tmp_path / "metrics.csv").read_bytes()
    room(len(whole) + 3)
    with pytest.raises(OSError, match="No space left"):
        table.put({"step": "3", "b": "1234567"})
    assert (tmp_path / "metrics.csv").read_bytes() == whole


def test_a_table_that_cannot_take_a_column_leaves_nothing_beside_it(tmp_path, room):
    table = Table(tmp_path / "metrics.csv")
    table.put({"step": "3", "epoch": "0"})
    whole = (tmp_path / "metrics.csv").read_bytes()
    room(len(whole))
    with pytest.raises(OSError, match="metrics.csv'") as caught:
        table.put({"step": "7", "a": "1"})
    assert caught.value.errno == EFBIG
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("metrics.csv", whole)]


def test_a_run_that_a_full_disk_ends_says_so(tmp_path, monkeypatch):
    record_start(tmp_path, monitor="val/elbo", mode="max", epochs=3, overrides=[])
    monkeypatch.setattr(state, "write_json", full)
    record_end(tmp_path, "failed", "no room")
    status = read_status(tmp_path)
    assert (status["state"], status["error"], status["epochs"]) == ("failed", "no room", 3)


@pytest.mark.parametrize("number", [ENOSPC, EROFS])
def test_a_status_that_cannot_be_written_at_all_stays_whole(tmp_path, monkeypatch, room, number):
    record_start(tmp_path, monitor="val/elbo", mode="max", epochs=3, overrides=[])
    whole = (tmp_path / "status.json").read_bytes()
    monkeypatch.setattr(state, "write_json", lambda *args: full(*args, number=number))
    room(len(whole))
    with pytest.raises(OSError, match=os.strerror(number)):
        record_end(tmp_path, "failed", "no room" * 100)
    assert (tmp_path / "status.json").read_bytes() == whole


@pytest.mark.parametrize("place", ["/dev/full", "nowhere/log.txt"])
def test_a_log_that_cannot_be_written_says_so_once(tmp_path, capsys, logger, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    logger = logger.to(place)
    for _ in range(3):
        logger.info("a message")
    reason = "No space left on device" if place == "/dev/full" else "No such file or directory"
    assert capsys.readouterr().err == f"{os.path.abspath(place)} cannot be written: {reason}\n"


def test_a_log_goes_on_once_there_is_room(tmp_path, logger, monkeypatch):
    monkeypatch.chdir(tmp_path)
    logger = logger.to("folder/log.txt")
    logger.info("lost")
    (tmp_path / "folder").mkdir()
    logger.info("kept")
    assert (tmp_path / "folder" / "log.txt").read_text() == "kept\n"


def test_a_message_that_cannot_be_formatted_is_shown_as_python_does(tmp_path, capsys, logger):
    logger.to(tmp_path / "log.txt").info("%d", "text")
    assert "TypeError" in capsys.readouterr().err


@pytest.mark.parametrize("path", [path for path in config_dir().glob("*.yaml") if "log.txt" in path.read_text()])
def test_every_log_is_such_a_file(path):
    handler = yaml.safe_load(path.read_text())["hydra"]["job_logging"]["handlers"]["file"]
    assert handler["class"] == f"{LogFile.__module__}.{LogFile.__name__}"


@pytest.mark.parametrize("number", [EROFS, ENAMETOOLONG])
def test_a_place_that_takes_no_file_is_named_with_the_way_out(number):
    told = explain(OSError(number, os.strerror(number), "/a/run"), [], ["train"])
    assert told.startswith("/a/run cannot be written: ")
    assert "Choose another place" in told


def test_a_run_has_begun_with_the_last_of_its_files(tmp_path, monkeypatch):
    """One that a full disk ends among them would have a configuration, and nothing that it says more of."""
    written = []
    monkeypatch.setattr(run_dir, "write_json", lambda path, content: written.append(path.name))
    monkeypatch.setattr(run_dir, "write_atomically", lambda path, text: written.append(path.name))
    data = SimpleNamespace(full_spec=SimpleNamespace(to_json=dict), fingerprint={})
    run_dir.write_start(RunDir(tmp_path), OmegaConf.create(), data, [])  # type: ignore[arg-type]
    assert written[-1] == "config.yaml"
    assert {"spec.json", "data.json", "environment.json"} == set(written[:-1])


@pytest.mark.skipif(sys.platform != "linux", reason="a folder that is a disk of its own")
def test_a_folder_that_cannot_be_removed_hides_no_error(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    folder.mkdir()

    def busy(path):
        raise OSError(16, "Device or resource busy", str(path))

    monkeypatch.setattr(commands.shutil, "rmtree", busy)
    commands._remove_empty_run(folder)
    commands._remove_empty_run(tmp_path / "gone")
