"""Captured steps are the eager ones: records of a CPU, as tests/cuda has them of a GPU."""

import logging
import warnings
from functools import partial

import pytest
import torch
from tests.helpers import adam, fit, refused, small_vae, weights
from tests.rehearsal import Rehearsal, captured
from tests.training.test_fit import rich_model
from torch.distributions import Distribution

from elbolab.batch import Batch
from elbolab.data.blocks import Block
from elbolab.training.engine import Captured, Eager, choose_engine, obstacle
from elbolab.training.graphs import CudaGraphs
from elbolab.training.guard import Guard, NotFinite
from elbolab.training.newest import Newest
from elbolab.training.optimizers import prepare
from elbolab.training.player import Loss, Player
from elbolab.training.schedules import Length, Linear
from elbolab.training.stepper import Stepper
from elbolab.training.trainer import make_trainer

DATA = (torch.rand(100, 6, generator=torch.Generator().manual_seed(1)) < 0.3).float()


@pytest.fixture(autouse=True)
def _no_checks():
    """Checks of arguments wait for the device, and training switches them off."""
    Distribution.set_default_validate_args(False)


def blocks(*sizes):
    """One block for every list of batch sizes; batches are drawn, noise included, when they are finished."""
    g = torch.Generator().manual_seed(2)
    for part in sizes:
        items = [torch.randperm(100, generator=g)[:size] for size in part]
        yield Block(items, lambda indices: Batch(torch.bernoulli(0.8 * DATA[indices])), range(len(items)))


EPOCHS = [[10] * 5 + [4], [10] * 5 + [4], [10] * 5 + [4]]


def train(engine, sizes=EPOCHS, optimizer=None, schedule=None, **guard):
    torch.manual_seed(3)
    vae = small_vae(**({"optimizer": optimizer} if optimizer else {}), ema=0.9)
    (player,) = vae.players()
    ema = (vae.ema, list(vae.densities.parameters()))
    optimizers = [player.optimizer(player.parameters)]
    stepper = Stepper([player], optimizers, vae.step, schedule, Guard(**guard), ema, 1, None, engine)
    torch.manual_seed(5)
    return [stepper.run(block) for block in blocks(*sizes)], weights(vae), optimizers[0]


def halving():
    schedule = Linear(1.0, 0.5, steps=18)
    schedule.bind(Length(6, 19))
    return schedule


OPTIONS = {
    "plain": {},
    "rate schedule": {"schedule": halving()},
    "clipping": {"clip_norm": 0.5},
    "skipping": {"skip_norm": 1.5, "skip_patience": 2},
    "clipping and skipping": {"clip_norm": 0.5, "skip_norm": 1.5},
    "accumulation": {"accumulate": 2},
    "AdamW": {"optimizer": partial(torch.optim.AdamW, lr=0.01, fused=True)},
    "SGD": {"optimizer": partial(torch.optim.SGD, lr=0.01, momentum=0.9, fused=True), "schedule": halving()},
    "SGD, skipping": {"optimizer": partial(torch.optim.SGD, lr=0.01, momentum=0.9, fused=True), "skip_norm": 1.5},
}


SLOW = {"plain", "rate schedule", "clipping", "clipping and skipping", "AdamW", "SGD, skipping"}
"""What others of them have as well."""


@pytest.mark.parametrize(
    "options", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in OPTIONS]
)
def test_captured_steps_are_the_eager_ones(options):
    """Weights, weight average, step counter and metrics, to the bit; the last batch of an epoch is smaller."""
    eager, eager_weights, _ = train(Eager(), **OPTIONS[options])
    graphs = Rehearsal()
    metrics, captured_weights, optimizer = train(Captured(graphs), **OPTIONS[options])
    assert metrics == eager
    assert torch.equal(captured_weights, eager_weights)
    assert (graphs.captures, graphs.replays) == (2, 3 * 6 - 3 - 1 - 2)
    if options == "skipping":  # which the graph decides
        assert 0 < metrics[1]["skipped"] < 1
        assert optimizer.param_groups[0]["skipped"].dtype == torch.int64


def test_a_gradient_that_stays_wild_ends_a_captured_run():
    with pytest.raises(NotFinite, match="not finite in more than 2 steps"):
        train(captured(), optimizer=partial(torch.optim.SGD, lr=1e30, fused=True), skip_norm=1e38, skip_patience=2)


