import pytest
import torch
from torch.distributions import Laplace, Normal

from elbolab.distributions.location_scale import FixedScale, LearnedScale, OptimalNormal


@pytest.mark.parametrize("base", [Normal, Laplace])
def test_fixed_scale_is_torch(base):
    raw, x = torch.randn(2, 4, 3), torch.randn(4, 3)
    p = FixedScale((3,), base, 0.3)(raw)
    assert torch.allclose(p.log_prob(x), base(raw, 0.3).log_prob(x).sum(-1))


def test_learned_scale_is_stationary_at_the_root_mean_square():
    error = torch.randn(50, 3)
    family = LearnedScale((3,), Normal, error.square().mean().sqrt().item())
    family(torch.zeros(50, 3)).log_prob(error).mean().backward()
    assert family.log_scale.grad.abs() < 1e-12


@pytest.fixture
def optimal():
    return OptimalNormal((3,), min_scale=1e-3)


def test_optimal_scale_beats_every_other(optimal):
    raw, x = torch.randn(8, 3), torch.randn(8, 3)
    best = optimal(raw).log_prob(x).sum()
    for scale in torch.linspace(0.1, 5, 200):
        assert Normal(raw, scale).log_prob(x).sum() <= best + 1e-12


def test_optimal_gradient_is_the_one_at_a_frozen_scale(optimal):
    # The scale is optimal, so its own derivative vanishes.
    raw, x = torch.randn(8, 3, requires_grad=True), torch.randn(8, 3)
    (ours,) = torch.autograd.grad(optimal(raw).log_prob(x).sum(), raw)
    scale = (raw - x).square().mean().sqrt().detach()
    (frozen,) = torch.autograd.grad(Normal(raw, scale).log_prob(x).sum(), raw)
    assert torch.allclose(ours, frozen)


def test_optimal_log_likelihoods_are_asked_without_a_trace(optimal):
    raw, batches = torch.zeros(8, 3), [torch.randn(8, 3) * size for size in (1, 2, 3)]
    before = {name: value.clone() for name, value in optimal.state_dict().items()}
    first = [optimal(raw).log_prob(x) for x in batches]
    assert all(map(torch.equal, first, [optimal(raw).log_prob(x) for x in batches]))
    assert {name: value.item() for name, value in optimal.state_dict().items()} == before


def test_optimal_scale_of_several_draws_is_one(optimal):
    raw, x = torch.randn(4, 8, 3), torch.randn(8, 3)
    scale = (raw - x).square().mean().sqrt()
    torch.testing.assert_close(optimal(raw).log_prob(x), Normal(raw, scale).log_prob(x).sum(-1))


@pytest.mark.parametrize("training", [True, False])
def test_optimal_errors_are_collected_of_all_that_is_asked_within(optimal, training):
    raw, batches = torch.zeros(8, 3), [torch.randn(8, 3) * size for size in (1, 2)]
    with optimal.train(training).collecting() as errors:
        for x in batches:
            optimal(raw).log_prob(x)
    optimal(raw).log_prob(batches[0])
    assert errors.tolist() == pytest.approx([sum(x.square().sum().item() for x in batches), 48])


def test_optimal_evaluation_uses_its_variance(optimal):
    raw, x = torch.zeros(8, 3), torch.randn(8, 3)
    optimal.variance.fill_(2.5)
    p = optimal.eval()(raw)
    assert torch.allclose(p.log_prob(x), Normal(raw, 2.5**0.5).log_prob(x).sum(-1))


def test_optimal_evaluation_of_a_datum_ignores_its_batch(optimal):
    raw, x = torch.zeros(8, 3), torch.randn(8, 3)
    assert torch.equal(optimal.eval()(raw).log_prob(x)[:1], optimal(raw[:1]).log_prob(x[:1]))


def test_optimal_scale_is_bounded_below(optimal):
    raw = torch.randn(8, 3)
    log_prob = optimal(raw).log_prob(raw)
    assert torch.allclose(log_prob, Normal(raw, 1e-3).log_prob(raw).sum(-1))


def test_optimal_is_finite_at_perfect_reconstruction(optimal):
    raw = torch.randn(8, 3, requires_grad=True)
    p = optimal(raw)
    p.log_prob(raw.detach()).sum().backward()
    assert raw.grad.isfinite().all()
    assert (p.batch_shape, p.event_shape) == ((8,), (3,))
    assert p.sample((2,)).shape == (2, 8, 3)
    assert torch.equal(p.mean, raw)
    assert p.expand((2, 8)).mean.shape == (2, 8, 3)
    assert p.support.check(raw).all()


def test_optimal_survives_its_checkpoint(optimal):
    optimal.variance.fill_(0.3)
    again = OptimalNormal((3,), min_scale=1e-3)
    again.load_state_dict(optimal.state_dict())
    assert torch.equal(again.variance, optimal.variance)


def test_optimal_draws_have_the_scale_of_evaluation(optimal):
    """In training mode too, where the density has the batch's own."""
    optimal.variance.fill_(4.0)
    x, scale = optimal(torch.full((3,), 7.0)).sample((20_000,)), optimal.variance.sqrt()
    assert scale == 2
    assert ((x.mean(0) - 7).abs() < 5 * scale / 20_000**0.5).all()
    assert ((x.std(0) / scale - 1).abs() < 5 / 40_000**0.5).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FixedScale((3,), Normal, 0.0), "scale=0.0"),
        (lambda: LearnedScale((3,), Normal, -1.0), "init_scale=-1.0"),
        (lambda: OptimalNormal((3,), 0.0), "min_scale=0.0"),
    ],
)
def test_bad_scales(make, message):
    with pytest.raises(ValueError, match=message):
        make()
