"""A rank that has died is told from an error of one's own."""

import pytest
from torch.distributed import DistBackendError

from elbolab.training.trainer import Alone, together


@pytest.mark.parametrize(
    "error", [DistBackendError("NCCL"), RuntimeError("[gloo/transport/tcp/pair.cc:561] Connection closed by peer")]
)
def test_a_collective_that_fails_means_that_another_rank_has_died(error):
    with pytest.raises(Alone, match="another rank has died"), together():
        raise error


def test_an_error_of_ones_own_stays_what_it_is():
    with pytest.raises(RuntimeError, match="shapes"), together():
        raise RuntimeError("shapes")
