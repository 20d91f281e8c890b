"""Streaming: the same blocks as from the device."""

from types import SimpleNamespace

import lightning as L
import numpy as np
import pytest
import torch

from elbolab.batch import Spec, Support
from elbolab.data import stream as residence
from elbolab.data.blocks import Block, BlockLoader, Order
from elbolab.data.fetch import Finish, Rows
from elbolab.data.given import unconditional
from elbolab.data.stream import SHARE, StreamLoader, free_memory, is_resident
from elbolab.reading.splits import Arrays

NUM = 50
SPEC = Spec((2,), Support.REAL)


@pytest.fixture
def arrays(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(2.0 * NUM).reshape(NUM, 2))
    return Arrays(np.load(tmp_path / "x.npy", mmap_mode="r"), np.arange(NUM))


def stream(arrays: Arrays, block: int = 4, workers: int = 0) -> StreamLoader:
    return StreamLoader(Order(NUM, 3, 1, True), block, arrays, Finish(arrays, unconditional, "cpu"), workers)


def resident(arrays: Arrays, block: int = 4) -> BlockLoader:
    rows, finish = Rows.of(arrays), Finish(arrays, unconditional, "cpu")
    return BlockLoader(Order(NUM, 3, 1, True), block, lambda indices: finish(rows.select(indices)))


def labels(blocks: list[Block]) -> list[list[int]]:
    return [batch.y.tolist() for block in blocks for batch in block]


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")  # torch's own way to start workers
@pytest.mark.parametrize("workers", [0, 2])
def test_epochs_are_those_of_resident_data(arrays, workers):
    streamed, kept = stream(arrays, workers=workers), resident(arrays)
    assert len(streamed) == len(kept)
    for epoch in (0, 1, 5):
        streamed.set_epoch(epoch)
        kept.set_epoch(epoch)
        for one, other in zip(streamed, kept, strict=True):
            assert one.positions == other.positions
            for ours, theirs in zip(one, other, strict=True):
                assert torch.equal(ours.x, theirs.x)
                assert torch.equal(ours.y, theirs.y)


def test_the_noise_of_training_is_not_touched(arrays):
    state = torch.get_rng_state()
    labels(list(stream(arrays)))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_read_ahead_and_rows_for_a_gpu_are_pinned(arrays, workers):
    """Pinned memory is what lets `Rows.to` copy while the GPU computes."""
    for device, pinned in (("cuda:0", True), ("cpu", False)):
        finish = SimpleNamespace(device=torch.device(device))
        loader = StreamLoader(Order(NUM, 3, 1, True), 4, arrays, finish, workers)._loader
        assert loader.pin_memory is pinned
        assert loader.num_workers == workers
        assert not workers or loader.prefetch_factor >= 2


def test_it_resumes_where_it_was(arrays):
    whole, old, new = (stream(arrays) for _ in range(3))
    iterator = iter(old)
    seen = labels([next(iterator)]) + labels([next(iterator)])
    new.load_state_dict(old.state_dict())
    seen += [batch.y.tolist() for block in new for batch in block]
    assert seen == [batch.y.tolist() for block in whole for batch in block]


def test_a_truncated_block_leaves_the_rest_out_and_the_next_in_place(arrays):
    iterator = iter(stream(arrays))
    expected = [batch.tolist() for batch in Order(NUM, 3, 1, True).batches(0)]
    assert labels([next(iterator).truncate(2)]) == expected[:2]
    assert labels([next(iterator)]) == expected[4:8]


def test_looking_at_a_batch_first_does_not_lose_it(arrays):
    block = next(iter(stream(arrays)))
    first = next(iter(block)).y.tolist()
    assert labels([block])[0] == first


def test_lightning_iterates_it(arrays, tmp_path):
    class Sees(L.LightningModule):
        automatic_optimization = False

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(()))
            self.seen = []

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

        def training_step(self, block, index):
            self.seen += [batch.y.tolist() for batch in block]

    module = Sees()
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    L.Trainer(max_epochs=2, accelerator="cpu", enable_model_summary=False, default_root_dir=tmp_path, **quiet).fit(
        module, stream(arrays)
    )
    order = Order(NUM, 3, 1, True)
    assert module.seen == [batch.tolist() for epoch in (0, 1) for batch in order.batches(epoch)]


CPU = torch.device("cpu")


def mapped(tmp_path) -> Arrays:
    np.save(tmp_path / "x.npy", np.zeros((10, 8)))
    return Arrays(np.load(tmp_path / "x.npy", mmap_mode="r"))


@pytest.mark.parametrize("wish", [True, False])
def test_the_users_wish_counts(wish):
    assert is_resident(Arrays(np.zeros((1, 1))), CPU, wish) is wish


def test_what_is_in_ram_stays_there(monkeypatch):
    monkeypatch.setattr(residence, "free_memory", lambda device: 0)
    assert is_resident(Arrays(np.zeros((1, 1))), CPU, "auto")


@pytest.mark.parametrize(("spare", "expected"), [(0, True), (-1, False)])
def test_what_is_on_disk_must_fit_with_a_margin(tmp_path, monkeypatch, spare, expected):
    monkeypatch.setattr(residence, "free_memory", lambda device: int(640 / SHARE) + spare)
    assert is_resident(mapped(tmp_path), CPU, "auto") is expected


def test_a_device_must_have_room(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (15, 100))
    assert free_memory(torch.device("cuda", 0)) == 15
    assert not is_resident(Arrays(np.zeros((1, 1))), torch.device("cuda", 0), "auto")
    assert is_resident(Arrays(np.zeros((1, 1), np.uint8)), torch.device("cuda", 0), "auto")


def test_free_memory_is_some_and_no_more_than_the_machine_has(monkeypatch, tmp_path):
    whole = residence.os.sysconf("SC_PAGE_SIZE") * residence.os.sysconf("SC_PHYS_PAGES")
    assert 0 < free_memory(CPU) <= whole
    monkeypatch.setattr(residence, "MEMINFO", tmp_path / "absent")
    assert free_memory(CPU) == whole


def test_a_systems_free_memory_is_in_units_of_1024_bytes(tmp_path, monkeypatch):
    """As Linux writes it (man 5 proc), under the name of kB."""
    (tmp_path / "meminfo").write_text("MemTotal:  9000 kB\nMemFree:  10 kB\nMemAvailable:  3000 kB\n")
    monkeypatch.setattr(residence, "MEMINFO", tmp_path / "meminfo")
    assert free_memory(CPU) == 3000 * 1024
