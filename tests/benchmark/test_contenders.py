import sys

import pytest
import torch

from elbolab.benchmark import raw_captured
from elbolab.benchmark.contenders import CONTENDERS, find_available

CPU = torch.device("cpu")


def test_the_names_are_fixed():
    assert list(CONTENDERS) == ["raw_eager", "raw_captured", "elbolab", "lightning", "pythae"]
    assert [name for name, contender in CONTENDERS.items() if contender.nll] == ["raw_eager", "elbolab", "pythae"]


@pytest.mark.parametrize("steps", [1, 3, 60, 101])
@pytest.mark.parametrize("name", ["raw_eager", "elbolab", "lightning", "pythae"])
def test_exactly_the_steps_that_were_asked_for_are_timed(name, steps, case, counting):
    """Over several epochs of 7 steps, and over several blocks of elbolab's."""
    contender = CONTENDERS[name]
    if contender.obstacle(CPU):
        pytest.skip("not installed")
    contender.train(case, 10, steps, counting)
    assert counting.steps == steps


@pytest.mark.parametrize(("name", "warm_up"), [("raw_eager", 5), ("elbolab", 6), ("lightning", 5), ("pythae", 5)])
def test_nobody_is_timed_cold(name, warm_up, case, counting):
    contender = CONTENDERS[name]
    if contender.obstacle(CPU):
        pytest.skip("not installed")
    contender.train(case, 10, 3, counting)
    assert counting.reads == [warm_up, warm_up + 3]


def test_pythae_is_told_a_chunk_that_loses_no_samples():
    pytest.importorskip("pythae")
    from elbolab.benchmark.with_pythae import find_chunk

    assert [find_chunk(k) for k in (1, 300, 500, 700, 5000)] == [1, 300, 500, 350, 500]


def test_blocks_of_the_usual_size_are_counted_too(case, counting):
    CONTENDERS["elbolab"].train(case, 1, 160, counting)
    assert counting.reads == [50, 210]


def test_the_captured_loop_copies_every_batch_to_the_graph(case, counting, monkeypatch):
    """With a graph that is no graph: the step is Python, on the memory that it was captured on."""
    wanted, taken = [], []

    def captured(step, batch, device):
        indices = torch.arange(batch)

        def replayed(batch_indices):
            wanted.append(batch_indices)
            indices.copy_(batch_indices)
            taken.append(indices.clone())
            step(indices)

        return replayed

    monkeypatch.setattr(raw_captured, "capture", captured)
    raw_captured.train(case, 10, 14, counting)
    assert counting.steps == 14
    assert all(map(torch.equal, wanted, taken))
    assert sorted(torch.cat(wanted[:7]).tolist()) == list(range(70)), "an epoch is a permutation"
    assert not torch.equal(torch.cat(wanted[:7]), torch.cat(wanted[7:14])), "and each another one"


def test_who_cannot_run_here_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pythae", None)
    contenders, notes = find_available(["raw_captured", "elbolab"], CPU)
    assert [contender.name for contender in contenders] == ["elbolab"]
    assert notes == ["left out: raw_captured (only a CUDA device captures steps)"]
    assert CONTENDERS["raw_captured"].obstacle(torch.device("cuda")) is None


def test_pythae_may_be_missing(monkeypatch):
    monkeypatch.setattr("elbolab.benchmark.pythae.find_spec", lambda name: None)
    contenders, notes = find_available(["elbolab", "pythae"], CPU)
    assert [contender.name for contender in contenders] == ["elbolab"]
    assert notes == ["left out: pythae (not installed: pip install 'elbolab[benchmark]')"]
    with pytest.raises(ValueError, match="none can run here.*pip install.*Add elbolab or raw_eager"):
        find_available(["pythae"], CPU)
