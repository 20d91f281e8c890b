"""The same sweep on Ray, in an environment of its own: its plugin and joblib want different versions of cloudpickle."""

from importlib.util import find_spec

import pytest
from tests.cluster.conftest import QUICK, slow


@pytest.mark.skipif(
    find_spec("hydra_plugins.hydra_ray_launcher") is None,
    reason="no ray: pip install 'elbolab[ray]' in an environment of its own",
)
def test_a_sweep_on_ray_outlives_a_job_that_fails_and_is_repeated(cluster):
    fail = "+callbacks.fail={_target_: pacing.Broken, seed: '${seed}', once: failed}"
    command = ["train", "-m", *QUICK, slow(0), fail, "seed=1,2", "hydra/launcher=ray", "hydra.sweep.dir=sweep"]
    out = cluster(*command, code=1)
    assert "job 1 (seed=2) failed: a file is missing" in out
    assert "1 of 2 jobs did not finish; try them again with: elbolab train -m" in out
    assert cluster.table("sweep", "seed", "state", "error") == [
        ("1", "finished", ""),
        ("2", "failed", "a file is missing"),
    ]
    before = cluster.status("sweep/0")
    assert "1 of 2 jobs are finished already" in cluster(*command)
    assert cluster.table("sweep", "seed", "state", "error") == [("1", "finished", ""), ("2", "finished", "")]
    assert cluster.status("sweep/0") == before
    assert cluster.steps("sweep/0") == cluster.steps("sweep/1")
    assert len(cluster.steps("sweep/0")) == 12
