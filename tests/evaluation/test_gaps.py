"""The two gaps of the ELBO where both are known: linear-Gaussian models, whose true posterior has a correlation."""

from functools import partial
from math import log

import pytest
import torch
from tests.densities.registry import DENSITIES
from tests.evaluation.registry import ON_DEMAND, measure
from tests.helpers import Linear
from torch import nn

from elbolab.batch import Batch, Spec, Support
from elbolab.densities.latents import Undefined
from elbolab.densities.layer import single_layer
from elbolab.distributions.conditional import Head, StandardNormal
from elbolab.distributions.family import DiagonalNormal
from elbolab.distributions.flow import Flow, FlowFamily
from elbolab.distributions.flow_steps import Planar, Radial
from elbolab.distributions.full_covariance import FullNormal
from elbolab.evaluation.gaps import Gaps, elbo_by_parameters

pytestmark = pytest.mark.usefixtures("float64")

RHO = 0.9
PRECISION = 20 * torch.tensor([[1.0, RHO], [RHO, 1.0]], dtype=torch.float64)
"""Of p(z | x): the correlation of a Gaussian is minus that of its precision."""

APPROXIMATION_GAP = -0.5 * log(1 - RHO**2)
SHIFT = torch.tensor([0.1, -0.2], dtype=torch.float64)


class Encoder(nn.Module):
    """The true posterior's mean, shifted, then numbers that are the same for all data."""

    def __init__(self, mean, rest):
        super().__init__()
        self.mean = nn.Parameter(mean)
        self.register_buffer("rest", rest)

    def forward(self, x):
        return torch.cat([x @ self.mean.T + SHIFT, self.rest.expand(len(x), -1)], dim=1)


def correlated(family, rest):
    """z ~ N(0, I), x = W z + noise / 2 with a posterior of the precision above; and log p(x)."""
    weight = torch.linalg.cholesky(PRECISION - torch.eye(2)).T / 2
    gain = 4 * torch.linalg.solve(PRECISION, weight.T)
    posterior = partial(Head, net=lambda *_: Encoder(gain, rest), family=family)
    likelihood = lambda *_: Linear(None, None, weight, torch.zeros(2), torch.tensor(0.5))  # noqa: E731
    x = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    evidence = torch.distributions.MultivariateNormal(torch.zeros(2), weight @ weight.T + torch.eye(2) / 4)
    densities = single_layer(Spec((2,), Support.REAL), 2, StandardNormal, posterior, likelihood)
    return densities, x, evidence.log_prob(x)


DIAGONAL = DiagonalNormal, -PRECISION.diagonal().log()
"""The best variances of a diagonal normal are the inverse diagonal of the precision (Bishop 2006, section 10.1.2)."""
FULL = partial(FullNormal, min_scale=0.0), torch.tensor([0.3, 0.3, 1.0], dtype=torch.float64).log()


def optimised(densities, x, num_steps=400, lr=0.03):
    """The best ELBO of each datum."""
    gaps = Gaps(num_steps, 20, lr, 1, 1, 1, 1, None)
    elbo_of, raw = elbo_by_parameters(densities, x)
    torch.manual_seed(0)
    with torch.no_grad():
        return elbo_of(gaps.optimise(elbo_of, raw), 40_000).mean(0)


def test_a_diagonal_posterior_lacks_the_correlation():
    densities, x, log_px = correlated(*DIAGONAL)
    gap = log_px - optimised(densities, x)
    assert gap.mean().item() == pytest.approx(APPROXIMATION_GAP, abs=0.01)
    assert gap.std() < 0.02


def test_a_full_covariance_lacks_nothing():
    densities, x, log_px = correlated(*FULL)
    gap = log_px - optimised(densities, x, lr=0.1)
    assert gap.mean().abs() < 0.005
    assert gap.abs().max() < 0.02