def test_a_captured_loss_that_is_not_finite_ends_the_run():
    with pytest.raises(NotFinite, match="at step .*, in .*loss"):
        train(captured(), optimizer=partial(torch.optim.SGD, lr=1e30, fused=True))


def test_two_players_are_captured_in_one_graph():
    def play(engine):
        torch.manual_seed(0)
        nets = [torch.nn.Linear(6, 1) for _ in range(2)]

        def loss(sign, batch):
            both = (nets[0](batch.x) + sign * nets[1](batch.x)).square().mean()
            return Loss(both, {"seen": both.detach() * 2})

        players = [
            Player(partial(loss, sign), list(net.parameters()), adam(), name)
            for sign, net, name in ((1, nets[0], ""), (-1, nets[1], "critic"))
        ]
        optimizers = [player.optimizer(player.parameters) for player in players]
        stepper = Stepper(players, optimizers, torch.tensor(0), None, Guard(), None, 1, None, engine)
        return [stepper.run(block) for block in blocks(*EPOCHS)], weights(torch.nn.ModuleList(nets))

    graphs = Rehearsal()
    (eager, one), (ours, other) = play(Eager()), play(Captured(graphs))
    assert eager == ours
    assert set(ours[0]) == {"loss", "seen", "critic_loss", "critic_seen"}
    assert torch.equal(one, other)
    assert graphs.captures == 2


@pytest.mark.parametrize(
    "block", [pytest.param(1, marks=pytest.mark.slow), 4, pytest.param(50, marks=pytest.mark.slow)]
)
def test_a_captured_fit_is_the_eager_one(block, request):
    one, other = rich_model(skip_norm=1e3), rich_model(skip_norm=1e3)
    fit(one, max_epochs=2, log_every_n_steps=13)
    request.getfixturevalue("rehearsed")
    fit(other, max_epochs=2, log_every_n_steps=block)
    assert torch.equal(weights(one), weights(other))


def test_a_captured_run_resumes_to_the_bit_whatever_the_engine_was(tmp_path, request):
    whole, part, rest = rich_model(skip_norm=1e3), rich_model(skip_norm=1e3), rich_model(skip_norm=1e3)
    fit(part, max_steps=22, callbacks=[Newest(str(tmp_path), every_seconds=None)], limit_val_batches=1)
    made = request.getfixturevalue("rehearsed")
    fit(whole, max_steps=35, limit_val_batches=1)
    fit(rest, max_steps=35, limit_val_batches=1, resume=tmp_path / "last.ckpt")
    assert torch.equal(weights(whole), weights(rest))
    assert all(graphs.replays > 0 for graphs in made)


def test_a_step_that_waits_once_is_captured_later():
    graphs = Rehearsal(waits=[["here.py:3"], ["here.py:3"], []])
    _, captured_weights, _ = train(Captured(graphs))
    assert graphs.replays == 18 - 2 - 3 - 1 - 2
    assert torch.equal(captured_weights, train(Eager())[1])


def test_a_step_that_always_waits_stays_eager_and_says_so_once(caplog):
    graphs = Rehearsal(waits=[["here.py:3"]] * 100)
    with caplog.at_level(logging.INFO, logger="elbolab.training.engine"):
        _, ours, _ = train(Captured(graphs, trials=4))
    assert graphs.captures == 0
    assert torch.equal(ours, train(Eager())[1])
    assert caplog.messages == ["engine: eager steps, because the step waits for the device: here.py:3"]


def test_a_step_that_always_waits_is_an_error_where_capture_is_insisted_on():
    graphs = Rehearsal(waits=[["here.py:3"]] * 100)
    with pytest.raises(ValueError, match=r"trainer\.engine=captured: .*here\.py:3.*trainer\.engine=auto"):
        train(Captured(graphs, trials=4, must=True))


def test_a_capture_that_fails_names_the_way_out(monkeypatch):
    graphs = Rehearsal()

    def fail(work):
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(graphs, "capture", fail)
    with refused(r"cannot be captured: operation not permitted.*: set trainer.engine=eager"):
        train(Captured(graphs))


