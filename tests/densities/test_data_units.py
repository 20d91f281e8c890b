"""Standardised data: what is measured in nats is in the units of the data, by the change of variables."""

from functools import partial
from math import log

import pytest
import torch
from tests.densities.registry import DENSITIES, STANDARDISED, head
from tests.evaluation.registry import measure
from tests.helpers import linear_gaussian, small_densities
from torch.distributions import Laplace, MultivariateNormal, Normal

from elbolab.batch import Batch, Scaling, Spec, Support
from elbolab.densities.checks import build_likelihood
from elbolab.densities.layer import Layer, single_layer
from elbolab.distributions.family import Fitted
from elbolab.distributions.location_scale import FixedScale, OptimalNormal
from elbolab.evaluation.likelihood import Likelihood
from elbolab.evaluation.parzen import Parzen

SCALE = torch.tensor([3.0, 1e-2, 40.0, 1.0], dtype=torch.float64)
SHIFT = torch.tensor([0.0, -1.0, 1e3, 7.0], dtype=torch.float64)
REAL = Spec((4,), Support.REAL)
SCALED = REAL._replace(scaling=Scaling(tuple(SHIFT.tolist()), tuple(SCALE.tolist())))


def exact(spec: Spec) -> Layer:
    """The linear Gaussian model with its true posterior, of data of ``spec``."""
    parts = linear_gaussian().exact
    kept = [lambda *_, part=part: part for part in (parts.prior, parts.posterior, parts.likelihood)]
    return single_layer(spec, 2, *kept)


def test_the_evidence_is_that_of_the_data_in_their_own_units():
    model = linear_gaussian()
    x = SHIFT + SCALE * model.x.double()  # what the user has
    covariance = SCALE[:, None] * model.evidence.covariance_matrix.double() * SCALE
    evidence = MultivariateNormal(SHIFT + SCALE * model.evidence.mean.double(), covariance).log_prob(x)
    terms = exact(SCALED).terms(SCALED.standardise(x), shape=(3,))
    torch.testing.assert_close(terms.log_weight, evidence.float().expand(3, -1), atol=2e-3, rtol=0)
    torch.testing.assert_close(terms.elbo, -(terms.rate + terms.distortion))


def test_every_measured_nat_moves_by_the_logarithm_of_the_units_and_nothing_else_does():
    batches = [Batch(linear_gaussian().x)]
    plain, scaled = (measure(Likelihood(5), exact(spec), batches) for spec in (REAL, SCALED))
    volume = SCALE.log().sum().item()
    moves = {"elbo": -volume, "distortion": volume, "nll": volume, "rate": 0.0, "ess": 0.0}
    for name, move in moves.items():
        assert scaled[name].value - plain[name].value == pytest.approx(move, abs=1e-4), name
    windows = [
        measure(Parzen(50), exact(spec), batches, val=batches)["parzen_log_lik"].value for spec in (REAL, SCALED)
    ]
    assert windows[1] - windows[0] == pytest.approx(-volume, abs=1e-4)


@pytest.mark.parametrize("event", [(4,), (2, 3, 5)])
def test_units_are_of_columns_and_of_channels(event):
    scaling = Scaling(tuple(SHIFT[: event[0]].tolist()), tuple(SCALE[: event[0]].tolist()))
    spec = Spec(event, Support.REAL, scaling=scaling)
    x = torch.randn(7, *event, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 100
    by_hand = torch.stack([(x[:, i] - SHIFT[i]) / SCALE[i] for i in range(event[0])], 1)
    torch.testing.assert_close(spec.standardise(x), by_hand.float())
    torch.testing.assert_close(spec.restore(spec.standardise(x)), x, rtol=1e-6, atol=1e-3)
    jacobian = torch.autograd.functional.jacobian(lambda u: spec.restore(u), torch.zeros(event, dtype=torch.float64))
    volume = jacobian.reshape(spec.restore(x[0]).numel(), -1).logdet()
    assert spec.log_scale == pytest.approx(volume.item())


def test_a_spec_without_scaling_leaves_everything_as_it_is():
    x = torch.ones(2, 4)
    assert REAL.log_scale == 0
    assert REAL.standardise(x) is x is REAL.restore(x)
    assert Spec.from_json(SCALED.to_json()) == SCALED
    assert "scaling" not in {k for k, v in REAL.to_json().items() if v is not None}
    assert Spec.from_json({k: v for k, v in REAL.to_json().items() if k != "scaling"}) == REAL  # of before
    numbered = SCALED._replace(num_train=70)
    assert Spec.from_json(numbered.to_json()) == numbered
    assert Spec.from_json({k: v for k, v in numbered.to_json().items() if k != "num_train"}) == SCALED


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("family", ["normal", "laplace", "optimal"])
def test_draws_and_moments_are_those_of_the_standardised_model(family, training):
    families = {
        "normal": partial(FixedScale, base=Normal, scale=0.5),
        "laplace": partial(FixedScale, base=Laplace, scale=0.5),
        "optimal": partial(OptimalNormal, min_scale=0.01),
    }
    torch.manual_seed(0)
    scaled = build_likelihood(head(families[family]), ((2,),), SCALED).train(training)
    plain = scaled.conditional
    z, x = torch.randn(5, 2), torch.randn(5, 4)
    p, q = scaled(z), plain(z)
    assert p.batch_shape == q.batch_shape
    assert p.event_shape == q.event_shape
    assert p.has_rsample == q.has_rsample
    assert isinstance(p, Fitted) == isinstance(q, Fitted) == (training and family == "optimal")
    assert torch.equal(p.mean, q.mean)
    draws = []
    for distribution in (p.expand((3, 5)), q.expand((3, 5))):
        torch.manual_seed(1)
        draws.append(distribution.sample((2,)))
    assert torch.equal(*draws)
    assert draws[0].shape == (2, 3, 5, 4)
    torch.testing.assert_close(q.log_prob(x) - p.log_prob(x), torch.full((5,), SCALED.log_scale), atol=1e-4, rtol=0)


def test_gradients_do_not_depend_on_the_units():
    torch.manual_seed(0)
    scaled = DENSITIES["standardised"]()
    torch.manual_seed(0)
    plain = small_densities(STANDARDISED._replace(scaling=None), family=partial(FixedScale, base=Normal, scale=1.0))
    gradients = []
    for densities in (scaled, plain):
        torch.manual_seed(1)
        (-densities.terms(torch.ones(3, 6)).elbo.mean()).backward()
        gradients.append([weight.grad for weight in densities.parameters()])
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))
    assert log(2 * 0.5 * 1e-3 * 40) == pytest.approx(STANDARDISED.log_scale)
