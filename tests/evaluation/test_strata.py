"""The likelihood of a model with a class among its latents: a mixture of Gaussians, whose evidence is known."""

from math import log

import pytest
import torch
from tests.conditional_gaussian import SPEC, conditional_gaussian
from tests.models.registry import CLASS, labelled, stacked
from torch.distributions import MultivariateNormal, OneHotCategorical

from elbolab.batch import Batch
from elbolab.densities.labelled import labelled_layer
from elbolab.distributions.conditional import Conditional
from elbolab.evaluation import likelihood
from elbolab.evaluation.likelihood import importance_log_likelihood

K = 50


class Guess(Conditional):
    """p(y | x) to a power, of the next class where ``misled``."""

    def __init__(self, components, power, misled):
        super().__init__()
        self.components, self.power, self.misled = components, power, misled

    def forward(self, x):
        logits = self.power * self.components.log_prob(x[..., None, :])
        return OneHotCategorical(logits=logits.roll(int(self.misled), -1))


def mixture(power, misled=False, wider=None):
    """M2 with the exact q(z | x, y), or a wider one; its data, and their log p(x)."""
    model = conditional_gaussian(num=12, wider=wider)
    parts = model.densities
    spec = SPEC._replace(given=(), given_is_label=False)
    densities = labelled_layer(
        spec, 2, lambda *_: parts.prior, lambda *_: parts.posterior, lambda *_: parts.likelihood, CLASS
    )
    means = parts.prior.centres.detach() @ model.w.T + model.b
    components = MultivariateNormal(means, model.w @ model.w.T + 0.25 * torch.eye(4))
    densities.classifier = Guess(components, power, misled)
    return densities, model.batch.x, model.log_px.logsumexp(1) - log(3)


def ratios(densities, x, log_px, num_seeds=150):
    """Estimates of p(x) by its value, (seeds, N)."""
    found = [importance_log_likelihood(densities, [Batch(x)], num_samples=K, seed=s).log_px for s in range(num_seeds)]
    return (torch.stack(found) - log_px).exp()


GUESSES = {"true": (1.0, False), "flat": (0.1, False), "overconfident": (4.0, False), "misled": (1.0, True)}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("guess", GUESSES)
@pytest.mark.parametrize("wider", [None, 1.3])
def test_the_estimate_has_no_bias_whatever_the_classifier(guess, wider):
    found = ratios(*mixture(*GUESSES[guess], wider), num_seeds=90)
    assert ((found.mean(0) - 1).abs() < 4.5 * found.std(0) / len(found) ** 0.5).all()


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("guess", "most"), [("true", 0.02), ("flat", 0.05), ("overconfident", 0.08), ("misled", 0.5)])
def test_classes_are_stratified(guess, most):
    """Drawn one by one, q(z | x, y) exact: flat 0.16, overconfident 9, misled 38, where log p(x) was 12 too low."""
    found = ratios(*mixture(*GUESSES[guess]), num_seeds=100)
    assert found.std(0).max() < most
    assert found.log().mean(0).min() > -0.15


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("build", [labelled, stacked])
def test_no_size_of_chunks_changes_the_estimate(build):
    model, x = build(), torch.rand(20, 6).round()
    estimate = lambda **options: importance_log_likelihood(model, [Batch(x)], num_samples=33, seed=2, **options).log_px  # noqa: E731
    whole = estimate()
    for memory in (1, 700, 5_000):
        torch.testing.assert_close(estimate(memory=memory), whole, rtol=0, atol=1e-10)


@pytest.mark.usefixtures("float64")
def test_blocks_of_draws_have_their_own_strata(monkeypatch):
    model = mixture(*GUESSES["flat"])
    monkeypatch.setattr(likelihood, "DRAWN", 20 * 5)  # 20 of the 50 draws of one datum at a time
    assert (ratios(*model, num_seeds=20) - 1).abs().max() < 0.15
