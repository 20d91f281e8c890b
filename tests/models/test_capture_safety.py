"""Every variant on a fake CUDA device: its losses neither wait for the device nor copy to it (design §5.7)."""

import pytest
import torch
from tests.fake_cuda import fake_cuda
from tests.models.registry import VARIANTS, make, training_batch_for
from torch.distributions import Distribution

from elbolab.densities import latents
from elbolab.models import players, rae
from elbolab.training.trees import map_tensors


@pytest.mark.parametrize("name", VARIANTS)
def test_a_loss_stays_on_the_device(name, monkeypatch):
    # a device that is not there has no backward; test_no_loss_waits_for_the_device takes the penalty's, on the CPU
    monkeypatch.setattr(players, "gradient_penalty", lambda critic, real: critic(*real).square().mean())
    monkeypatch.setattr(rae, "squared_gradient", lambda values, z: values.flatten(1).sum(1) * z.sum(1))
    monkeypatch.setattr(latents, "path_score", lambda log_q, z, noise: z.detach())  # likewise
    Distribution.set_default_validate_args(False)
    model = make(name).train()
    batch = training_batch_for(model)
    with fake_cuda(model):
        there = map_tensors(lambda t: torch.empty(t.shape, dtype=t.dtype, device="cuda"), batch)
        for player in model.players():
            loss = player.loss(there)
            assert {tensor.device.type for tensor in (loss.value, *loss.metrics.values())} == {"cuda"}
