"""Checks `.ci/fresh`: what a fresh machine lacks is made up, is there without it, and is not there under it.

Run it as ``python .ci/check_fresh.py``, with the environment of the tests active.
"""

import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

PROGRAMS = [
    *("srun", "sbatch", "squeue", "sinfo", "scontrol", "scancel", "sacct", "ray", "nvidia-smi", "nvcc"),
    *("chromium", "chromium-browser", "google-chrome", "chromedriver", "firefox", "geckodriver"),
    *("gcc", "g++", "cc", "c++", "clang", "clang++", "git", "curl", "wget", "ps", "ip", "apt-get", "fc-list"),
]

NEEDS = """
import os, subprocess
from pathlib import Path
from urllib.request import urlopen
import pytest

@pytest.mark.parametrize("program", {programs})
def test_program(program):
    subprocess.run([program], check=True)

def test_home():
    assert (Path.home() / "used").exists()

def test_network():
    urlopen("{url}", timeout=20).close()

def test_variable():
    assert os.environ["SLURM_JOB_ID"]
"""
"""A test for each thing that a test must not need."""

NUM = len(PROGRAMS) + 3
FRESH = ["bash", str(Path(__file__).with_name("fresh"))]


class Answers(BaseHTTPRequestHandler):
    """The network."""

    def do_GET(self) -> None:
        """Answers."""
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Says nothing."""


def outcomes(command: list[str], env: dict[str, str], tests: Path) -> dict[str, str]:
    """The outcome of each test under a command."""
    options = ["--noconftest", "-p", "no:xdist", "-p", "no:cacheprovider", "-o", "addopts=", "-rA", "--tb=no"]
    done = subprocess.run([*command, "pytest", *options, tests], env=env, capture_output=True, text=True, check=False)
    found = re.findall(r"^(PASSED|FAILED|ERROR) \S+::(\S+)", done.stdout, re.MULTILINE)
    return {name: outcome for outcome, name in found}


def faults(command: list[str], wanted: str, env: dict[str, str], tests: Path) -> list[str]:
    """What has another outcome under a command."""
    found = outcomes(command, env, tests)
    told = [
        f"{' '.join(command)} {name}: {outcome}, not {wanted}" for name, outcome in found.items() if outcome != wanted
    ]
    return told if len(found) == NUM else [*told, f"{' '.join(command)}: {len(found)} of {NUM} tests ran"]


def main() -> None:
    """Ends with code 1 and what is wrong."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        for name in ("bin", "home"):
            (place / name).mkdir()
        for program in PROGRAMS:
            (place / "bin" / program).write_text("#!/bin/sh\n")
            (place / "bin" / program).chmod(0o755)
        (place / "home" / "used").touch()
        server = HTTPServer(("0.0.0.0", 0), Answers)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        tests = place / "test_needs.py"
        url = f"http://127.0.0.2:{server.server_port}"  # of the machine, and not what proxies are by-passed for
        tests.write_text(NEEDS.format(programs=PROGRAMS, url=url))
        env = os.environ | {"HOME": str(place / "home"), "SLURM_JOB_ID": "1"}
        env["PATH"] = f"{place / 'bin'}:{env['PATH']}"
        told = faults([], "PASSED", env, tests) + faults(FRESH, "FAILED", env, tests)
        told += faults([*FRESH, "--no-home"], "FAILED", env, tests)
    sys.exit("\n".join(told) or None)


if __name__ == "__main__":
    main()
