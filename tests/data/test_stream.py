"""Streaming: the same blocks as from the device."""

from types import SimpleNamespace

import lightning as L
import numpy as np
import pytest
import torch

from elbolab.batch import Spec, Support
from elbolab.data.blocks import Block, BlockLoader, Order
from elbolab.data.fetch import Finish, Rows
from elbolab.data.given import unconditional
from elbolab.data.splits import Arrays
from elbolab.data.stream import StreamLoader

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
