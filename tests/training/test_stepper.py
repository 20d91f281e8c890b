"""The stepper against an independent loop, and each of its guards."""

from functools import partial

import pytest
import torch
from tests.rehearsal import captured
from torch import nn

from elbolab.batch import Batch, Semi
from elbolab.data.blocks import Block
from elbolab.training.ema import Ema
from elbolab.training.engine import Eager
from elbolab.training.guard import Guard, NotFinite, check_guard
from elbolab.training.player import Loss, Player
from elbolab.training.schedules import Constant, Length, Linear
from elbolab.training.stepper import Stepper, Tally
from elbolab.training.trees import size_of, split_batch

ADAM = partial(torch.optim.Adam, lr=0.1, fused=True)


def regression(seed=0):
    torch.manual_seed(seed)
    return nn.Linear(3, 1)


def square(net, batch):
    cost = (net(batch.x) - batch.y).square().mean()
    return Loss(cost, {"cost": cost})


NO_GUARD = Guard()


def stepper(net, *, guard=NO_GUARD, ema=None, schedule=None, optimizer=ADAM, loss=square):
    player = Player(partial(loss, net), list(net.parameters()), optimizer)
    return make(player, guard=guard, ema=ema, schedule=schedule)


def make(*players, guard=NO_GUARD, ema=None, schedule=None):
    return Stepper(
        list(players),
        [p.optimizer(p.parameters) for p in players],
        step=torch.tensor(0),
        schedule=schedule,
        guard=guard,
        ema=ema,
        world=1,
        autocast=None,
        engine=Eager(),
    )


def batches(num, size=4):
    g = torch.Generator().manual_seed(1)
    return [Batch(torch.randn(size, 3, generator=g), y=torch.randn(size, 1, generator=g)) for _ in range(num)]


def weights(net):
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def test_steps_are_those_of_a_plain_loop():
    ours, theirs = regression(), regression()
    means = stepper(ours).run(batches(9))
    optimizer, costs = ADAM(theirs.parameters()), []
    for batch in batches(9):
        optimizer.zero_grad()
        cost = (theirs(batch.x) - batch.y).square().mean()
        cost.backward()
        optimizer.step()
        costs.append(cost.item())
    assert torch.equal(weights(ours), weights(theirs))
    assert means == pytest.approx({"loss": sum(costs) / 9, "cost": sum(costs) / 9})


@pytest.mark.parametrize("skip_norm", [None, 1e9])
@pytest.mark.parametrize("engine", [Eager, partial(captured, warm_up=1)])
def test_metrics_are_means_over_data_not_over_steps(engine, skip_norm):
    long, short = batches(1, size=8)[0], batches(1, size=2)[0]
    net = regression()
    run = stepper(net, guard=Guard(skip_norm=skip_norm), optimizer=partial(torch.optim.SGD, lr=0.0))
    run.engine = engine()
    costs = {batch: (net(batch.x) - batch.y).square().mean().item() for batch in (long, short)}
    for _ in range(3):
        means = run.run(Block([long, long, short], lambda batch: batch, range(3)))
        assert means["cost"] == pytest.approx((16 * costs[long] + 2 * costs[short]) / 18)


def test_metrics_of_ranks_are_means_over_all_their_data(monkeypatch):
    tally = Tally(forgiving=False)
    tally.add({"cost": torch.tensor(2.0)}, size=3)
    monkeypatch.setattr(
        "elbolab.training.stepper.all_reduce", lambda sums: sums.add_(torch.tensor([[5.0], [1.0], [1.0]]))
    )
    assert tally.means(1, world=2) == {"cost": pytest.approx((2.0 * 3 + 5.0 * 1) / 4)}


def test_blocks_of_any_size_give_the_same_bits():
    whole, parts = regression(), regression()
    stepper(whole).run(batches(9))
    one = stepper(parts)
    for i in range(0, 9, 2):
        one.run(batches(9)[i : i + 2])
    assert torch.equal(weights(whole), weights(parts))
    assert int(one.counter) == 9


def two_players(first, second, **named):
    """The first minimises the square of the sum, the second that of the difference."""
    still = partial(torch.optim.SGD, lr=0.0)
    sum_of = lambda batch: Loss((first(batch.x) + second(batch.x)).square().mean(), {})  # noqa: E731
    difference = lambda batch: Loss((first(batch.x) - second(batch.x)).square().mean(), {})  # noqa: E731
    return (
        Player(sum_of, list(first.parameters()), still, **named),
        Player(difference, list(second.parameters()), still, name="critic"),
    )


def test_no_gradient_reaches_another_player():
    first, second = regression(0), regression(1)
    run = make(*two_players(first, second))
    (batch,) = batches(1)
    run.run([batch])
    own = torch.autograd.grad((first(batch.x) + second(batch.x)).square().mean(), first.weight)[0]
    torch.testing.assert_close(first.weight.grad, own)
    own = torch.autograd.grad((first(batch.x) - second(batch.x)).square().mean(), second.weight)[0]
    torch.testing.assert_close(second.weight.grad, own)
    assert int(run.counter) == 1


