"""Clusters without one: what is asked for, what is refused, what becomes of jobs that end without a word."""

import json
import re
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf
from tests.shell import QUICK, SLURM_PROGRAMS

from elbolab.cluster import queue, slurm
from elbolab.cluster.jobs import ClusterJob, plan_jobs, wait_for
from elbolab.cluster.queue import check_possible
from elbolab.cluster.resources import Shape, directives, read_resources, sbatch_options, setup_lines, shape_of
from elbolab.cluster.slurm import Slurm, import_submitit
from elbolab.config.paths import config_dir
from elbolab.runs.run_dir import RunDir, acquire_run
from elbolab.runs.status import record_end, record_start, state_of

ONE = Shape(1, 1)
SLURM = ["train", "-m", *QUICK, "hydra/launcher=slurm", "hydra.sweep.dir=sweep", "seed=1,2"]


def asked(**changes):
    knobs = OmegaConf.to_container(OmegaConf.load(config_dir() / "hydra/launcher/slurm.yaml"))
    return read_resources(knobs | changes)


@pytest.mark.parametrize("time", [90, "90", "90:00", "1:30:00", "1-12", "1-12:00", "1-12:00:00"])
def test_every_format_of_time_that_slurm_reads(time):
    assert sbatch_options(asked(time=time), ONE)["time"] == time


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"time": "2h"}, r"hydra.launcher.time=2h: SLURM reads minutes \(90\), hours:minutes:seconds"),
        ({"time": "1:2:3"}, "hydra.launcher.time=1:2:3"),
        (
            {"time": 1},
            "hydra.launcher.time=1 leaves no time to train: a job saves its state hydra.launcher.signal_lead=120",
        ),
        ({"time": "10:00", "signal_lead": 540}, "hydra.launcher.time=10:00 leaves no time"),
        ({"time": 1.5}, "hydra.launcher.time=1.5: give text, or a whole number, or null"),
        ({"signal_lead": 20}, "hydra.launcher.signal_lead=20: at least 30"),
        ({"cpus_per_rank": 0}, "hydra.launcher.cpus_per_rank=0: at least 1"),
        ({"setup": "module load cuda"}, "hydra.launcher.setup=module load cuda: give a list in brackets"),
        ({"partition": 3}, "hydra.launcher.partition=3: give text"),
    ],
)
def test_a_knob_that_is_wrong_is_named(knobs, message):
    with pytest.raises(ValueError, match=message):
        asked(**knobs)


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        ({"devices": "auto"}, "trainer.devices=auto: a cluster must be told how many"),
        ({"devices": -1}, "trainer.devices=-1"),
        ({"num_nodes": 0}, "trainer.num_nodes=0"),
        ({"devices": 2, "strategy": "ddp_fork"}, "SLURM starts the ranks itself; choose trainer.strategy=ddp"),
    ],
)
def test_processes_that_cannot_be_are_refused(trainer, message):
    with pytest.raises(ValueError, match=message):
        shape_of(OmegaConf.create({"devices": 1, "num_nodes": 1, "strategy": "auto"} | trainer))


def test_what_sbatch_is_asked_for():
    given = asked(
        partition="gpu", gpus_per_rank=1, cpus_per_rank=8, mem="16G", sbatch={"mem": "20G", "exclusive": True}
    )
    told = sbatch_options(given, Shape(2, 4))
    assert told == {
        **{"partition": "gpu", "gpus-per-node": 4, "cpus-per-task": 8, "mem": "20G", "exclusive": True},
        **{"nodes": 2, "ntasks-per-node": 4, "requeue": True, "open-mode": "append"},
    }
    assert "export OMP_NUM_THREADS=8 SRUN_CPUS_PER_TASK=8" in setup_lines(given)
    assert setup_lines(asked(setup=["module load cuda"]))[-1] == "module load cuda"


@pytest.mark.parametrize("present", [(), ("sbatch", "squeue", "scontrol")])
def test_without_slurm_the_launcher_says_what_is_missing(shell, monkeypatch, tmp_path, programs, present):
    programs(sbatch=f": > {tmp_path}/asked")
    for name in set(SLURM_PROGRAMS) - set(present):
        (tmp_path / "bin" / name).unlink()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (line,) = [line for line in shell(*SLURM, fails=True).splitlines() if line]
    missing = [name for name in ("sbatch", "squeue", "scontrol", "srun") if name not in present]
    assert f"this machine has no {', '.join(missing)}:" in line
    assert "hydra/launcher=local" in line
    assert not (tmp_path / "asked").exists()


def test_without_submitit_the_launcher_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ValueError, match=re.escape("needs submitit: pip install 'elbolab[cluster]'")):
        import_submitit()


