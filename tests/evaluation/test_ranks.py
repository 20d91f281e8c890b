"""Two processes (gloo) find what one does, and each does half of the work."""

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from tests.helpers import BITS, small_cvae, small_densities

from elbolab.batch import Batch
from elbolab.densities.latents import Undefined
from elbolab.evaluation import likelihood
from elbolab.evaluation.batches import share_out, world_and_rank
from elbolab.evaluation.conditional import class_log_likelihoods
from elbolab.evaluation.likelihood import bound, importance_log_likelihood

pytestmark = pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)  # fork, by intent


def measured():
    """Seven groups of at most three data: neither number is a multiple of two."""
    torch.manual_seed(0)
    densities = small_densities()
    batches = [Batch((torch.rand(20, *BITS.x) < 0.4).float())]
    marginal = importance_log_likelihood(densities, batches, num_samples=9, seed=3)
    labels = torch.eye(3)[torch.arange(20) % 3]
    by_class = class_log_likelihoods(small_cvae(), [Batch(batches[0].x, (labels,))], num_samples=9, seed=3)
    found = {"nll": -marginal.log_px, "ess": marginal.ess, "class": by_class.log_px, "y": by_class.y}
    return found | bound(densities, batches, seed=3)


def one_of_two(rank, folder):
    store = dist.FileStore(str(folder / "store"), 2)
    dist.init_process_group("gloo", rank=rank, world_size=2, store=store)
    taken = []
    share_out(lambda i, item: taken.append(i) or {"x": torch.ones(1)}, range(5))
    torch.save({"taken": taken, "at": world_and_rank()} | measured(), folder / f"{rank}.pt")
    dist.destroy_process_group()


def test_two_ranks_share_the_work_and_find_what_one_process_does(tmp_path, monkeypatch):
    monkeypatch.setattr(likelihood, "GROUP", 3)
    alone = measured()
    mp.start_processes(one_of_two, (tmp_path,), nprocs=2, start_method="fork")
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    for name, values in alone.items():
        assert len(values) == 20
        assert torch.equal(first[name], values)
        assert torch.equal(second[name], values)
    assert (first["taken"], second["taken"]) == ([0, 2, 4], [1, 3])
    assert (first["at"], second["at"]) == ((2, 0), (2, 1))
    assert world_and_rank() == (1, 0)


def fail_on(rank_that_fails, error, items):
    """What this rank raises where one rank cannot measure its item."""

    def measure(i, item):
        if i % 2 == rank_that_fails:
            raise error
        return {"x": torch.ones(1)}

    try:
        share_out(measure, range(items))
    except Exception as raised:
        return type(raised).__name__, str(raised)
    return None


def failing(rank, folder):
    store = dist.FileStore(str(folder / "store"), 2)
    dist.init_process_group("gloo", rank=rank, world_size=2, store=store)
    raised = [fail_on(1, ZeroDivisionError("by 0"), 2), fail_on(0, Undefined("no rate"), 1)]
    after = share_out(lambda i, item: {"x": torch.ones(1)}, range(3))
    torch.save({"raised": raised, "after": len(after["x"])}, folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.timeout(60)
def test_an_error_of_one_rank_is_raised_by_all_and_keeps_nobody_waiting(tmp_path):
    """Beside them, a rank without any data of its own learns that a quantity is undefined."""
    mp.start_processes(failing, (tmp_path,), nprocs=2, start_method="fork")
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert first["raised"] == [("RuntimeError", "on another rank: ZeroDivisionError('by 0')"), ("Undefined", "no rate")]
    assert second["raised"] == [("ZeroDivisionError", "by 0"), ("Undefined", "Undefined('no rate')")]
    assert first["after"] == second["after"] == 3


def test_every_group_has_its_own_noise(monkeypatch):
    monkeypatch.setattr(likelihood, "GROUP", 1)
    torch.manual_seed(0)
    densities, x = small_densities(), torch.ones(2, *BITS.x)
    elbo = bound(densities, [Batch(x)], seed=3)["elbo"]
    assert elbo[0] != elbo[1]
    log_px = importance_log_likelihood(densities, [Batch(x)], num_samples=2, seed=3).log_px
    assert log_px[0] != log_px[1]
