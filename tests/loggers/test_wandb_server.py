"""Servers that W&B is to be sent to: those that do not answer, do not work, or know no key cost seconds."""

import socket
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread

import pytest
from tests.walker import board_of

from elbolab.loggers import wandb_server as ours


def test_a_dead_server_is_noticed_at_once():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(ConnectionError, match="does not answer"):
            ours.reach(url)


class Answers(BaseHTTPRequestHandler):
    """A server that answers everything in the same way."""

    code = 200

    def do_GET(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(self.code)
        self.send_header("content-length", "0")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *args): ...


@contextmanager
def listening(handler):
    with ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class Sick(Answers):
    code = 503


class Refuses(Answers):
    """It knows no key."""

    code = 401


class Greets(BaseRequestHandler):
    """It speaks, but not HTTP."""

    def handle(self):
        self.request.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


@pytest.mark.parametrize(
    ("handler", "reason"),
    [(Sick, r"does not work \(503 Service Unavailable\)"), (Greets, r"does not speak HTTP \(BadStatusLine\)")],
)
def test_a_server_that_does_not_work_is_none(handler, reason):
    """W&B itself would try the one for a minute, and the other would end the run."""
    with listening(handler) as url, pytest.raises(ConnectionError, match=reason):
        ours.reach(url)


def test_a_server_that_answers_is_one():
    with listening(Refuses) as url:
        ours.reach(url)


def test_a_server_that_hangs_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as hangs:
        url = f"http://127.0.0.1:{hangs.getsockname()[1]}"
        with pytest.raises(ConnectionError, match=r"does not answer \(in 0.1 s\)"):
            ours.reach(url, seconds=0.1)


def test_the_jobs_of_a_sweep_do_not_wait_for_the_same_server_again(nobody, tmp_path, monkeypatch, caplog):
    tried = []

    def reach(url):
        tried.append(url)
        raise ConnectionError("it hangs")

    monkeypatch.setattr(ours, "reach", reach)
    monkeypatch.setattr(ours, "FAILURES", {})
    for job in "012":
        if job == "2":  # after a while
            monkeypatch.setattr(ours, "RETRY_SECONDS", 0.0)
        board = board_of(tmp_path / job)
        assert board.experiment.offline
        board.close(failed=False)
        assert tried == ["http://127.0.0.1:9"] * (2 if job == "2" else 1)
    assert caplog.text.count("W&B: recording offline, because it hangs") == 3


def test_a_refused_key_is_recorded_offline_under_the_same_id(nobody, tmp_path, monkeypatch, caplog):
    with listening(Refuses) as url:
        monkeypatch.setenv("WANDB_BASE_URL", url)
        monkeypatch.setenv("WANDB_API_KEY", "ab12" * 10)
        board = board_of(tmp_path)
        assert board.experiment.offline
        assert board.experiment.id == (tmp_path / "wandb_id.txt").read_text().strip()
        board.close(failed=True)
    assert "recording offline, because" in caplog.text
    assert "401" in caplog.text


def test_a_setting_that_wandb_refuses_is_named(nobody, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", "localhost:8080")
    with pytest.raises(ValueError, match="WANDB_BASE_URL=localhost:8080: URL scheme should be 'http' or 'https'"):
        board_of(tmp_path)