@pytest.mark.parametrize(
    ("nodes", "raises"), [(["up|idle", "up|mix-"], True), (["up|idle", "up|drain"], False), ([], True)]
)
def test_jobs_that_could_never_begin_are_refused_and_those_that_wait_for_a_node_are_not(
    programs, caplog, nodes, raises
):
    programs(sbatch="echo 'allocation failure: Not available' >&2; exit 1", sinfo=f"echo '{' '.join(nodes)}'")
    with pytest.raises(ValueError, match="Not available. It was") if raises else nullcontext():
        check_possible(asked(), ONE)
    assert ("some nodes are down" in caplog.text) != raises


INVALID = "echo 'sbatch: error: Batch job submission failed: Invalid qos specification' >&2; exit 1"


def test_what_slurm_refuses_is_told_in_its_words_and_once(tmp_path, programs, capfd):
    programs(sbatch=INVALID)
    with pytest.raises(ValueError, match="take these jobs: Invalid qos specification. It was asked for --qos=fast"):
        Slurm(asked(qos="fast"), tmp_path, "name", None).submit([job(tmp_path)])
    assert capfd.readouterr() == ("", "")


def test_jobs_that_slurm_has_taken_are_known_though_it_refuses_others(tmp_path, programs, caplog):
    programs(
        squeue="echo '12|PENDING|None'", sbatch=f'grep -q nodes=2 "$1" && {{ {INVALID}; }}; echo Submitted batch job 12'
    )
    jobs = [job(tmp_path, 0), job(tmp_path, 1)._replace(shape=Shape(2, 1))]
    with pytest.raises(ValueError, match="--nodes=2"):
        Slurm(asked(), tmp_path, "name", None).run(jobs, 0)
    assert "scancel 12 ends them" in caplog.text
    programs(squeue="echo '12|PENDING|None'")
    again = Slurm(asked(), tmp_path, "name", None)
    again.submit(jobs[:1])
    assert again.ids == {0: "12"}


def test_jobs_of_before_are_not_submitted_again_while_slurm_does_not_answer(tmp_path, programs):
    programs(squeue="echo 'Unable to contact slurm controller' >&2; exit 1", sbatch=f"touch {tmp_path}/told")
    (tmp_path / "jobs.json").write_text(json.dumps({"0": "12_0"}))
    with pytest.raises(OSError, match=re.escape("SLURM does not answer (Unable to contact slurm controller)")):
        Slurm(asked(), tmp_path, "name", None).submit([job(tmp_path)])
    assert not (tmp_path / "told").exists()


def test_who_waits_asks_again_and_says_so_once(tmp_path, programs, caplog):
    programs(squeue="exit 1")
    cluster = Slurm(asked(), tmp_path, "name", None)
    cluster.ids = {0: "12_0"}
    assert cluster.read_ends() == cluster.read_ends() == {}
    assert caplog.text.count("it is asked again until it does") == 1
    programs(squeue="echo '12_0|FAILED|NonZeroExitCode'")
    assert "is failed, see" in cluster.read_ends()[0]


@pytest.mark.parametrize(("reason", "times"), [("launch failed requeued held", 1), ("JobHeldUser", 1), ("Priority", 0)])
def test_a_job_that_slurm_holds_is_named_once(tmp_path, programs, caplog, reason, times):
    programs(squeue=f"echo '12_0|PENDING|{reason}'")
    cluster = Slurm(asked(), tmp_path, "name", None)
    cluster.ids = {0: "12_0"}
    assert cluster.read_ends() == cluster.read_ends() == {}
    told = f"SLURM holds job 12_0 ({reason}): scontrol release 12_0 lets it go on, scancel 12_0 ends it"
    assert caplog.text.count(told) == times


@pytest.mark.parametrize(("told", "there"), [({"requeue": False}, 0), ({"no-requeue": True}, 0), ({}, 1)])
def test_whether_slurm_requeues_is_the_users_to_say(told, there):
    given = sbatch_options(asked(sbatch=told), ONE)
    assert (given.get("requeue"), given.get("no-requeue")) == ((True, None) if there else (None, True))


def test_what_a_shell_would_split_is_quoted():
    assert directives({"chdir": "/my runs", "mail-user": "a@b.org"}) == [
        "#SBATCH --chdir='/my runs'",
        "#SBATCH --mail-user=a@b.org",
    ]


def test_the_states_of_jobs_need_no_accounting(programs):
    programs(squeue="echo '12_0|PENDING|Nodes down'; echo '12_1|OUT_OF_MEMORY|OutOfMemory'")
    told = queue.look_up({"12_0", "12_1", "7"})
    assert told == {
        "12_0": ("PENDING", "Nodes down"),
        "12_1": ("OUT_OF_MEMORY", "OutOfMemory"),
        "7": (queue.GONE, ""),
    }
    assert [told[job].has_ended for job in ("12_0", "12_1", "7")] == [False, True, True]
    programs(squeue="exit 1")
    with pytest.raises(OSError, match="SLURM does not answer"):
        queue.look_up({"12_0"})


