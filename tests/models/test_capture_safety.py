"""Every variant on a fake CUDA device: its losses neither wait for the device nor copy to it (design §5.7)."""

import pytest
import torch
from tests.fake_cuda import fake_cuda
from tests.models.registry import VARIANTS, make
from torch.distributions import Distribution

from elbolab.batch import Batch


@pytest.mark.parametrize("name", VARIANTS)
def test_a_loss_stays_on_the_device(name):
    Distribution.set_default_validate_args(False)
    model = make(name).train()
    with fake_cuda(model):
        for player in model.players():
            given = tuple(torch.empty(8, *shape, device="cuda") for shape in model.densities.spec.given)
            loss = player.loss(Batch(torch.empty(8, 6, device="cuda"), given))
            assert {tensor.device.type for tensor in (loss.value, *loss.metrics.values())} == {"cuda"}
