"""Sweeps on a real SLURM: arrays, several ranks and nodes, jobs that are killed."""

from tests.cluster.conftest import QUICK, slow

SLURM = ("hydra/launcher=slurm", "hydra.launcher.poll=1")
STEPS = [3, 7, 10, 14, 18, 21, 25, 29, 32, 36, 40, 43]


def test_a_job_of_an_array_that_is_killed_hard_neither_hangs_the_sweep_nor_stops_the_others(cluster):
    kill = "+callbacks.kill={_target_: pacing.Killed, seed: '${seed}', once: killed}"
    command = ["train", "-m", *QUICK, *SLURM, "seed=1,2,3,4", kill, "hydra.sweep.dir=sweep"]
    out = cluster(*command, code=1)
    assert "job 2 (seed=3) was interrupted: SLURM's job" in out
    assert "1 of 4 jobs did not finish; try them again with: elbolab train -m" in out
    assert [cluster.status(f"sweep/{num}")["state"] for num in (0, 1, 3)] == ["finished"] * 3
    before = [cluster.status(f"sweep/{num}") for num in (0, 1, 3)]
    assert [state for (state,) in cluster.table("sweep", "state")] == [
        *("finished", "finished", "interrupted", "finished")
    ]
    assert "3 of 4 jobs are finished already" in cluster(*command)
    assert cluster.table("sweep", "seed", "state", "error") == [(seed, "finished", "") for seed in "1234"]
    assert all(float(elbo) < 0 for (elbo,) in cluster.table("sweep", "test/elbo"))
    assert [cluster.status(f"sweep/{num}") for num in (0, 1, 3)] == before
    assert cluster.status("sweep/2")["before"] > 0  # it has gone on
    assert [cluster.steps(f"sweep/{num}") for num in range(4)] == [STEPS] * 4
    assert list(cluster.ids("sweep")) == [2]


def test_ranks_and_nodes_follow_the_trainer_also_when_the_job_is_requeued(cluster):
    shapes = ["trainer.accelerator=cpu", "trainer.devices=1,2", "trainer.num_nodes=2"]
    sweep = cluster.start("train", "-m", *QUICK, *shapes, *SLURM, slow(0.3), "hydra.sweep.dir=sweep")
    cluster.wait(lambda: len(cluster.steps("sweep/0")) > 1)
    job = cluster.ids("sweep")[0]
    cluster.signal("USR2", job)
    cluster.wait(lambda: sweep.poll() is not None)
    assert sweep.returncode == 0, cluster.out()
    assert cluster.restarts(job) == 1
    assert cluster.steps("sweep/0") == [3, 5, 9, 11, 15, 17, 21, 23]
    assert cluster.steps("sweep/1") == [2, 5, 8, 11]


def test_a_rank_that_is_killed_takes_the_others_with_it_and_the_job_goes_on(cluster):
    kill = "+callbacks.kill={_target_: pacing.Killed, seed: '${seed}', once: killed}"
    shape = ["trainer.accelerator=cpu", "trainer.devices=2", "seed=3"]
    command = ["train", "-m", *QUICK, *SLURM, *shape, kill, "hydra.sweep.dir=sweep"]
    cluster(*command, code=1)
    ((state, error),) = cluster.table("sweep", "state", "error")
    assert state == "interrupted"
    assert "another rank has died" in error or "SLURM's job" in error  # which is dead first is a matter of luck
    before = cluster.status("sweep/0")["started"]
    cluster(*command)
    assert cluster.table("sweep", "state") == [("finished",)]
    assert cluster.steps("sweep/0") == [3, 5, 9, 11, 15, 17, 21, 23]
    assert cluster.status("sweep/0")["before"] > 0
    assert cluster.status("sweep/0")["started"] != before
