"""hydra/launcher=local: warm workers, what they leave behind, and what happens when one dies."""

import csv
import os
import random
import signal
import time

import pytest
import torch
import torch.distributed as dist
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf
from safetensors.torch import load_file
from tests.shell import QUICK

from elbolab.cli.train import _state_after
from elbolab.runs.run_dir import RunDir
from elbolab.runs.status import read_status, state_of
from elbolab.sweeps import shares
from elbolab.sweeps.fresh_process import pristine
from elbolab.sweeps.local import PATIENCE, describe_death
from elbolab.sweeps.shares import Share, part
from elbolab.sweeps.worker import is_usable
from elbolab.training.trainer import Alone

DYING = '''
"""Imported by a job: no pictures, and a worker that dies once."""
import os
import pathlib
import lightning as L
import elbolab.cli.evaluate

elbolab.cli.evaluate.draw_all = lambda *_, **__: {}

class Die(L.Callback):
    """Kills its process at a step, the first time."""

    def __init__(self, at, mark, rank=0):
        self.at, self.mark, self.rank = at, pathlib.Path(mark), rank

    def on_train_start(self, trainer, *_):
        with open("begun.txt", "a") as file:
            file.write(f"{pathlib.Path(trainer.default_root_dir).name} {trainer.global_step}\\n")

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step >= self.at and trainer.global_rank == self.rank and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), 9)
'''

BREAKING = '''
"""Imported by a job: a GPU that answers its process no more."""
import pathlib
import lightning as L
import torch

class Break(L.Callback):
    def on_train_start(self, trainer, *_):
        if pathlib.Path(trainer.default_root_dir).name == "0":
            torch.cuda.is_initialized, torch.cuda.empty_cache = lambda: True, lambda: None
            torch.cuda.synchronize = self.broken
            self.broken()

    def broken(self):
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")
'''

SWEEP = [*QUICK, "trainer.max_epochs=2", "evaluation.limit=20", "callbacks.newest.every_n_steps=4", "seed=1,2,3"]
DIES = "+callbacks.die={_target_: dying.Die, at: 9, mark: died}"


def steps(folder):
    with (folder / "metrics.csv").open() as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


@pytest.mark.slow
def test_a_worker_that_dies_fails_its_job_alone_and_the_same_command_goes_on_with_it(shell, no_pictures, monkeypatch):
    """The first job dies, the others share a second process; then the first goes on here, by Hydra's launcher."""
    monkeypatch.setattr("elbolab.report.of_sweep.Comparison.__call__", lambda _: "")
    (shell.folder / "dying.py").write_text(DYING)
    err = shell("train", "-m", *SWEEP, DIES, "hydra.sweep.dir=sweep", fails=True)
    folder = shell.folder / "sweep"
    assert [state_of(folder / num).state for num in "012"] == ["interrupted", "finished", "finished"]
    assert read_status(folder / "1")["pid"] == read_status(folder / "2")["pid"] != read_status(folder / "0")["pid"]
    assert "job 0 (seed=1): interrupted" in err
    assert "job 0 (seed=1) was interrupted: its process was killed (SIGKILL; out of memory?)" in shell.out
    assert "elbo [nats]" in (folder / "1" / "log.txt").read_text()  # what it printed
    assert steps(folder / "0")[-1] < 21
    before = [(folder / num / "weights.safetensors").stat().st_mtime_ns for num in "12"]
    shell("train", "-m", *SWEEP, DIES, "hydra.sweep.dir=sweep", "hydra/launcher=basic")
    assert [(folder / num / "weights.safetensors").stat().st_mtime_ns for num in "12"] == before
    for num, seed in (("0", 1), ("2", 3)):
        whole = shell.folder / f"whole{seed}"
        shell("train", *SWEEP[:-1], f"seed={seed}", f"hydra.run.dir={whole}")
        assert steps(folder / num) == steps(whole)
        one, two = (load_file(run / "weights.safetensors") for run in (folder / num, whole))
        assert all(torch.equal(one[name], two[name]) for name in two)
    assert read_status(folder / "0")["before"] > 0


@pytest.mark.slow
def test_a_job_that_breaks_the_gpu_of_its_process_breaks_no_other(shell, monkeypatch):
    monkeypatch.setattr("elbolab.report.of_sweep.Comparison.__call__", lambda _: "")
    (shell.folder / "breaking.py").write_text(BREAKING)
    breaks = "+callbacks.break={_target_: breaking.Break}"
    shell("train", "-m", *SWEEP, breaks, "hydra.sweep.dir=sweep", fails=True)
    jobs = [read_status(shell.folder / "sweep" / num) for num in "012"]
    assert [job["state"] for job in jobs] == ["failed", "finished", "finished"]
    assert "device-side assert" in jobs[0]["error"]
    assert jobs[0]["pid"] != jobs[1]["pid"] == jobs[2]["pid"]