def wait(folder, *looks):
    """Waits for job 0 while the queue says so much at each look, and no more."""
    left = list(looks)
    wait_for([job(folder)], lambda: left.pop(0), 0)
    assert left == []


def job(folder, num=0):
    return ClusterJob(num, [f"seed={num}"], folder / str(num), ONE)


def test_a_job_that_ends_without_a_word_is_written_down(tmp_path):
    wait(tmp_path, {}, {0: "is gone"}, {0: "is gone"})
    state = state_of(tmp_path / "0")
    assert (state.state, state.error, state.overrides) == ("failed", "is gone", ("seed=0",))


def test_a_job_that_is_back_in_the_queue_at_the_next_look_has_not_ended(tmp_path):
    wait(tmp_path, {0: "is preempted"}, {}, {0: "is completed"}, {0: "is completed"})
    assert state_of(tmp_path / "0").error == "is completed"


@pytest.mark.parametrize(
    ("state", "error", "looks"),
    [("failed", "NaN", 1), ("finished", None, 1), ("pruned", None, 1), ("interrupted", "no space", 2)],
)
def test_what_a_job_has_said_itself_is_kept(tmp_path, state, error, looks):
    folder = tmp_path / "0"
    folder.mkdir()
    record_start(folder, monitor="val/elbo", mode="max", epochs=1, overrides=[])
    record_end(folder, state, error)
    wait(tmp_path, *[{0: "is gone"}] * looks)
    assert state_of(folder)[:2] == (state, error)


def test_a_job_that_found_another_process_at_work_says_nothing_of_it(tmp_path):
    folder = tmp_path / "0"
    folder.mkdir()
    record_start(folder, monitor="val/elbo", mode="max", epochs=1, overrides=[])
    with acquire_run(RunDir(folder)):
        wait(tmp_path, {0: "is completed"}, {0: "is completed"})
        assert state_of(folder)[:2] == ("running", None)


