"""Contracts of every variant, and the reductions that link them."""

from functools import partial
from math import inf, nan
from pathlib import Path
from types import SimpleNamespace
from typing import final

import pytest
import torch
from tests.helpers import adam, fit, mlp, refused, regression, small_densities, weights
from tests.models.registry import DRAWS, VARIANTS, autoencoder, batch_for, binary, make, training_batch_for
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.distributions import Distribution

from elbolab.batch import Batch, Semi
from elbolab.cli.checks import check_labels
from elbolab.densities.class_terms import Enumerating
from elbolab.densities.classifier import Classifier
from elbolab.densities.terms import summary
from elbolab.distributions.conditional import Head
from elbolab.distributions.full_covariance import FullNormal
from elbolab.distributions.priors import Mixture
from elbolab.models.base import Loss
from elbolab.models.beta_vae import beta_vae
from elbolab.models.costs import Capacity, Cost, FreeBits, Rate
from elbolab.models.vae import VAE
from elbolab.training.schedules import Linear

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(params=VARIANTS)
def name(request):
    return request.param


def batch(num=8):
    return Batch(torch.randint(2, (num, 6), generator=torch.Generator().manual_seed(5)).to(torch.get_default_dtype()))


def test_every_player_moves_every_one_of_its_parameters(name):
    model = make(name).train()
    for player in model.players():
        player.loss(training_batch_for(model)).value.backward(inputs=player.parameters)
        for parameter in player.parameters:
            assert parameter.grad is not None
            assert parameter.grad.isfinite().all()
    moved = {id(p) for player in model.players() for p in player.parameters}
    assert moved == {id(p) for p in model.parameters() if p.requires_grad}


@pytest.mark.parametrize("plain", ["cvae", "dvae", "ae"])
def test_a_model_that_looks_at_no_labels_says_so_of_data_with_few(plain):
    with refused(r"does not look at labels: set data.num_labelled=null, or choose model=m1"):
        make(plain).loss(training_batch_for(make("m2")))


def test_no_loss_waits_for_the_device(name):
    """Under FakeTensorMode an `.item()` or a branch on a tensor raises (design: capture safety without a GPU)."""
    Distribution.set_default_validate_args(False)
    model = make(name).train()
    with FakeTensorMode(allow_non_fake_inputs=True):
        for player in model.players():
            player.loss(training_batch_for(model)).value.backward(inputs=player.parameters)


def test_every_variant_runs_captured(name, request):
    eager, ours = make(name), make(name)
    fit(eager, max_epochs=2)
    (graphs,) = [request.getfixturevalue("rehearsed"), fit(ours, max_epochs=2)][0]
    assert torch.equal(weights(eager), weights(ours))
    assert graphs.replays > 15


def test_that_check_sees_a_host_sync():
    Distribution.set_default_validate_args(False)
    model = make("vae")
    with FakeTensorMode(allow_non_fake_inputs=True), pytest.raises(DataDependentOutputException):
        model.loss(batch()).value.item()


def test_a_report_repeats_under_its_seed_and_averages_over_data(name):
    model = make(name).eval()
    rows = []
    for _ in range(2):
        torch.manual_seed(3)
        with torch.no_grad():
            rows.append({k: v.item() for k, v in model.report(batch_for(model)).items()})
    assert rows[0] == rows[1]
    assert all(isinstance(value, float) for value in rows[0].values())


def seeded(function, *args, **options):
    torch.manual_seed(3)
    return function(*args, **options)


def test_a_reported_elbo_is_minus_rate_minus_distortion_whatever_is_minimised(name):
    model = make(name).eval()
    x, given, *_ = batch_for(model)
    if isinstance(model.densities, Enumerating | Classifier):
        pytest.skip("a sum over classes, and no density: tests/models/test_m2.py")
    draws = DRAWS.get(name, ())[:1] if "iwae" in name else ()
    report, terms = seeded(model.report, batch_for(model)), seeded(model.densities.terms, x, *given, shape=draws)
    torch.testing.assert_close(report["distortion"], terms.distortion.mean())
    if name.startswith(("aae", "avb")):
        pytest.skip("a critic matches the codes or estimates their KL; one that is known is no part of that")
    assert report.keys() >= summary(terms).keys()
    assert ("elbo" in report) == ("elbo" in summary(terms))
    if "elbo" in report:
        torch.testing.assert_close(report["rate"], terms.rate.mean())
        torch.testing.assert_close(report["elbo"], -report["rate"] - report["distortion"])
        torch.testing.assert_close(report["elbo"], terms.elbo.mean())