def test_a_process_whose_gpu_fails_does_no_more_jobs(monkeypatch):
    assert is_usable()
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)
    monkeypatch.setattr("torch.cuda.synchronize", lambda: None)
    assert is_usable()

    def broken():
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    monkeypatch.setattr("torch.cuda.synchronize", broken)
    assert not is_usable()


def test_a_job_leaves_nothing_behind():
    state, draws = torch.get_rng_state(), random.getstate()
    with pristine():
        torch.manual_seed(5)
        random.seed(5)
        torch.set_grad_enabled(False)
        torch.use_deterministic_algorithms(True)
        torch.set_default_dtype(torch.float64)
        torch.set_float32_matmul_precision("medium")
        torch.set_num_threads(3)
        torch.distributions.Distribution.set_default_validate_args(False)
        torch.backends.cudnn.benchmark = True
        os.environ["PL_GLOBAL_SEED"] = "5"
    assert torch.equal(torch.get_rng_state(), state)
    assert random.getstate() == draws
    assert torch.is_grad_enabled()
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.get_default_dtype() is torch.float32
    assert torch.get_float32_matmul_precision() == "highest"
    assert torch.get_num_threads() == 1
    assert torch.distributions.Distribution._validate_args
    assert not torch.backends.cudnn.benchmark
    assert "PL_GLOBAL_SEED" not in os.environ


