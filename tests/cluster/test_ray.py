"""The same sweep on Ray, in an environment of its own: its plugin and joblib want different versions of cloudpickle."""

from importlib.util import find_spec

import pytest
from tests.cluster.conftest import QUICK, slow


@pytest.mark.skipif(find_spec("ray") is None, reason="no ray: pip install 'elbolab[ray]' in an environment of its own")
def test_a_sweep_on_ray(cluster):
    cluster("train", "-m", *QUICK, slow(0), "seed=1,2", "hydra/launcher=ray", "hydra.sweep.dir=sweep")
    assert [cluster.status(f"sweep/{num}")["state"] for num in (0, 1)] == ["finished"] * 2
