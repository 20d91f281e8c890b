"""``hydra/launcher=submitit_local``: what SLURM would do, on this machine; needs no SLURM."""

from tests.cluster.conftest import QUICK, slow

HERE = ("hydra/launcher=submitit_local", "hydra.launcher.array_parallelism=2", "hydra.sweep.dir=sweep")


def test_a_rehearsal_outlives_a_job_that_fails_and_is_repeated(cluster):
    fail = "+callbacks.fail={_target_: pacing.Broken, seed: '${seed}', once: failed}"
    set_up = f'hydra.launcher.setup=["touch {cluster.folder}/set_up"]'
    command = ["train", "-m", *QUICK, *HERE, slow(0), fail, set_up, "seed=1,2"]
    assert "job 1 (seed=2) failed: a file is missing" in cluster(*command, code=1)
    assert (cluster.folder / "set_up").exists()
    before = cluster.status("sweep/0")
    assert "1 of 2 jobs are finished already" in cluster(*command)
    assert cluster.table("sweep", "seed", "state", "error") == [("1", "finished", ""), ("2", "finished", "")]
    assert cluster.status("sweep/0") == before


def test_the_ranks_of_a_rehearsed_job_share_its_directory(cluster):
    cluster("train", "-m", *QUICK, *HERE, slow(0), "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=1,2")
    assert [len(cluster.steps(f"sweep/{num}")) for num in (0, 1)] == [12, 8]
    assert cluster.table("sweep", "state") == [("finished",)] * 2