def test_training_shows_what_exists_of_the_bound_at_beta_one(name):
    model = make(name).train()
    if isinstance(model.densities, Enumerating | Classifier):
        pytest.skip("a sum over classes, and no density: tests/models/test_m2.py")
    if "disarm" in name:
        pytest.skip("its draws are antithetic pairs: tests/models/test_discrete_vae.py")
    metrics = seeded(model.loss, training_batch_for(model)).metrics
    options = {"shape": DRAWS.get(name, ())}
    x, given, *_ = batch_for(model)
    names = ("distortion",) if name.startswith(("aae", "avb")) else ("elbo", "rate", "distortion")
    expected = summary(seeded(model.densities.terms, x, *given, **options), names)
    others = {"beta", "bound", "gsnn_bound", "dvae_bound", "iwae_bound", "estimated_elbo"}
    others |= {"code_norm", "regularisation"}
    assert metrics.keys() - others == expected.keys()
    for quantity, value in expected.items():
        torch.testing.assert_close(metrics[quantity], value)


def test_what_is_no_bound_is_not_called_elbo():
    assert "elbo" not in make("vae, binary latents").train().loss(batch()).metrics
    assert "elbo" not in make("ae").loss(batch()).metrics
    assert "elbo" not in make("ae").eval().report(batch())
    assert "elbo" in make("vae, binary latents").eval().report(batch())


def test_every_variant_takes_the_batches_that_it_says_and_is_given_no_others(name):
    """Before stages are trained for it; more labels than there are would be found then too."""
    model = make(name)
    assert type(training_batch_for(model)) in model.takes
    for num_labelled, kind in ((None, Batch), (30, Semi)):
        data = SimpleNamespace(num_labelled=num_labelled, arrays=lambda _: None)
        if kind in model.takes:
            check_labels(model, data)
            continue
        with refused("data.num_labelled=(null|100)"):
            check_labels(model, data)


@pytest.mark.usefixtures("float64")
def test_curves_are_the_recorded_ones(name, request):
    """A refactor keeps these; a change of mathematics explains them. ``--regenerate-golden`` writes them anew."""
    model = make(name).double()
    curve = [f"{value:.10f}" for value in losses(model)]
    path = GOLDEN / f"{name.replace(', ', '-').replace(' ', '_')}.txt"
    if request.config.getoption("--regenerate-golden"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(curve) + "\n")
    recorded = [float(line) for line in path.read_text().split()]
    assert [float(value) for value in curve] == pytest.approx(recorded, rel=1e-6)


def losses(model, num=12):
    """The sum of all players' losses, each on the way to its own step."""
    players, values = model.players(), []
    optimizers = [torch.optim.SGD(player.parameters, lr=0.05) for player in players]
    torch.manual_seed(3)
    for _ in range(num):
        total = 0.0
        for player, optimizer in zip(players, optimizers, strict=True):
            optimizer.zero_grad()
            loss: Loss = player.loss(training_batch_for(model))
            loss.value.backward(inputs=player.parameters)
            optimizer.step()
            total += loss.value.item()
        model.step += 1
        values.append(total)
    return values


def loss_of(cls, seed=3, **options):
    torch.manual_seed(11)
    model = cls(densities=small_densities(), optimizer=adam(), **options)
    torch.manual_seed(seed)
    return model, model.loss(batch()).value


def test_beta_one_is_the_vae_bit_for_bit():
    assert torch.equal(loss_of(VAE)[1], loss_of(beta_vae, beta=1.0)[1])


def test_capacity_zero_is_plain_beta_where_the_kl_is_closed_form():
    torch.testing.assert_close(loss_of(beta_vae, beta=3.0)[1], loss_of(beta_vae, beta=3.0, capacity=0.0)[1])


def cost_of(model, data=None):
    (cost,), x = model.costs, (data or batch()).x
    return cost(model.densities.terms(x), Batch(x), model.step)


def test_free_bits_below_every_kl_change_nothing_and_above_every_kl_remove_its_gradient():
    model, plain = loss_of(beta_vae, beta=2.0)
    torch.testing.assert_close(plain, loss_of(beta_vae, beta=2.0, free_bits=1e-9)[1])
    model, _ = loss_of(beta_vae, beta=2.0, free_bits=50.0)
    cost = cost_of(model)
    assert cost.item() == pytest.approx(100.0)
    assert (
        torch.autograd.grad(cost, list(model.densities.posterior.parameters()), allow_unused=True)[0].abs().max() == 0
    )


def test_beta_weighs_nats_against_nats():
    """loss(beta) - loss(0) = beta * rate at the same noise."""
    _, zero = loss_of(beta_vae, beta=0.0)
    _, three = loss_of(beta_vae, beta=3.0)
    model, _ = loss_of(VAE)
    rate = model.densities.terms(batch().x).rate.mean()
    torch.testing.assert_close(three - zero, 3 * rate)


def test_capacity_is_a_distance_in_nats():
    model, _ = loss_of(beta_vae, beta=1.0, capacity=5.0)
    terms = model.densities.terms(batch().x)
    torch.testing.assert_close(cost_of(model), (terms.rate.mean() - 5).abs())


