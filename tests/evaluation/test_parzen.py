"""Windows around samples of a Gaussian: the density is known in mean, and validation finds the width."""

import pytest
import torch
from tests.evaluation.registry import measure
from tests.helpers import LABELLED
from tests.models.registry import adversarial, autoencoder
from torch.distributions import Independent, Normal

from elbolab.batch import Batch
from elbolab.common.rng import isolated_rng, seed_of
from elbolab.densities.latents import Undefined
from elbolab.evaluation.parzen import SCALES, Parzen
from elbolab.metrics.parzen import parzen_log_density


def test_windows_are_a_mixture_of_normals(float64):
    x, samples = torch.randn(300, 3), torch.randn(7, 3)
    windows = lambda scale: Independent(Normal(samples, scale), 1)  # noqa: E731
    for scale, found in zip((0.3, 2.0), parzen_log_density(x, samples, (0.3, 2.0)), strict=True):
        torch.testing.assert_close(found, windows(scale).log_prob(x[:, None]).exp().mean(1).log())


def test_windows_widen_the_density_that_is_sampled(float64):
    """The mean density at 0 of windows around N(0, I) is that of N(0, (1 + scale^2) I), at 4.5 standard errors."""
    densities = torch.cat([parzen_log_density(torch.zeros(1, 2), torch.randn(50, 2), [0.5]) for _ in range(400)]).exp()
    expected = Normal(0, 1.25**0.5).log_prob(torch.zeros(2)).sum().exp()
    assert abs(densities.mean() - expected) < 4.5 * densities.std() / 20


def test_it_is_measured_where_it_is_asked_for_with_the_width_that_validation_likes():
    densities, batch = adversarial(), Batch(torch.randint(2, (40, 6)).float())
    with pytest.raises(Undefined):
        measure(Parzen(None), densities, [batch], val=[batch])
    found = measure(Parzen(30), densities, [batch], val=[batch])["parzen_log_lik"]
    with isolated_rng(torch.device("cpu"), seed_of("parzen windows", 0)):
        samples = densities.eval().generate(30).mean.detach()
    best = parzen_log_density(batch.x, samples, SCALES).mean(1).max()
    assert found.value == pytest.approx(best.item(), rel=1e-5)
    assert (found.k, found.n, found.kind.unit) == (30, 40, "nats")


@pytest.mark.parametrize("densities", [autoencoder, lambda: adversarial(spec=LABELLED)])
def test_it_needs_a_prior_and_no_conditions(densities):
    model = densities()
    batch = Batch(torch.ones(4, 6), tuple(torch.zeros(4, *shape) for shape in model.spec.given))
    with pytest.raises(Undefined):
        measure(Parzen(5), model, [batch], val=[batch])
