"""A code may end with a class: no dimension to be walked along, to be active, or to have a KL of its own."""

from functools import partial

import pytest
import torch
from tests.evaluation.registry import measured
from tests.helpers import CLASSES
from tests.models.registry import NORMAL, VARIANTS, batch_for, class_autoencoder, labelled, make, stacked

from elbolab.batch import Batch
from elbolab.distributions.conditional import Ignore
from elbolab.evaluation.figures.generative import ends_of, importance_of, interpolations, traversals
from elbolab.evaluation.figures.latent import kl_bars
from elbolab.evaluation.representation import kl_quantities
from elbolab.evaluation.seeded import evaluating
from elbolab.metrics.activity import active_units

GENERATIVE = "elbolab.evaluation.figures.generative"
WITH_CLASS = {"m2": 3, "m2, annealed": 3, "m2, chunks": 3, "m1_m2": 3, "classifier": 3}
WITH_CLASS |= {"aae, semi-supervised": 3, "aae, clustering": 4}


@pytest.fixture
def model():
    """M2 with q(z | x), which knows nothing of draws of y."""
    torch.manual_seed(0)
    return labelled(posterior=partial(Ignore, conditional=NORMAL)).eval()


@pytest.fixture
def batch():
    return Batch(torch.randint(2, (20, 6), generator=torch.Generator().manual_seed(1)).float())


@pytest.mark.parametrize("name", VARIANTS)
def test_the_end_of_a_code_is_the_class_that_the_terms_have(name):
    densities = make(name).densities.eval()
    x, given, *_ = batch_for(make(name))
    assert densities.class_dim == WITH_CLASS.get(name, 0)
    code = densities.encode(x, *given).flatten(1)
    assert code.shape[1] == densities.code_dim + densities.class_dim
    if densities.class_dim > 0:
        torch.testing.assert_close(code[:, densities.code_dim :].sum(1), torch.ones(len(x)))
    if name != "classifier":
        sizes = [latent.z.shape[-1] for latent in densities.terms(x, *given).latents if latent.is_class]
        assert sum(sizes) == densities.class_dim


def test_the_class_is_one_latent_with_a_kl_of_its_own(model, batch):
    found = kl_quantities(model, [batch], seed=0)
    assert len(found["kl_per_dim"].value) == 2
    rate = model.terms(batch.x).rate.mean().item()
    assert sum(found["kl_per_dim"].value) + found["class_kl"].value == pytest.approx(rate, rel=1e-5)
    q = model.log_class_probs(batch.x)
    kl = (q.exp() * (q + torch.tensor(3.0).log())).sum(1)
    assert found["class_kl"].value == pytest.approx(kl.mean().item(), rel=1e-5)
    assert (found["class_kl"].k, found["kl_per_dim"].k) == (1, 1)


def test_the_class_has_a_bar_apart(model, batch):
    (axes,) = kl_bars(model, [batch], seed=0).axes
    assert [round(bar.get_x() + bar.get_width() / 2) for bar in axes.patches] == [1, 2, 4]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["the class"]
    rate = model.terms(batch.x).rate.mean().item()
    assert axes.get_title() == f"rate {rate:.2f} nats on 20 data"


def test_m1_m2_has_the_kls_of_both_layers_and_of_its_class(batch):
    """That of the codes below at their draw, since the classes and styles above were read from it."""
    densities = stacked()
    found = kl_quantities(densities, [batch], seed=0)
    assert found.keys() == {"class_kl", "kl_per_dim"}
    assert len(found["kl_per_dim"].value) == 4
    with evaluating(densities, "kl", 0):
        terms = densities.terms(batch.x)
        rates = sum(rate.mean().item() for rate in terms.layer_rates.values())
    assert sum(found["kl_per_dim"].value) == pytest.approx(rates, rel=1e-5)
    assert rates + found["class_kl"].value == pytest.approx(terms.rate.mean().item(), rel=1e-5)


class Source:
    num_labelled = None

    def __init__(self, batch):
        self.batch = batch

    def batches(self, split, device):
        return [self.batch]


def test_a_class_is_not_active(model, batch):
    """Classes that differ from datum to datum vary by far more than 0.01."""
    with torch.no_grad():
        for parameter in model.posterior.parameters():
            parameter.mul_(1e-3)
        for parameter in model.classifier.parameters():
            parameter.mul_(10)
    found = measured(model, Source(batch), splits=["test"], num_samples=2, seed=0)["test"]
    assert active_units(model.encode(batch.x)) > 1
    assert found["active_units"]["value"] == 0
    classifier = make("classifier").densities
    labels = batch._replace(y=torch.arange(20) % 3)
    assert "active_units" not in measured(classifier, Source(labels), splits=["test"], num_samples=2, seed=0)["test"]


@pytest.mark.parametrize("build", [labelled, stacked, class_autoencoder])
def test_walks_leave_the_class_as_it_is(build, batch, monkeypatch):
    seen = []
    pictures = lambda model, z, batch: seen.append(z) or torch.zeros(*z.shape[:2], 6)  # noqa: E731
    monkeypatch.setattr(f"{GENERATIVE}.decode_walk", pictures)
    densities = build()
    traversals(densities, batch, seed=0)
    interpolations(densities, batch, seed=0)
    along, between = seen
    assert along.shape == (2, 11, 5)
    assert (along[..., 2:] == along[:1, :1, 2:]).all()
    codes = densities.eval().encode(batch.x)[:, 2:]
    for row, (first, last) in enumerate(zip(codes[:8], codes[8:16], strict=True)):
        torch.testing.assert_close(between[row, :, 2:], torch.stack([first] * 5 + [last] * 6))


def test_dimensions_of_a_style_are_ordered_by_their_kl_and_walk_its_prior(model, batch):
    importance, measure = importance_of(model, batch)
    assert measure == "mean KL (nats)"
    assert importance.tolist() == pytest.approx(kl_quantities(model, [batch], seed=0)["kl_per_dim"].value, rel=1e-5)
    low, high, _ = ends_of(model, batch)
    torch.testing.assert_close((low, high), (torch.full((2,), -3.0), torch.full((2,), 3.0)))
    assert importance_of(stacked(), batch)[0].shape == (2,)
    assert class_autoencoder(spec=CLASSES).code_dim == importance_of(class_autoencoder(), batch)[0].numel() == 2
