import io
import logging
import multiprocessing
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

import elbolab
from elbolab.cli import main
from elbolab.config.paths import config_dir

SRC = Path(elbolab.__file__).parents[1]
"""What is tested, in processes that are started too: not what happens to be installed."""

QUICK = [
    "data=digits",
    "data.binarize=dynamic",
    "densities.latent_dim=2",
    "trainer.max_epochs=3",
    "trainer.log_every_n_steps=4",
    "trainer.accelerator=cpu",
    "evaluation.num_samples=4",
]


class Shell:
    """Runs the console script in a folder of its own."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(SRC)}

    def start(self, *args: str) -> subprocess.Popen:
        command = [sys.executable, "-c", "from elbolab.cli import main; main()", *args]
        return subprocess.Popen(
            command, cwd=self.folder, env=self.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def fork(self, *args: str) -> multiprocessing.Process:
        """In a process that begins as this one is: one that begins anew takes seconds to import torch."""
        process = multiprocessing.get_context("fork").Process(target=self, args=args)
        process.start()
        return process

    def __call__(self, *args: str, fails: bool = False) -> str:
        """In this process, because starting one costs seconds; what the command changes is put back.

        Returns stderr where it must fail, else stdout; ``code`` and ``out`` are kept.
        """
        argv, cwd, path, env, handlers = (
            sys.argv,
            Path.cwd(),
            list(sys.path),
            dict(os.environ),
            logging.root.handlers[:],
        )
        out, err, code = io.StringIO(), io.StringIO(), 0
        try:
            sys.argv = ["elbolab", *args]
            os.chdir(self.folder)
            with redirect_stdout(out), redirect_stderr(err):
                main()
        except SystemExit as end:
            code = end.code
        finally:
            for handler in logging.root.handlers:
                if handler not in handlers:
                    handler.close()
            sys.argv, sys.path[:], logging.root.handlers[:] = argv, path, handlers
            os.chdir(cwd)
            os.environ.clear()
            os.environ.update(env)
            GlobalHydra.instance().clear()
        self.code, self.out = code, out.getvalue()
        assert (code != 0) == fails, f"{args}\n{out.getvalue()}\n{err.getvalue()}"
        return err.getvalue() if fails else out.getvalue()


@pytest.fixture(autouse=True)
def _own_folders(monkeypatch):
    """Runs land in the folder of the test, whatever the user has set."""
    for name in ("ELBOLAB_OUT", "ELBOLAB_DATA"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def no_pictures(monkeypatch):
    """Runs draw nothing when they are measured: pictures take most of the time of a small one."""
    monkeypatch.setattr("elbolab.cli.evaluate.draw_all", lambda *_, **__: {})


@pytest.fixture
def shell(tmp_path):
    return Shell(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A finished run on the digits, and what its command printed."""
    shell = Shell(tmp_path_factory.mktemp("finished"))
    out = shell("train", *QUICK, "hydra.run.dir=run")
    return shell.folder / "run", out


@pytest.fixture
def loader():
    """Hydra's, of elbolab's own configurations."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir().as_posix(), version_base="1.3"):
        yield GlobalHydra.instance().config_loader()


SLURM_PROGRAMS = ("sbatch", "squeue", "scontrol", "srun", "sinfo", "scancel")


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Puts shell scripts on the path in the place of SLURM's programs; those that a test does not give fail."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def put(**scripts):
        for name, script in scripts.items():
            (folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)

    put(**dict.fromkeys(SLURM_PROGRAMS, "exit 99"))
    return put