def test_a_job_leaves_the_group_of_processes_that_it_joined(tmp_path):
    with pristine():
        dist.init_process_group("gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1)
    assert not dist.is_initialized()


@pytest.fixture
def machine(monkeypatch):
    """Eight cores and three GPUs, nothing set."""
    monkeypatch.setattr(shares, "usable_cores", lambda: list(range(8)))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return monkeypatch


def test_workers_share_threads_cores_and_gpus(machine):
    assert shares.share_machine(None, None, None, pin=True) == [Share(list(range(8)), {"OMP_NUM_THREADS": "8"})]
    two = shares.share_machine(2, None, None, pin=True)
    assert [share.cores for share in two] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert [share.environment for share in two] == [
        {"OMP_NUM_THREADS": "4", "CUDA_VISIBLE_DEVICES": "4"},
        {"OMP_NUM_THREADS": "4", "CUDA_VISIBLE_DEVICES": "5,6"},
    ]
    packed = shares.share_machine(None, 1, 2, pin=False)
    assert [share.environment["CUDA_VISIBLE_DEVICES"] for share in packed] == ["4", "5", "6", "4", "5", "6"]
    assert {share.environment["OMP_NUM_THREADS"] for share in packed} == {"1"}
    assert [share.cores for share in packed] == [[]] * 6


def test_what_the_user_has_set_stays(machine):
    machine.setenv("OMP_NUM_THREADS", "3")
    assert shares.share_machine(4, None, None, pin=False)[0].environment["OMP_NUM_THREADS"] == "3"
    assert shares.share_machine(4, 2, None, pin=False)[0].environment["OMP_NUM_THREADS"] == "2"


def test_more_workers_than_things_take_turns():
    assert [part([7, 8], i, 3) for i in range(3)] == [[7], [8], [7]]
    assert part([], 0, 3) == []


@pytest.mark.parametrize(
    ("options", "gpus", "message"),
    [
        ((0, None, None), "", "hydra.launcher.workers=0: give at least 1"),
        ((2, None, 1), "0", "give workers or jobs_per_gpu, not both"),
        ((None, None, 2), "", "there is no GPU here; give workers instead"),
    ],
)
def test_shares_that_cannot_be(machine, options, gpus, message):
    machine.setenv("CUDA_VISIBLE_DEVICES", gpus)
    with pytest.raises(ValueError, match=message):
        shares.share_machine(*options, pin=False)


def test_how_a_process_died():
    assert "out of memory?" in describe_death(-signal.SIGKILL)
    assert "SIGSEGV" in describe_death(-signal.SIGSEGV)
    assert "exit code 1" in describe_death(1)


def test_jobs_of_several_machines_are_not_for_this_launcher(shell):
    shell("train", "-m", *SWEEP[:-1], "trainer.num_nodes=2", fails=True)
    assert "job 0 failed: trainer.num_nodes=2: hydra/launcher=local has one machine" in shell.out


def test_jobs_of_several_ranks_are_not_for_launchers_within_the_command(shell):
    shell("train", "-m", *SWEEP[:-1], "trainer.devices=2", "hydra/launcher=basic", "hydra.sweep.dir=sweep", fails=True)
    assert "job 0 failed: trainer.devices=2: hydra/launcher=basic runs jobs within the command" in shell.out


@pytest.mark.parametrize(("name", "knob"), [("basic", "basic_launcher"), ("joblib", "n_jobs: -1")])
def test_launchers_of_others_have_a_file_too(shell, name, knob):
    """With what they can be told; Hydra warns of the schema that their plugin has."""
    assert knob in shell("train", "--cfg", "hydra", f"hydra/launcher={name}")
    assert f"\n{name}" in "\n" + shell("list", "hydra/launcher")


@pytest.fixture
def no_joblib(monkeypatch):
    """As where no plugin of Hydra's is installed but elbolab's own."""
    for name in [name for name in Plugins.instance().class_name_to_class if "joblib" in name]:
        monkeypatch.delitem(Plugins.instance().class_name_to_class, name)
    monkeypatch.delitem(ConfigStore.instance().repo["hydra"]["launcher"], "joblib.yaml", raising=False)


@pytest.mark.parametrize("name", ["joblib", "own"])
def test_a_launcher_that_is_not_installed_says_how_it_is(shell, no_joblib, name):
    """Whether its options are the plugin's or one's own."""
    (shell.folder / "hydra" / "launcher").mkdir(parents=True)
    text = "_target_: hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher\n"
    (shell.folder / "hydra" / "launcher" / "own.yaml").write_text(text)
    err = shell("train", "-m", "--config-dir=.", *SWEEP, f"hydra/launcher={name}", fails=True)
    assert err.endswith("error: hydra-joblib-launcher is not installed: pip install 'elbolab[joblib]'\n")


def test_a_run_that_its_machine_has_failed_goes_on(tmp_path):
    run, cfg = RunDir(tmp_path), OmegaConf.create({"resume": None})
    full, gone = OSError(28, "No space left on device"), torch.AcceleratorError("CUDA error: uncorrectable ECC error")
    machine = [Alone("another rank"), full, MemoryError(), torch.OutOfMemoryError("a neighbour"), gone]
    errors = [*machine, RuntimeError("its own")]
    assert [_state_after(error, cfg, run)[0] for error in errors] == ["failed"] * 6
    run.last.parent.mkdir()
    run.last.touch()
    assert [_state_after(error, cfg, run)[0] for error in errors] == ["interrupted"] * 5 + ["failed"]


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_job_on_several_devices_has_a_process_of_its_own_and_goes_on_in_it(shell, rank):
    dies = DIES.replace("}", f", rank: {rank}}}")
    (shell.folder / "dying.py").write_text(DYING)
    many = ["trainer.devices=2", "trainer.strategy=ddp", "hydra.sweep.dir=sweep"]
    shell("train", "-m", *SWEEP[:-1], "seed=1,2", *many, dies, fails=True)
    folder = shell.folder / "sweep"
    (dead,) = [num for num in "01" if state_of(folder / num).state != "finished"]
    assert state_of(folder / dead).state == "interrupted"  # whichever rank it was
    shell("train", "-m", *SWEEP[:-1], "seed=1,2", *many, dies)
    begun = (line.split() for line in (shell.folder / "begun.txt").read_text().splitlines())
    assert [int(step) > 0 for num, step in begun if num == dead] == [False, False, True, True]
    shell("train", "-m", *SWEEP[:-1], "seed=1,2", *many[:-1], "hydra.sweep.dir=whole")
    for num in "01":
        assert steps(folder / num) == steps(shell.folder / "whole" / num)
        one, two = (load_file(shell.folder / of / num / "weights.safetensors") for of in ("sweep", "whole"))
        assert all(torch.equal(one[name], two[name]) for name in two)
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {"0", "1"}


@pytest.mark.slow
def test_a_stopped_job_on_several_devices_saves_its_state_and_ends_soon(shell):
    many = ["trainer.devices=2", "trainer.strategy=ddp", "trainer.max_epochs=1000", "hydra.sweep.dir=sweep"]
    command = shell.start("train", "-m", *SWEEP[:-1], "seed=1", *many)
    folder = shell.folder / "sweep" / "0"
    while not (folder / "checkpoints" / "last.ckpt").exists():
        assert command.poll() is None, command.communicate()
        time.sleep(0.05)
    command.send_signal(signal.SIGINT)
    _, err = command.communicate(timeout=PATIENCE / 2)
    assert (command.returncode, "job 0: interrupted" in err) == (130, True)
    assert state_of(folder).state == "interrupted"
    saved = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
    assert saved == steps(folder)[-1] + 1  # the block at whose end it left


@pytest.mark.slow
def test_joblib_skips_retries_and_compares_as_the_others_do(shell):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    args = ["train", "-m", *SWEEP[:-1], "seed=1,-2,3", "hydra/launcher=joblib", "hydra.sweep.dir=sweep"]
    shell(*args, fails=True)
    folder = shell.folder / "sweep"
    assert [state_of(folder / num).state for num in "012"] == ["finished", "failed", "finished"]
    assert "seed=-2" in state_of(folder / "1").error
    before = (folder / "0" / "weights.safetensors").stat().st_mtime_ns
    assert "2 of 3 jobs are finished already" in shell(*args, fails=True)
    assert (folder / "0" / "weights.safetensors").stat().st_mtime_ns == before
