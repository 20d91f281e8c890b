import os
import socket
import sys
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace

import pytest

from elbolab.callbacks import wandb as ours
from elbolab.callbacks.csv_logger import AppendingCSVLogger
from elbolab.callbacks.wandb import closing_line, finish, wandb_logger


class Run:
    """What `closing_line` reads of a W&B run."""

    def __init__(self, *, disabled=False, offline=False, url=None, sync_dir=None, id=None):
        self.disabled, self.offline, self.url, self.id = disabled, offline, url, id
        self.settings = type("Settings", (), {"sync_dir": sync_dir})


@pytest.mark.parametrize(
    ("run", "line"),
    [
        (Run(disabled=True), "W&B: disabled, nothing was recorded"),
        (Run(offline=True, sync_dir="a/b"), "W&B: recorded offline; upload with: wandb sync a/b"),
        (Run(url="https://host/p/runs/1"), "W&B: https://host/p/runs/1"),
    ],
)
def test_the_closing_line_says_where_the_run_is(run, line):
    assert closing_line(run) == line


def test_the_parts_of_a_resumed_run_are_uploaded_together(tmp_path):
    for name in ("offline-run-1-abc", "offline-run-2-abc", "offline-run-3-xyz"):
        (tmp_path / name).mkdir()
    run = Run(offline=True, sync_dir=str(tmp_path / "offline-run-2-abc"), id="abc")
    assert closing_line(run).endswith(f"wandb sync {tmp_path}/offline-run-1-abc {tmp_path}/offline-run-2-abc")


def test_the_id_is_kept_with_the_run(tmp_path):
    first = ours._run_id(tmp_path / "wandb_id.txt")
    assert ours._run_id(tmp_path / "wandb_id.txt") == first
    (tmp_path / "other").mkdir()
    assert ours._run_id(tmp_path / "other" / "wandb_id.txt") != first


def test_a_dead_server_is_noticed_at_once():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(ConnectionError, match="does not answer"):
            ours._reach(url)


def test_nobody_can_be_asked_for_a_key():
    stdin = sys.stdin
    with suppress(KeyError), ours._nobody_to_ask():
        assert sys.stdin is not stdin
        assert not sys.stdin.isatty()
        raise KeyError
    assert sys.stdin is stdin


def test_nobody_is_asked_while_a_run_begins(monkeypatch):
    import wandb

    seen = []
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setattr(ours, "_reach", lambda url: None)
    monkeypatch.setattr(
        wandb, "setup", lambda *_: SimpleNamespace(settings=SimpleNamespace(mode="online", base_url=""))
    )
    monkeypatch.setattr(wandb, "init", lambda **settings: seen.append((settings["mode"], sys.stdin.name)))
    ours._begin(False, 1.0, 1.0)
    assert seen == [("online", os.devnull)]


def test_finishing_other_loggers_does_nothing(tmp_path):
    assert finish([AppendingCSVLogger(tmp_path)]) == []


@pytest.fixture
def nobody(tmp_path, monkeypatch):
    """W&B as on a machine without account and network; it reads its environment at its first use."""
    import wandb

    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("NETRC", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    wandb.teardown()
    yield
    wandb.teardown()


def test_two_fits_in_one_directory_without_an_account_are_one_wandb_run(nobody, run, tmp_path, caplog):
    ids, folder = [], tmp_path / "run"
    for _ in range(2):
        logger = wandb_logger("elbolab", folder, tags=["a"], config={"seed": 1}, log_model=True)
        run.fit(loggers=[logger])
        logger.log_metrics({"val/elbo": 1.0}, 29)
        ids.append(logger.experiment.id)
        summary = logger.experiment.summary
        assert logger.experiment.offline
        assert dict(summary["val/elbo"]) == {"max": 20.5, "last": 1}
        assert summary["trainer/global_step"] == 29
        (line,) = finish([logger])
        assert line.startswith(f"W&B: recorded offline; upload with: wandb sync {folder / 'wandb'}")
        assert sys.modules["wandb"].run is None  # the next job of a sweep begins its own
    assert ids[0] == ids[1] == (folder / "wandb_id.txt").read_text().strip()
    assert caplog.text.count("recording offline, because http://127.0.0.1:9 does not answer") == 2
    assert caplog.text.count("log_model=true has no effect") == 2


class Refuses(BaseHTTPRequestHandler):
    """A server that knows no key."""

    def do_GET(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(401)
        self.send_header("content-length", "0")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *args): ...


def test_a_refused_key_is_recorded_offline_under_the_same_id(nobody, tmp_path, monkeypatch, caplog):
    with ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("WANDB_API_KEY", "ab12" * 10)
        logger = wandb_logger("elbolab", tmp_path, init_timeout=5)
        assert logger.experiment.offline
        assert logger.experiment.id == (tmp_path / "wandb_id.txt").read_text().strip()
        finish([logger])
        server.shutdown()
    assert "recording offline, because" in caplog.text
    assert "401" in caplog.text
