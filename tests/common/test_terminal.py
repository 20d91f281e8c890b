"""What is printed decides nothing: any encoding shows it, and a reader that goes away ends no work."""

import io
import os
import signal
import subprocess
import sys
import threading
from errno import EPIPE

import pytest
from tests.runs.fake_runs import make_run
from tests.shell import QUICK

from elbolab.common.terminal import Output, Unwritten, plain, prepare_output, unattended
from elbolab.report import print_report
from elbolab.runs.status import read_status
from elbolab.sweeps import local
from elbolab.sweeps.shares import Share


@pytest.fixture
def printing(monkeypatch):
    """Puts a file of the system in the place of stdout, as Python opens it, and prepares it."""
    streams = []

    def onto(descriptor, encoding="ascii", buffered=True):
        raw = io.FileIO(descriptor, "w")
        streams.append(io.TextIOWrapper(io.BufferedWriter(raw) if buffered else raw, encoding, write_through=True))
        monkeypatch.setattr(sys, "stdout", streams[-1])
        monkeypatch.setattr(sys, "stderr", io.StringIO())
        prepare_output()
        return sys.stdout

    yield onto
    for stream in streams:
        stream.close()


@pytest.fixture
def pipe():
    """Its two ends; tests close the one to write to."""
    here, there = os.pipe()
    yield here, there
    os.close(here)


@pytest.fixture
def readerless():
    """The write end of a pipe that nobody reads."""
    here, there = os.pipe()
    os.close(here)
    return there


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", "-1.0 +- 0.2, 2 x 3, 10^2, -> | + ... sigma a ?"),
        ("latin-1", "-1.0 ± 0.2, 2 × 3, 10², -> | + ... sigma ä ?"),
        ("gbk", "-1.0 ± 0.2, 2 × 3, 10^2, → │ ┼ … σ a 数"),
        ("utf-8", "−1.0 ± 0.2, 2 × 3, 10², → │ ┼ … σ ä 数"),
    ],
)
def test_what_an_encoding_has_not_is_written_plainly(printing, pipe, encoding, shown):
    here, there = pipe
    print("−1.0 ± 0.2, 2 × 3, 10², → │ ┼ … σ ä 数", file=printing(there, encoding), flush=True)
    assert os.read(here, 200).decode(encoding) == f"{shown}\n"


def test_bytes_of_a_file_name_that_are_no_text_are_shown_as_they_are(printing, pipe):
    print("caf\udce9", file=printing(pipe[1], "utf-8"), flush=True)
    assert os.read(pipe[0], 200) == b"caf\xe9\n"


def test_every_character_has_a_plain_form_that_ascii_has():
    everything = [chr(code) for code in range(0x80, 0x11000) if not 0xD800 <= code < 0xE000]
    assert [character for character in everything if not plain(character).isascii() or not plain(character)] == []


@pytest.mark.parametrize("buffered", [True, False])
def test_a_reader_that_goes_away_is_told_to_whoever_does_nothing_but_print(printing, readerless, buffered):
    stream = printing(readerless, buffered=buffered)
    with pytest.raises(Unwritten) as caught:
        print("a line", file=stream, flush=True)
    assert caught.value.errno == EPIPE
    with unattended():  # which empties the buffer
        pass


@pytest.mark.parametrize("buffered", [True, False])
def test_a_reader_that_goes_away_ends_no_work(printing, readerless, buffered):
    stream = printing(readerless, buffered=buffered)
    with unattended():
        for _ in range(3):
            print("a line" * 2000, file=stream, flush=True)


def test_a_full_disk_ends_no_work(printing):
    stream = printing(os.open("/dev/full", os.O_WRONLY))
    with unattended():
        print("a line", file=stream)


def test_a_page_is_written_though_nobody_can_be_told_where(printing, tmp_path):
    make_run(tmp_path / "run")
    printing(os.open("/dev/full", os.O_WRONLY))
    print_report([str(tmp_path), f"out={tmp_path / 'page.html'}"])
    assert "<html" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTTOU])
def test_a_terminal_that_hangs_up_or_wants_to_be_left_alone_ends_no_work(number):
    before = signal.getsignal(number)
    with unattended():
        assert signal.getsignal(number) is signal.SIG_IGN  # or the next line would stop the tests
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_a_slow_reader_gets_all_that_is_printed(pipe):
    here, there = pipe
    os.set_blocking(there, False)
    text, read = b"0123456789" * 100_000, []
    with open(here, "rb", closefd=False) as reader:
        thread = threading.Thread(target=lambda: read.append(reader.read()))
        thread.start()
        assert Output(there, is_needed=True).write(text) == len(text)
        os.close(there)
        thread.join()
    assert read == [text]


def test_closed_descriptors_are_opened_on_nothing(tmp_path):
    """Else the next file that is opened takes the number, and what is printed: a configuration, say."""
    code = (
        "from elbolab.common.terminal import prepare_output; prepare_output(); print('a ±', flush=True); "
        "import os, sys; print('a ±', file=sys.stderr); sys.exit(os.open('next', os.O_CREAT))"
    )
    closed = subprocess.run(
        ["bash", "-c", '"$@" <&- >&- 2>&-', "-", sys.executable, "-c", code], cwd=tmp_path, check=False
    )
    assert closed.returncode == 3


def test_streams_of_a_notebook_stay_as_they_are(monkeypatch):
    notebook = io.StringIO()
    monkeypatch.setattr(sys, "stdout", notebook)
    monkeypatch.setattr(sys, "stderr", notebook)
    prepare_output()
    assert sys.stdout is sys.stderr is notebook


def test_a_worker_writes_its_log_in_utf_8_whatever_the_terminal(tmp_path, monkeypatch):
    begun = {}
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    monkeypatch.setattr(local.subprocess, "Popen", lambda command, **options: begun.update(options["env"]))
    local.start_process(["nothing"], Share([], {}), tmp_path / "log.txt")
    assert begun["PYTHONIOENCODING"] == "utf-8"


@pytest.mark.slow
def test_a_run_is_finished_whoever_reads_it(tmp_path, readerless):
    """In a terminal of ASCII, its errors nowhere, its table into a pipe that nobody reads."""
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    code = "from elbolab.cli import evaluate, main; evaluate.draw_all = lambda *_, **__: {}; main()"  # no pictures
    options = [*QUICK, "trainer.max_epochs=1", "evaluation.limit=20", "hydra.run.dir=run"]
    words = [sys.executable, "-c", code, "train", *options]
    with open("/dev/full", "w") as full, open(readerless, "w") as pipe:
        done = subprocess.run(words, cwd=tmp_path, env=environment, stdout=pipe, stderr=full, check=False)
    assert done.returncode == 0
    assert read_status(tmp_path / "run")["state"] == "finished"