@final
class Constant(Cost):
    """What is added to a bound: 7 nats a datum, or 7 a batch."""

    symbol, is_rate, additive = "sevens", False, True

    def forward(self, terms, batch, step):
        return torch.full_like(terms.log_lik, 7.0)

    def check(self, terms): ...


def test_a_cost_that_is_no_rate_is_added_to_the_bound_with_its_weight():
    _, plain = loss_of(VAE)
    torch.testing.assert_close(loss_of(VAE, costs={"a": Constant(2.0)})[1], plain + 14)


def test_costs_combine():
    """Whatever they are named: the rate weighted by beta, and what is added."""
    _, weighted = loss_of(beta_vae, beta=3.0)
    model, both = loss_of(beta_vae, beta=3.0, costs={"a": Constant(0.5), "b": Constant(Linear(0, 1, steps=20))})
    torch.testing.assert_close(both, weighted + 3.5)
    model.step.fill_(5)
    torch.manual_seed(3)
    loss = model.loss(batch())
    torch.testing.assert_close(loss.value, weighted + 3.5 + 7 * 0.25)
    assert loss.metrics["beta"] == 3
    assert not loss_of(VAE, costs={"a": Constant(1.0), "c": Capacity(1.0, 1.0)})[0].loss(batch()).additive


def test_more_samples_are_an_average_of_bounds():
    torch.manual_seed(11)
    densities = small_densities()
    model = VAE(num_samples=4, densities=densities, optimizer=adam())
    torch.manual_seed(3)
    loss = model.loss(batch()).value
    torch.manual_seed(3)
    torch.testing.assert_close(loss, -densities.terms(batch().x, shape=(4,)).elbo.mean())


def test_an_autoencoder_reports_the_mean_squared_error_of_an_element():
    model = make("ae").eval()
    x = batch().x
    mean = model.densities.decode(model.densities.encode(x)).mean
    torch.testing.assert_close(model.report(batch())["mse"], (mean - x).square().sum() / x.numel())


FULL = partial(Head, net=mlp(5), family=partial(FullNormal, min_scale=1e-6))
OF_DIMENSIONS = "does not factorise.*choose prior=standard_normal with posterior=diagonal_normal"


def free_bits(densities):
    return beta_vae(beta=1.0, free_bits=0.1, densities=densities, optimizer=adam())


@pytest.mark.parametrize("densities", [small_densities, binary], ids=["normal", "binary"])
def test_free_bits_are_checked_without_a_trace(densities):
    torch.manual_seed(11)
    built = densities()
    state, flags = torch.get_rng_state(), [part.training for part in built.modules()]
    free_bits(built)
    assert torch.equal(torch.get_rng_state(), state)
    assert [part.training for part in built.modules()] == flags


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: loss_of(VAE, num_samples=0), "model.num_samples=0"),
        (lambda: loss_of(beta_vae, beta=-1.0), "model.beta=-1.0: .*not negative"),
        (lambda: loss_of(beta_vae, beta=nan), "model.beta=nan: .*finite"),
        (lambda: loss_of(beta_vae, beta=inf), "model.beta=inf: .*finite"),
        (lambda: loss_of(beta_vae, beta=1.0, capacity=-3.0), "model.capacity=-3.0: .*not negative"),
        (lambda: loss_of(beta_vae, beta=1.0, free_bits=-0.1), "model.free_bits=-0.1: .*not negative"),
        (lambda: free_bits(small_densities(prior=partial(Mixture, num_components=3, spread=1.0))), OF_DIMENSIONS),
        (lambda: free_bits(small_densities(posterior=FULL)), OF_DIMENSIONS),
        (lambda: free_bits(autoencoder()), "no prior.*choose prior=standard_normal"),
        (lambda: free_bits(regression()), "cost rate .*there are no latents"),
        (lambda: beta_vae(beta=2.0, densities=autoencoder(), optimizer=adam()), "cost rate .*no prior"),
        (
            lambda: loss_of(beta_vae, beta=1.0, capacity=1.0, free_bits=0.1),
            "set model.capacity=null, or set model.free_bits=0",
        ),
        (
            lambda: loss_of(VAE, costs={"capacity": Capacity(1.0, 2.0), "free": FreeBits(0.1, 2.0)}),
            "capacity and free each stand in the place of the rate.*choose cost=none, or choose model=vae",
        ),
        (lambda: Rate(-1.0), "weight=-1.0: .*not negative"),
        (lambda: Capacity(inf, 1.0), "capacity=inf: .*finite"),
        (lambda: FreeBits(nan, 1.0), "free_bits=nan: .*finite"),
    ],
)
def test_impossible_options_are_refused(build, message):
    with refused(message):
        build()


def test_every_variant_trains(name):
    model = make(name)
    before = weights(model)
    trainer = fit(model, max_epochs=2)
    assert trainer.global_step == 26
    assert not torch.equal(before, weights(model))
    assert torch.isfinite(trainer.callback_metrics[model.monitor])
