import os
import subprocess
import sys
from pathlib import Path

import pytest

QUICK = ["data=digits", "data.binarize=dynamic", "densities.latent_dim=2", "trainer.max_epochs=3",
         "trainer.log_every_n_steps=4", "trainer.accelerator=cpu", "evaluation.num_samples=4"]


class Shell:
    """Runs the console script in a folder of its own."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": ""}

    def start(self, *args: str) -> subprocess.Popen:
        command = [sys.executable, "-c", "from elbolab.cli import main; main()", *args]
        return subprocess.Popen(command, cwd=self.folder, env=self.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def __call__(self, *args: str, fails: bool = False) -> str:
        process = self.start(*args)
        out, err = process.communicate(timeout=110)
        assert (process.returncode != 0) == fails, f"{args}\n{out}\n{err}"
        return err if fails else out


@pytest.fixture
def shell(tmp_path):
    return Shell(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A finished run on the digits, and what its command printed."""
    shell = Shell(tmp_path_factory.mktemp("finished"))
    out = shell("train", *QUICK, "hydra.run.dir=run")
    return shell.folder / "run", out