def test_who_waits_may_be_stopped(tmp_path, programs, caplog, monkeypatch):
    programs(sbatch="echo Submitted batch job 12")
    monkeypatch.setattr(slurm, "wait_for", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        Slurm(asked(), tmp_path, "name", None).run([job(tmp_path)], 0)
    assert "scancel 12 ends them" in caplog.text


def test_jobs_that_are_still_in_the_queue_are_not_submitted_again(tmp_path, programs):
    programs(squeue="echo '12_0|PENDING|None'; echo '12_1|FAILED|None'")
    (tmp_path / "jobs.json").write_text(json.dumps({"0": "12_0", "1": "12_1"}))
    cluster = Slurm(asked(), tmp_path, "name", None)
    cluster.submit([job(tmp_path, 0)])
    assert cluster.ids == {0: "12_0"}
    programs(squeue="echo '12_1|FAILED|None'", sbatch="echo Submitted batch job 13")
    cluster.submit([job(tmp_path, 1)])
    assert cluster.ids == {1: "13"}


def test_a_script_holds_what_is_left_of_a_sweep(shell):
    shell("sbatch", "-m", *QUICK, "seed=1,2,3", "hydra.sweep.dir=sweep", "hydra.launcher.time=1:30:00")
    text = (shell.folder / "sweep" / "sweep.sbatch").read_text()
    assert "#SBATCH --array=0-2%256\n" in text
    assert "#SBATCH --time=1:30:00\n" in text
    assert f"-m elbolab.cli _job {shell.folder / 'sweep'} $SLURM_ARRAY_TASK_ID\n" in text
    for num in (0, 2):
        (shell.folder / f"sweep/{num}").mkdir()
        record_start(shell.folder / f"sweep/{num}", monitor="val/elbo", mode="max", epochs=1, overrides=[])
        record_end(shell.folder / f"sweep/{num}", "finished" if num == 0 else "failed")
    shell("sbatch", "-m", *QUICK, "seed=1,2,3", "hydra.sweep.dir=sweep")
    assert "#SBATCH --array=1-2%256\n" in (shell.folder / "sweep" / "sweep.sbatch").read_text()
    for num in (1, 2):
        record_start(shell.folder / f"sweep/{num}", monitor="val/elbo", mode="max", epochs=1, overrides=[])
        record_end(shell.folder / f"sweep/{num}", "finished")
    assert "sweep.csv" in shell("sbatch", "-m", *QUICK, "seed=1,2,3", "hydra.sweep.dir=sweep")
    assert (shell.folder / "sweep/sweep.csv").read_text().count("finished") == 3


def test_a_script_leaves_out_a_job_in_the_middle(shell):
    shell("sbatch", "-m", *QUICK, "seed=1,2,3", "hydra.sweep.dir=sweep")
    (shell.folder / "sweep/1").mkdir()
    record_start(shell.folder / "sweep/1", monitor="val/elbo", mode="max", epochs=1, overrides=[])
    record_end(shell.folder / "sweep/1", "finished")
    shell("sbatch", "-m", *QUICK, "seed=1,2,3", "hydra.sweep.dir=sweep")
    assert "#SBATCH --array=0,2%256\n" in (shell.folder / "sweep" / "sweep.sbatch").read_text()


def test_overrides_that_may_change_the_processes_of_a_job_are_composed_once(tmp_path):
    composed = []

    def compose(words, num):
        composed.append(num)
        devices = 2 if "experiment=of_two" in words else 1
        return OmegaConf.create({"trainer": {"devices": devices, "num_nodes": 1, "strategy": "ddp"}})

    (tmp_path / "1").mkdir()
    record_start(tmp_path / "1", monitor="val/elbo", mode="max", epochs=1, overrides=[])
    record_end(tmp_path / "1", "pruned")
    words = [
        [f"experiment={name}", f"seed={seed}", "model.beta=2"] for name in ("of_one", "of_two") for seed in (1, 2, 3)
    ]
    jobs = plan_jobs(SimpleNamespace(folder=tmp_path, compose=compose), words, 0)
    assert [(job.num, job.shape.ranks) for job in jobs] == [(0, 1), (2, 1), (3, 2), (4, 2), (5, 2)]
    assert composed == [0, 3]


def test_jobs_of_several_shapes_have_a_script_each(shell):
    shell("sbatch", "-m", *QUICK, "trainer.devices=1,2", "seed=1,2", "hydra.sweep.dir=sweep")
    ranks = {path.name: path.read_text() for path in (shell.folder / "sweep").glob("sweep*.sbatch")}
    assert list(sorted(ranks)) == ["sweep-1x1.sbatch", "sweep-1x2.sbatch"]
    assert "#SBATCH --array=2-3%256\n" in ranks["sweep-1x2.sbatch"]
    assert "#SBATCH --ntasks-per-node=2\n" in ranks["sweep-1x2.sbatch"]


def test_the_script_of_a_run_begins_it_or_goes_on(shell):
    out = shell("sbatch", *QUICK, "name=two words", "hydra.run.dir=run", "hydra.launcher.mem=2G")
    path = shell.folder / "run" / "run.sbatch"
    assert out == f"submit it with: sbatch {path}\n"
    text = path.read_text()
    assert "#SBATCH --mem=2G\n" in text
    assert "hydra.launcher" not in text
    assert "'name=two words'" in text
    assert 'if [ -f "$run/config.yaml" ]; then set -- resume="$run"; else' in text


def test_the_script_of_a_run_that_is_resumed_has_its_processes_and_what_changes(shell):
    assert "nowhere is no run directory" in shell("sbatch", "resume=nowhere", fails=True)
    (shell.folder / "run").mkdir()
    (shell.folder / "run" / "config.yaml").write_text("trainer: {devices: 2, num_nodes: 3, strategy: ddp}")
    (shell.folder / "run" / "spec.json").touch()
    shell("sbatch", "resume=run", "trainer.max_epochs=6", "hydra.launcher.mem=2G")
    text = (shell.folder / "run" / "run.sbatch").read_text()
    assert "#SBATCH --nodes=3\n#SBATCH --ntasks-per-node=2\n" in text
    assert "trainer.max_epochs=6\nsrun" in text
    assert "hydra." not in text


def test_a_misspelt_knob_names_those_of_its_launcher(shell):
    assert "'hydra.launcher.time'" in shell("sbatch", *QUICK, "hydra.launcher.tiem=3", fails=True)
    assert "'hydra.launcher.time'" in shell(*SLURM, "hydra.launcher.tiem=3", fails=True)


def test_a_job_that_is_none_of_a_sweep_is_refused(shell):
    assert "nowhere is no sweep with a job 3" in shell("_job", "nowhere", "3", fails=True)


def test_the_launcher_that_was_a_rehearsal_names_the_local_one(shell):
    line = shell("train", "-m", *QUICK, "hydra/launcher=submitit_local", "seed=1,2", fails=True)
    assert "hydra/launcher=local" in line
    assert line.count("\n") == 1


def test_plugins_import_nothing_heavy():
    source = Path(sys.modules["elbolab"].__file__).parents[1] / "hydra_plugins/elbolab/slurm_launcher.py"
    heads = [line for line in source.read_text().splitlines() if line.startswith(("import", "from"))]
    assert not any("elbolab" in line or "submitit" in line for line in heads)
