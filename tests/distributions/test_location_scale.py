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
    return OptimalNormal((3,), min_scale=1e-3, memory=5)


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


def weighted(values, memory):
    """The average of ``values`` in which each weighs 1 - 1 / memory times as much as the next."""
    weights = (1 - 1 / memory) ** torch.arange(len(values) - 1.0, -1, -1)
    return (weights * torch.stack(values)).sum() / weights.sum()


def test_optimal_evaluation_uses_what_training_saw(optimal):
    raw, batches = torch.zeros(8, 3), [torch.randn(8, 3) * size for size in (1, 2, 3)]
    for x in batches:
        optimal(raw).log_prob(x)
    variance = weighted([x.square().mean() for x in batches], memory=5)
    assert torch.allclose(optimal.variance, variance)
    p = optimal.eval()(raw)
    assert torch.allclose(p.log_prob(batches[0]), Normal(raw, variance.sqrt()).log_prob(batches[0]).sum(-1))


def test_optimal_evaluation_of_a_datum_ignores_its_batch(optimal):
    optimal(torch.zeros(8, 3)).log_prob(torch.randn(8, 3))
    before = optimal.eval().variance.clone()
    raw, x = torch.zeros(8, 3), torch.randn(8, 3)
    assert torch.equal(optimal(raw).log_prob(x)[:1], optimal(raw[:1]).log_prob(x[:1]))
    assert torch.equal(optimal.variance, before)


def test_optimal_running_mean_forgets(optimal):
    for _ in range(100):
        optimal(torch.zeros(8, 3)).log_prob(torch.full((8, 3), 2.0))
    optimal(torch.zeros(8, 3)).log_prob(torch.zeros(8, 3))
    assert torch.allclose(optimal.variance, torch.tensor(4 * 4 / 5), rtol=1e-4)


def test_optimal_start_of_training_fades():
    # errors fall as in early training: a mean over all 200 batches is 0.21
    family = OptimalNormal((3,), min_scale=1e-3, memory=20)
    for batch in range(200):
        family(torch.zeros(8, 3)).log_prob(torch.full((8, 3), 1.0 if batch < 40 else 0.1))
    assert family.variance.item() == pytest.approx(0.01, rel=0.1)


def test_optimal_scale_is_bounded_below(optimal):
    raw = torch.randn(8, 3)
    log_prob = optimal(raw).log_prob(raw)
    assert torch.allclose(log_prob, Normal(raw, 1e-3).log_prob(raw).sum(-1))
    assert optimal.variance.item() == pytest.approx(1e-6)


def test_optimal_of_one_batch_of_memory_is_the_latest():
    family = OptimalNormal((3,), min_scale=1e-3, memory=1)
    for size in (3.0, 2.0):
        family(torch.zeros(8, 3)).log_prob(torch.full((8, 3), size))
        assert family.variance.item() == pytest.approx(size**2)


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
    optimal(torch.zeros(8, 3)).log_prob(torch.randn(8, 3))
    again = OptimalNormal((3,), min_scale=1e-3, memory=5)
    again.load_state_dict(optimal.state_dict())
    assert torch.equal(again.variance, optimal.variance)


def test_optimal_draws_have_the_average_scale(optimal):
    """In training mode too, where the density has the batch's own."""
    optimal(torch.zeros(8, 3)).log_prob(2 * torch.randn(8, 3))
    x, scale = optimal(torch.full((3,), 7.0)).sample((20_000,)), optimal.variance.sqrt()
    assert scale > 1
    assert ((x.mean(0) - 7).abs() < 5 * scale / 20_000**0.5).all()
    assert ((x.std(0) / scale - 1).abs() < 5 / 40_000**0.5).all()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_optimal_variance_outlives_a_batch_that_is_not_finite(optimal, bad):
    """The step is skipped, or ends the run; what was learned before is still good."""
    optimal(torch.zeros(8, 3)).log_prob(torch.full((8, 3), 2.0))
    p = optimal(torch.zeros(8, 3))
    before = optimal.variance.clone()
    p.optimal_variance(torch.tensor([1.0, bad]))
    assert torch.equal(optimal.variance, before)
    optimal(torch.zeros(8, 3)).log_prob(torch.full((8, 3), 2.0))
    assert optimal.variance.item() == pytest.approx(4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FixedScale((3,), Normal, 0.0), "scale=0.0"),
        (lambda: LearnedScale((3,), Normal, -1.0), "init_scale=-1.0"),
        (lambda: OptimalNormal((3,), 0.0, 5), "min_scale=0.0"),
        (lambda: OptimalNormal((3,), 0.1, 0), "memory=0"),
    ],
)
def test_bad_scales(make, message):
    with pytest.raises(ValueError, match=message):
        make()
