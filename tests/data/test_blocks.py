"""The order of data, and the position of blocks through Lightning's checkpoints."""

from copy import deepcopy

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from elbolab.batch import Batch
from elbolab.data.blocks import Block, BlockLoader, Order, repace_checkpoint

NUM, SIZE, EPOCHS = 97, 4, 3
STEPS = 25


def flat(batches: list[Tensor]) -> list[int]:
    return torch.cat(batches).tolist()


def fetch(indices: Tensor) -> Batch:
    return Batch(indices.float()[:, None])


def loader(block: int, shuffle: bool = True, **order) -> BlockLoader:
    return BlockLoader(Order(NUM, SIZE, seed=3, shuffle=shuffle, **order), block, fetch)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("num", [1, 4, 96, 97])
def test_an_epoch_is_every_datum_once(num, shuffle):
    order = Order(num, SIZE, seed=3, shuffle=shuffle)
    assert sorted(flat(order.batches(5))) == list(range(num))
    assert len(order) == len(order.batches(5)) == len(order.positions())


def test_only_the_last_batch_is_partial():
    assert [len(batch) for batch in Order(NUM, SIZE, 3, True).batches(0)] == [SIZE] * 24 + [1]


def test_the_order_depends_on_seed_and_epoch_alone():
    def first(seed, epoch):
        torch.rand(3)
        return flat(Order(NUM, SIZE, seed, True).batches(epoch))

    assert first(3, 1) == first(3, 1)
    assert len({tuple(first(*pair)) for pair in [(3, 1), (1, 3), (3, 2), (2, 3), (4, 0)]}) == 5


def test_without_shuffling_the_order_is_the_arrays():
    assert flat(Order(NUM, SIZE, 3, False).batches(1)) == list(range(NUM))


@pytest.mark.parametrize("world", [2, 3])
def test_training_ranks_step_as_one_process_with_their_union(world):
    alone = Order(NUM, SIZE * world, 3, True).batches(1)
    ranks = [Order(NUM, SIZE, 3, True, world, rank).batches(1) for rank in range(world)]
    assert {len(batches) for batches in ranks} == {len(alone)}
    for step, union in enumerate(alone):
        parts = [batches[step] for batches in ranks]
        assert len({len(part) for part in parts}) == 1
        assert flat(parts)[: len(union)] == union.tolist()
    repeated = flat([torch.cat(batches) for batches in ranks])
    assert set(repeated) == set(range(NUM))
    assert len(repeated) - NUM == -len(alone[-1]) % world


@pytest.mark.parametrize("limit", [None, 5])
@pytest.mark.parametrize("world", [2, 3])
def test_evaluation_ranks_are_disjoint_and_exact(world, limit):
    alone = Order(NUM, SIZE, 3, False, limit=limit)
    assert len(alone) == (limit or STEPS)
    ranks = [Order(NUM, SIZE, 3, False, world, rank, limit) for rank in range(world)]
    assert sorted(flat([torch.cat(order.batches(0)) for order in ranks])) == sorted(flat(alone.batches(0)))
    for order in ranks:
        assert all(
            torch.equal(batch, alone.batches(0)[position])
            for position, batch in zip(order.positions(), order.batches(0), strict=True)
        )


def test_positions_of_ranks_interleave():
    positions = [Order(NUM, SIZE, 3, shuffle, 2, rank).positions() for shuffle in (True, False) for rank in (0, 1)]
    assert sorted(positions[0] + positions[1]) == list(range(26))
    assert sorted(positions[2] + positions[3]) == list(range(25))


def test_a_limit_is_in_steps():
    order = Order(NUM, SIZE, 3, True, limit=10)
    assert len(order) == 10
    assert flat(order.batches(2)) == flat(Order(NUM, SIZE, 3, True).batches(2))[:40]


@pytest.mark.parametrize("block", [1, 7, 25, 50])
def test_blocks_do_not_change_the_sequence(block):
    blocks = list(loader(block))
    assert len(blocks) == len(loader(block))
    assert flat([batch.x for blk in blocks for batch in blk]) == flat([batch.x for blk in loader(1) for batch in blk])
    assert [position for blk in blocks for position in blk.positions] == list(range(STEPS))


def test_a_batch_is_fetched_when_its_step_is_taken():
    log = []
    block = Block([1, 2], lambda item: log.append(item) or Batch(torch.zeros(1)), [0, 1])
    for _ in block:
        log.append("step")
    assert log == [1, "step", 2, "step"]


def test_the_epoch_is_read_at_the_first_block():
    stream = loader(7)
    iterator = iter(stream)
    stream.sampler.set_epoch(2)
    assert torch.equal(next(iterator).items[0], stream.order.batches(2)[0])


@pytest.mark.parametrize("new", [1, 3, 7, 25, 50])
@pytest.mark.parametrize("taken", [0, 1, 2, 4])
def test_the_position_survives_another_block_size(taken, new):
    old = loader(7)
    iterator = iter(old)
    seen = [index for _ in range(taken) for index in flat(next(iterator).items)]
    state = {"loops": {"fit_loop": {"state_dict": {"combined_loader": [old.state_dict()]}}}}
    counts = dict.fromkeys(("ready", "started", "processed", "completed"), taken)
    progress = {"total": dict(counts), "current": dict(counts), "is_last_batch": False}
    state["loops"]["fit_loop"]["epoch_loop.batch_progress"] = progress
    repace_checkpoint(state, new)
    resumed = loader(new)
    resumed.load_state_dict(state["loops"]["fit_loop"]["state_dict"]["combined_loader"][0])
    assert resumed.state_dict() == state["loops"]["fit_loop"]["state_dict"]["combined_loader"][0]
    assert resumed.step == old.step
    rest = list(resumed)
    left = 0 if taken == 4 else len(rest)
    assert progress["current"]["ready"] + left == len(resumed)
    if taken < 4:
        seen += [index for block in rest for index in flat(block.items)]
        assert seen == flat(old.order.batches(0))
    assert len(list(resumed)) == len(resumed)