@pytest.mark.parametrize("steps", [partial(Planar, num_steps=2), partial(Radial, num_steps=2)])
def test_a_flow_starts_where_its_network_is_and_gets_nearer(steps, monkeypatch):
    family = partial(FlowFamily, steps=steps, min_scale=0.0)
    num = family((2,)).out_shape[0] - 4
    densities, x, log_px = correlated(family, torch.cat([DIAGONAL[1], 0.1 * torch.ones(num)]))
    monkeypatch.setattr(Flow, "log_prob", None)  # its inverse has no gradient: draws know their density
    elbo_of, raw = elbo_by_parameters(densities, x)
    torch.manual_seed(1)
    expected = densities.terms(x, shape=(500,)).elbo
    torch.manual_seed(1)
    torch.testing.assert_close(elbo_of(raw, 500), expected, rtol=0, atol=1e-9)
    gap = log_px - optimised(densities, x, num_steps=150)
    assert (log_px - expected.mean(0) - gap).mean() > 0.15
    assert gap.mean() > -0.05


@pytest.mark.parametrize(("parts", "gap"), [(DIAGONAL, APPROXIMATION_GAP), (FULL, 0.0)])
def test_gaps_add_up_and_are_those_that_are_known(parts, gap):
    """The ELBO of a Gaussian q with the mean m + d and the covariance S falls short by KL(q || p(z | x))."""
    densities, x, log_px = correlated(*parts)
    gaps = Gaps(200, 10, 0.1, 4_000, num_temperatures=100, num_chains=8, num_leapfrog=5, limit=None)
    found = measure(gaps, densities, [Batch(x[:9]), Batch(x[9:])])
    values = {name: quantity.value for name, quantity in found.items()}
    variances = (1 / PRECISION.diagonal()) if gap else torch.full((2,), 0.09)
    kl = 0.5 * (variances @ PRECISION.diagonal() - 2 - variances.log().sum() - PRECISION.logdet())
    kl = kl + 0.5 * SHIFT @ PRECISION @ SHIFT
    assert values["inference_gap"] == pytest.approx(kl.item(), abs=0.1)
    assert values["approximation_gap"] == pytest.approx(gap, abs=0.1)
    assert values["amortisation_gap"] == pytest.approx(kl.item() - gap, abs=0.03)
    total = values["approximation_gap"] + values["amortisation_gap"]
    assert values["inference_gap"] == pytest.approx(total, abs=1e-9)
    assert values["optimised_elbo"] == pytest.approx(log_px.mean().item() - gap, abs=0.02)
    assert {quantity.n for quantity in found.values()} == {20}


@pytest.mark.parametrize("name", sorted(DENSITIES))
def test_only_a_continuous_posterior_of_a_family_has_gaps(name):
    torch.set_default_dtype(torch.float32)
    densities = DENSITIES[name]().eval()
    spec = densities.spec
    x = torch.ones(3, *spec.x)
    given = tuple(torch.eye(*shape)[torch.zeros(3, dtype=torch.long)] for shape in spec.given)
    if name in HAVE_GAPS:
        elbo_of, raw = elbo_by_parameters(densities, x, *given)
        assert elbo_of(raw, 4).shape == (4, 3)
    else:
        with pytest.raises(Undefined):
            elbo_by_parameters(densities, x, *given)


HAVE_GAPS = {
    *("diagonal", "standardised", "full", "mixture", "vamp", "flow prior", "planar", "iaf", "ring", "given"),
    *("learned prior", "class centres", "ignored condition", "attributes", "recurrent", "denoising", "sphere"),
}


def test_a_datum_is_optimised_as_if_alone(monkeypatch):
    """With the same noise: Adam moves each number by its own gradients."""
    densities, x, _ = correlated(*DIAGONAL)
    gaps = Gaps(20, 5, 0.05, 1, 1, 1, 1, None)
    noise, found = torch.randn(5, 1, 2, generator=torch.Generator().manual_seed(3)), []
    for rows in (x[:1], x[:1].expand(3, -1), torch.stack([x[0], x[1], x[2]])):
        elbo_of, raw = elbo_by_parameters(densities, rows)
        with monkeypatch.context() as patch:
            patch.setattr("torch.distributions.normal._standard_normal", lambda shape, **_: noise.expand(shape))
            found.append(gaps.optimise(elbo_of, raw)[0])
    torch.testing.assert_close(found, found[:1] * 3)


@pytest.mark.parametrize("name", ["num_steps", "num_samples", "lr", "num_draws", "limit", "num_temperatures"])
def test_numbers_out_of_their_range_are_refused(name):
    options = vars(ON_DEMAND["gaps"]) | {name: 0}
    with pytest.raises(ValueError, match=name):
        Gaps(**options)