def test_every_player_logs_under_its_name_and_a_nan_of_any_stops():
    first, second = regression(0), regression(1)
    one, two = two_players(first, second)
    assert set(make(one, two).run(batches(2))) == {"loss", "critic_loss"}
    wild = one._replace(loss=lambda batch: Loss(first(batch.x).mean() * float("nan"), {}))
    with pytest.raises(NotFinite, match="at step 1, in loss"):
        make(wild, two).run(batches(2))


def test_players_count_their_skips_apart():
    one, two = two_players(regression(0), regression(1))
    one = one._replace(optimizer=partial(torch.optim.SGD, lr=1.0))
    tame = two._replace(loss=lambda batch: Loss((two.parameters[0] * 0).sum(), {}))
    run = make(one, tame, guard=Guard(skip_norm=1e-6, skip_patience=2))
    before = one.parameters[0].detach().clone()
    run.run(batches(2))
    assert torch.equal(one.parameters[0], before)
    run.run(batches(1))
    assert not torch.equal(one.parameters[0], before)


def test_accumulation_gives_the_gradient_of_the_whole_batch():
    whole, parts = regression(), regression()
    sgd = partial(torch.optim.SGD, lr=0.1)
    one = stepper(whole, optimizer=sgd).run(batches(3, size=5))
    many = stepper(parts, optimizer=sgd, guard=Guard(accumulate=2)).run(batches(3, size=5))
    torch.testing.assert_close(weights(whole), weights(parts))
    assert one == pytest.approx(many)


def test_split_batches_keep_what_belongs_together():
    labelled = Batch(torch.arange(5.0), (torch.arange(5),), y=torch.arange(5))
    batch = Semi.of(labelled, Batch(torch.arange(10.0)), 0.1)
    first, second = split_batch(batch, 2)
    assert first.labelled.y.tolist() == [0, 1, 2]
    assert second.labelled.given[0].tolist() == [3, 4]
    assert second.unlabelled.x.tolist() == [5, 6, 7, 8, 9]
    assert second.unlabelled.y is None
    assert second.unlabelled.given == ()
    assert (size_of(batch), size_of(first)) == (10, 5)


@pytest.mark.parametrize(("num_labelled", "num", "parts"), [(6, 12, 3), (5, 7, 3), (100, 7, 4), (2, 9, 5)])
def test_the_objective_of_parts_is_that_of_the_semi_supervised_batch(num_labelled, num, parts):
    def objective(batch):
        return batch.unlabelled.x.mean() + batch.labelled_mean(batch.share * batch.labelled.x)

    batch = Semi.of(Batch(torch.randn(num_labelled)), Batch(torch.randn(num)), 0.3)
    split = split_batch(batch, parts)
    total = sum(objective(part) * size_of(part) for part in split) / size_of(batch)
    torch.testing.assert_close(total, objective(batch))
    assert sum(len(part.share) for part in split) == num_labelled


def test_clipping_bounds_the_step():
    net = regression()
    before = weights(net)
    metrics = stepper(net, guard=Guard(clip_norm=0.01), optimizer=partial(torch.optim.SGD, lr=1.0)).run(batches(1))
    assert (weights(net) - before).norm() == pytest.approx(0.01, rel=1e-3)
    assert metrics["grad_norm"] > 0.01


def test_a_large_gradient_is_skipped_until_patience_ends():
    net = regression()
    run = stepper(net, guard=Guard(skip_norm=1e-6, skip_patience=2))
    before = weights(net)
    assert run.run(batches(1))["skipped"] == run.run(batches(1))["skipped"] == 1
    assert torch.equal(weights(net), before)
    assert run.run(batches(1))["skipped"] == 0
    assert not torch.equal(weights(net), before)
    assert run.optimizers[0].state_dict()["param_groups"][0]["skipped"] == 0


def test_gradients_that_are_not_finite_are_skipped_and_then_stop_the_run():
    net = regression()

    def spiky(net, batch):
        return Loss((net(batch.x) * 0).abs().sqrt().mean(), {})

    run = stepper(net, guard=Guard(skip_norm=1.0, skip_patience=2), loss=spiky)
    before = weights(net)
    run.run(batches(2))
    assert torch.equal(weights(net), before)
    with pytest.raises(NotFinite, match="2 steps in a row"):
        run.run(batches(1))


def test_a_skipped_nan_leaves_the_means_finite():
    net, calls = regression(), iter([1.0, float("nan"), 1.0])

    def sometimes(net, batch):
        return Loss(net(batch.x).square().mean() * next(calls), {})

    run, seen = stepper(net, guard=Guard(skip_norm=1e9), loss=sometimes), []
    (first,), last = batches(1), batches(3)[2]
    seen.append((net(first.x).square().mean()).item())
    means = run.run([first, first, last])
    assert means["skipped"] == pytest.approx(1 / 3)
    one = stepper(regression(), loss=square_of_output)
    losses = [one.run([batch])["loss"] for batch in (first, last)]
    assert losses[0] == pytest.approx(seen[0])
    assert means["loss"] == pytest.approx(sum(losses) / 2)  # over the steps that had a finite one