def test_waits_are_told_from_other_warnings(monkeypatch):
    """torch warns of what synchronises, once of its own doing, and whatever else warns goes on to do so."""
    device = CudaGraphs.__new__(CudaGraphs)
    device.warned = {}
    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: 0)
    notice = "Synchronization debug mode is a prototype feature and does not yet detect all synchronizing operations"
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", lambda mode: mode and warnings.warn(notice, stacklevel=1))
    with device.waits() as calm:
        pass
    with device.waits() as found:
        warnings.warn("called a synchronizing CUDA operation", stacklevel=1)
    with pytest.warns(UserWarning, match="something else"), device.waits():
        warnings.warn("something else", stacklevel=1)
    assert calm == []
    assert [place.rpartition("/")[2].partition(":")[0] for place in found] == ["test_engine.py"]


CPU, CUDA = torch.device("cpu"), torch.device("cuda")
MODEL = torch.nn.Module()


def optimizers(kind, **options):
    made = kind([torch.nn.Parameter(torch.zeros(1))], lr=0.1, **options)
    return [made]


def test_a_cpu_records_its_steps_and_auto_waits_before_it_does(caplog):
    with caplog.at_level(logging.INFO, logger="elbolab.training.engine"):
        auto, must = (choose_engine(wish, MODEL, CPU, [], 1) for wish in ("auto", "captured"))
        assert isinstance(choose_engine("eager", MODEL, CPU, [], 1), Eager)
    assert (auto.must, must.must) == (False, True)
    assert auto.warm_up > must.warm_up
    assert caplog.messages == []


def test_auto_says_once_why_it_does_not_capture(caplog):
    with caplog.at_level(logging.INFO, logger="elbolab.training.engine"):
        assert isinstance(choose_engine("auto", MODEL, CPU, [], 2), Eager)
    assert [message.partition(" over")[0] for message in caplog.messages] == [
        "engine: eager steps, because gradients are averaged"
    ]


@pytest.mark.parametrize(
    ("wish", "device", "optimizer", "world", "reason"),
    [
        ("auto", CUDA, optimizers(torch.optim.SGD, fused=True), 1, None),
        ("auto", CPU, optimizers(torch.optim.SGD), 1, None),
        ("captured", CPU, optimizers(torch.optim.SGD), 2, "averaged over ranks"),
        ("auto", torch.device("mps"), optimizers(torch.optim.SGD), 1, "a device of type mps captures none"),
        ("auto", CUDA, optimizers(torch.optim.SGD), 1, "SGD can be neither fused nor capturable"),
        ("auto", CUDA, optimizers(torch.optim.Adagrad), 1, "Adagrad can be neither fused nor capturable"),
        ("captured", CUDA, optimizers(torch.optim.Adamax), 1, None),
        ("captured", CUDA, optimizers(torch.optim.AdamW), 1, None),
        ("auto", CUDA, optimizers(torch.optim.SGD, fused=True), 2, "averaged over ranks"),
    ],
)
def test_what_stands_in_the_way_of_capture(wish, device, optimizer, world, reason):
    found = obstacle(wish, MODEL, device, optimizer, world)
    assert found is None if reason is None else reason in found


def test_anomalies_are_looked_for_in_eager_steps():
    with torch.autograd.set_detect_anomaly(True):
        assert "detect_anomaly" in obstacle("auto", MODEL, CPU, [], 1)
    assert obstacle("auto", MODEL, CPU, [], 1) is None


def test_compiled_networks_are_not_recorded_on_a_cpu():
    net = torch.nn.Linear(1, 1)
    assert obstacle("auto", net, CPU, [], 1) is None
    net.compile(backend="eager")
    assert "compile=true" in obstacle("auto", torch.nn.Sequential(net), CPU, [], 1)
    assert obstacle("auto", net, CUDA, [], 1) is None


def test_captured_steps_where_there_can_be_none_are_refused():
    with refused(r"captured: gradients are averaged over ranks.*: set trainer.engine=auto"):
        choose_engine("captured", MODEL, CPU, [], 2)


def test_an_unknown_engine_is_refused():
    with pytest.raises(ValueError, match=r"trainer.engine=graph: choose auto, captured, eager"):
        make_trainer(max_epochs=1, accelerator="cpu", engine="graph")


def test_prepared_optimizers_keep_what_they_were_restored_with():
    (one,) = optimizers(torch.optim.Adam, fused=True)
    one.param_groups[0] |= {"base_lr": 0.3, "skipped": 2}
    prepare(one, scheduled=True)
    prepare(one, scheduled=True)
    (group,) = one.param_groups
    assert group["base_lr"] == 0.3
    assert group["skipped"].item() == 2
    assert group["lr"].item() == pytest.approx(0.1)
    assert group["capturable"] is False