def test_a_truncated_block_counts_what_was_taken():
    blocks = loader(10)
    iterator = iter(blocks)
    next(iterator)
    block = next(iterator).truncate(3)
    assert (len(block), len(list(block)), block.positions) == (3, 3, [10, 11, 12])
    assert blocks.step == 13


def test_another_epoch_length_is_refused():
    old = loader(10)
    next(iter(old))
    with pytest.raises(ValueError, match=r"step 10 of an epoch of 25, which now has 13: resume with the same data"):
        BlockLoader(Order(NUM, 2 * SIZE, 3, True), 10, fetch).load_state_dict(old.state_dict())


class Recorder(L.LightningModule):
    """Takes one optimiser step a batch and writes down what it saw."""

    automatic_optimization = False

    def __init__(self, block: int, max_steps: int = -1) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.block, self.limit = block, max_steps
        self.seen: list[tuple[int, list[int]]] = []
        self.validated: list[int] = []

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def on_load_checkpoint(self, checkpoint):
        repace_checkpoint(checkpoint, self.block)

    def training_step(self, block, index):
        if self.limit > 0:
            block.truncate(self.limit - self.global_step)
        for batch in block:
            self.seen.append((self.current_epoch, batch.x.flatten().int().tolist()))
        progress = self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
        for counts in (progress.total, progress.current):
            counts.ready += len(block)
            counts.completed += len(block)

    def validation_step(self, block, index):
        list(block)

    def on_validation_epoch_end(self):
        if not self.trainer.sanity_checking:
            self.validated.append(self.global_step)


class Keep(Callback):
    """Checkpoints at the end of every block and validation."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, int], dict] = {}

    def keep(self, trainer, when):
        self.kept[when, trainer.global_step] = deepcopy(trainer._checkpoint_connector.dump_checkpoint())

    def on_train_batch_end(self, trainer, *_):
        self.keep(trainer, "block")

    def on_validation_end(self, trainer, module):
        if not trainer.sanity_checking:
            self.keep(trainer, "validation")


def fit(block: int, tmp_path, checkpoint: dict | None = None, **options) -> tuple[Recorder, Keep, L.Trainer]:
    options = {"max_epochs": EPOCHS} | options
    module, keep = Recorder(block, options.get("max_steps", -1)), Keep()
    trainer = L.Trainer(
        default_root_dir=tmp_path,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[keep],
        **options,
    )
    path = None
    if checkpoint is not None:
        path = tmp_path / "resume.ckpt"
        torch.save(checkpoint, path)
    trainer.fit(module, loader(block), loader(50, shuffle=False), ckpt_path=path)
    return module, keep, trainer


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return fit(7, tmp_path_factory.mktemp("whole"), val_check_interval=2)


def test_lightning_sees_whole_epochs(whole):
    module, _, trainer = whole
    expected = [(epoch, batch.tolist()) for epoch in range(EPOCHS) for batch in loader(1).order.batches(epoch)]
    assert module.seen == expected
    assert module.validated == [14, 25, 39, 50, 64, 75]
    assert trainer.global_step == EPOCHS * STEPS


@pytest.mark.parametrize("new", [7, 3, 12])
def test_resumed_runs_see_exactly_what_is_left(whole, new, tmp_path):
    module, keep, _ = whole
    for (when, step), checkpoint in keep.kept.items():
        if step == EPOCHS * STEPS:
            continue
        options = {"val_check_interval": 2} if new == 7 else {}
        resumed, _, trainer = fit(new, tmp_path, deepcopy(checkpoint), **options)
        assert resumed.seen == module.seen[step:], (when, step)
        assert trainer.global_step == EPOCHS * STEPS
        assert trainer.current_epoch == EPOCHS
        if new == 7:
            due = [at for at in module.validated if at > step]
            assert resumed.validated == due, (when, step)
        else:
            ends = [at for at in (25, 50, 75) if at > step]
            assert resumed.validated == ends, (when, step)


@pytest.mark.parametrize("block", [7, 12])
@pytest.mark.parametrize("stop", [23, 25, 30])
def test_a_run_stopped_inside_a_block_goes_on_there(whole, block, stop, tmp_path):
    module, _, _ = whole
    stopped, keep, _ = fit(7, tmp_path, max_steps=stop, max_epochs=-1)
    assert stopped.seen == module.seen[:stop]
    resumed, _, trainer = fit(block, tmp_path, keep.kept["block", stop], max_steps=60, max_epochs=-1)
    assert resumed.seen == module.seen[stop:60]
    assert trainer.global_step == 60


def test_the_count_over_epochs_is_in_the_new_blocks(whole):
    """Lightning validates by it where intervals run across epochs."""
    _, keep, _ = whole
    checkpoint = deepcopy(keep.kept["block", 2 * STEPS + 14])
    progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    assert (progress["total"]["ready"], progress["current"]["ready"]) == (2 * 4 + 2, 2)
    repace_checkpoint(checkpoint, 1)
    assert (progress["total"]["ready"], progress["current"]["ready"]) == (2 * STEPS + 14, 14)
    repace_checkpoint(checkpoint, 7)
    assert (progress["total"]["ready"], progress["current"]["ready"]) == (2 * 4 + 2, 2)
