"""Real CUDA graphs: ``ELBOLAB_TEST_CUDA=1 pytest tests/cuda`` on a machine with a device."""

import os
from functools import partial

import pytest
import torch
import torch.distributed as dist
from lightning.pytorch.callbacks import Callback
from tests.helpers import Bits, adam, fit, small_densities, small_vae, weights
from tests.models.registry import VARIANTS, make
from tests.training.test_fit import rich_model
from torch.distributions import Distribution

from elbolab.batch import Batch
from elbolab.evaluation.likelihood import importance_log_likelihood
from elbolab.models.base import ElboModule, Loss, one_player
from elbolab.training.engine import Captured, choose_engine
from elbolab.training.newest import Newest

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no CUDA device; where there is one, set ELBOLAB_TEST_CUDA=1"
)
QUIET = {"accelerator": "gpu", "max_epochs": 3}


@pytest.fixture(autouse=True)
def _as_in_training():
    Distribution.set_default_validate_args(False)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    yield
    torch.use_deterministic_algorithms(False)


class Engine(Callback):
    """What repeated the steps of a fit."""

    def on_train_end(self, trainer, module):
        self.found = module._stepper.engine


def trained(model, engine, **options):
    fit(model, engine=engine, callbacks=[seen := Engine(), *options.pop("callbacks", [])], **(QUIET | options))
    return weights(model.cpu()), seen.found


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_runs_captured_as_it_does_eagerly(name):
    eager, _ = trained(make(name), "eager", deterministic=True)
    captured, engine = trained(make(name), "captured", deterministic=True)
    assert isinstance(engine, Captured)
    assert len(engine.replays) == 1  # 130 data make 13 batches of 10
    torch.testing.assert_close(captured, eager, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"skip_norm": 1.5, "skip_patience": 2},
        {"accumulate": 2},
        {"optimizer": partial(torch.optim.Adamax, lr=0.01)},
        {"optimizer": partial(torch.optim.SGD, lr=0.01, momentum=0.9, fused=True)},
    ],
)
def test_everything_with_state_is_captured_to_the_bit(options):
    data = Bits(batch_size=12)  # 130 data: the last batch of an epoch has 10
    eager, _ = trained(rich_model(**options), "eager", data=data, deterministic=True)
    captured, engine = trained(rich_model(**options), "captured", data=Bits(batch_size=12), deterministic=True)
    assert len(engine.replays) == 2
    assert torch.equal(captured, eager)


def test_streamed_data_are_captured_too():
    resident, _ = trained(small_vae(), "captured", data=Bits(batch_size=12), deterministic=True)
    streamed, engine = trained(
        small_vae(), "captured", data=Bits(batch_size=12, resident=False, num_workers=1), deterministic=True
    )
    assert len(engine.replays) == 2
    assert torch.equal(resident, streamed)


def test_a_captured_run_resumes_to_the_bit(tmp_path):
    newest = Newest(str(tmp_path), every_seconds=None)
    trained(rich_model(), "captured", max_steps=22, max_epochs=None, callbacks=[newest], deterministic=True)
    whole, _ = trained(rich_model(), "captured", max_steps=35, max_epochs=None, deterministic=True)
    rest, _ = trained(rich_model(), "captured", max_steps=35, max_epochs=None, resume=newest.path, deterministic=True)
    assert torch.equal(whole, rest)


@pytest.mark.filterwarnings("ignore:GPU available but not used")
def test_a_run_goes_on_on_the_device_that_began_on_the_cpu(tmp_path):
    newest = Newest(str(tmp_path), every_seconds=None)
    trained(rich_model(), "eager", accelerator="cpu", max_steps=22, max_epochs=None, callbacks=[newest])
    _, engine = trained(rich_model(), "captured", max_steps=35, max_epochs=None, resume=newest.path)
    assert isinstance(engine, Captured)


def test_mixed_precision_is_captured():
    eager, _ = trained(small_vae(), "eager", precision="bf16-mixed", deterministic=True)
    captured, _ = trained(small_vae(), "captured", precision="bf16-mixed", deterministic=True)
    torch.testing.assert_close(captured, eager, rtol=1e-2, atol=1e-3)


class Waiting(ElboModule):
    """Reads a value of the device in its loss."""

    def loss(self, batch):
        terms = self.densities.terms(batch.x)
        value = (terms.rate - terms.log_lik).mean()
        return Loss(value if value.item() > 0 else -value, {})

    def players(self):
        return one_player(self)

    def report(self, batch):
        return {"elbo": -self.loss(batch).value}


def test_a_step_that_waits_runs_eagerly_under_auto_and_is_refused_under_captured():
    _, engine = trained(Waiting(densities=small_densities(), optimizer=adam()), "auto")
    assert engine.trials == 0
    assert not engine.replays
    with pytest.raises(ValueError, match=r"trainer\.engine=captured: .*trainer\.engine=auto"):
        trained(Waiting(densities=small_densities(), optimizer=adam()), "captured")


def test_nccl_averages_inside_the_graph(tmp_path):
    """One rank: the collective is captured like any other work of the stream."""
    dist.init_process_group("nccl", rank=0, world_size=1, store=dist.FileStore(str(tmp_path / "store"), 1))
    try:
        values, work = torch.ones(3, device="cuda"), torch.cuda.CUDAGraph()
        dist.all_reduce(values)
        with torch.cuda.graph(work, capture_error_mode="thread_local"):
            dist.all_reduce(values)
        work.replay()
        torch.cuda.synchronize()
        work.reset()  # a group is not destroyed while a graph holds its collectives
        assert isinstance(choose_engine("captured", torch.nn.Module(), torch.device("cuda"), [], 2), Captured)
    finally:
        dist.destroy_process_group()


def test_the_likelihood_on_the_device_is_that_of_float64_on_the_cpu():
    densities = small_densities()
    x = (torch.rand(200, 6) < 0.4).float()
    there = importance_log_likelihood(densities.cuda(), [Batch(x.cuda())], num_samples=2000, seed=0).log_px.mean()
    here = importance_log_likelihood(densities.cpu().double(), [Batch(x.double())], num_samples=2000, seed=0)
    assert there.item() == pytest.approx(here.log_px.mean().item(), abs=0.01)