def square_of_output(net, batch):
    return Loss(net(batch.x).square().mean(), {})


def test_a_bound_that_no_gradient_reaches_changes_nothing():
    plain, guarded = regression(), regression()
    sgd = partial(torch.optim.SGD, lr=0.5)
    stepper(plain, optimizer=sgd).run(batches(5))
    stepper(guarded, optimizer=sgd, guard=Guard(skip_norm=1e9)).run(batches(5))
    assert torch.equal(weights(plain), weights(guarded))


def test_a_schedule_that_stays_at_one_is_none():
    plain, scheduled = regression(), regression()
    stepper(plain).run(batches(5))
    stepper(scheduled, schedule=Constant(1.0)).run(batches(5))
    assert torch.equal(weights(plain), weights(scheduled))


def test_a_skipped_step_leaves_the_state_of_the_optimizer():
    net = regression()
    run = stepper(net, guard=Guard(skip_norm=1e9))
    run.run(batches(2))
    (optimizer,) = run.optimizers
    state = {k: v.clone() for k, v in optimizer.state[net.weight].items()}
    run.guard = Guard(skip_norm=1e-9)
    run.run(batches(1))
    assert all(torch.equal(v, state[k]) for k, v in optimizer.state[net.weight].items())


@pytest.mark.parametrize(
    ("guard", "message"),
    [
        (Guard(clip_norm=-1.0), "model.clip_norm=-1.0"),
        (Guard(clip_norm=0.0), "model.clip_norm=0.0"),
        (Guard(skip_norm=0.0), "model.skip_norm=0.0"),
        (Guard(accumulate=0), "model.accumulate=0"),
    ],
)
def test_impossible_guards_are_refused(guard, message):
    with pytest.raises(ValueError, match=message):
        check_guard(guard)


def test_a_batch_has_at_most_one_part_a_datum():
    assert [part.x.tolist() for part in split_batch(Batch(torch.arange(3.0)), 4)] == [[0], [1], [2]]
    net = regression()
    stepper(net, guard=Guard(accumulate=4)).run([*batches(1, size=8), *batches(1, size=1)])  # an epoch's last batch


@pytest.mark.parametrize(("num_labelled", "num"), [(5, 2), (2, 5)])
def test_no_part_of_a_batch_is_without_labelled_or_unlabelled_data(num_labelled, num):
    labelled = Batch(torch.arange(float(num_labelled)), y=torch.arange(num_labelled))
    whole = Semi(labelled, Batch(torch.arange(float(num))), *[torch.ones(num_labelled)] * (len(Semi._fields) - 2))
    parts = split_batch(whole, 4)
    assert [(len(part.labelled.x), len(part.unlabelled.x)) for part in parts] == [
        (-(-num_labelled // 2), -(-num // 2)),
        (num_labelled // 2, num // 2),
    ]


def test_a_loss_that_is_not_finite_stops_the_run():
    with pytest.raises(NotFinite, match="at step 1, in loss"):
        stepper(regression(), loss=lambda net, b: Loss(net(b.x).mean() * float("nan"), {})).run(batches(1))


def test_the_learning_rate_follows_the_schedule():
    net = regression()
    schedule = Linear(1.0, 0.0, steps=2)
    schedule.bind(Length(2, 3))
    run = stepper(net, schedule=schedule, optimizer=partial(torch.optim.SGD, lr=1.0))
    run.run(batches(2))
    before = weights(net)
    run.run(batches(1))
    assert torch.equal(weights(net), before)


def test_a_tensor_learning_rate_is_changed_in_place():
    net, lr = regression(), torch.tensor(0.1)
    schedule = Linear(1.0, 0.0, steps=2)
    schedule.bind(Length(2, 3))
    run = stepper(net, schedule=schedule, optimizer=partial(torch.optim.Adam, lr=lr, fused=True))
    run.optimizers[0].param_groups[0]["base_lr"] = 0.1
    run.run(batches(2))
    assert run.optimizers[0].param_groups[0]["lr"] is lr
    assert lr.item() == pytest.approx(0.05)


def test_ema_follows_the_weights_and_steps_in_for_them():
    net = regression()
    ema = Ema(list(net.parameters()), 0.9)
    expected = weights(net)
    run = stepper(net, ema=(ema, list(net.parameters())))
    for batch in batches(5):
        run.run([batch])
        expected = 0.9 * expected + 0.1 * weights(net)
    trained = weights(net)
    with ema.applied(list(net.parameters())):
        torch.testing.assert_close(weights(net), expected)
    assert torch.equal(weights(net), trained)
    assert len(ema.state_dict()) == 2


def test_an_ema_decay_outside_its_range_is_refused():
    with pytest.raises(ValueError, match=r"model.ema=1.0.*between 0 and 1"):
        Ema([], 1.0)
