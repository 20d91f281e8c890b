"""Errors of classifiers that have few labels, and of models that name classes."""

import pytest
import torch
from tests.evaluation.registry import measure, measured
from tests.helpers import CLASSES, LabelledBits, small_densities
from tests.models.registry import autoencoder, labelled, make, stacked

from elbolab.batch import Batch
from elbolab.densities.latents import Undefined
from elbolab.evaluation import few_labels
from elbolab.evaluation.classification import Classification
from elbolab.evaluation.few_labels import FewLabels
from elbolab.evaluation.seeded import evaluating

ERRORS = {"error_knn", "error_logistic", "error_svm"}


@pytest.fixture
def data():
    return LabelledBits(eval_batch_size=10, num_labelled=30)


def quantities(densities, data, seed=0):
    return measure(FewLabels(), densities, data.batches("test"), seed=seed, labelled=data.batches("labelled"))


def test_codes_that_hold_the_class_are_read(data):
    """Six bits as they are: the class, their number, is nearly there."""
    densities = autoencoder()
    densities.encode = lambda x: x
    found = quantities(densities, data)
    assert found.keys() == ERRORS
    for quantity in found.values():
        assert (quantity.n, quantity.kind.unit) == (20, "fraction")
        assert quantity.value < 0.5


def test_a_model_without_a_code_has_no_code_to_read():
    labelled = [Batch(torch.zeros(6, 6), (torch.eye(3).repeat(2, 1),), torch.arange(6) % 3)]
    with pytest.raises(Undefined):
        measure(FewLabels(), make("regression").densities, labelled, labelled=labelled)


def test_dimensions_that_do_not_vary_are_not_looked_at(data, monkeypatch):
    seen = []
    monkeypatch.setattr(few_labels, "few_label_errors", lambda draws, y, z, _: seen.append((draws, z)) or {})
    densities = small_densities(CLASSES)
    head = densities.posterior.net.layers[-1]
    with torch.no_grad():
        head.weight[1], head.bias[1] = 0.0, 3.0  # the mean of the second dimension
    quantities(densities, data)
    ((draws, z),) = seen
    assert draws.shape == (10, 30, 1)
    assert z.shape == (20, 1)


@pytest.mark.parametrize(("deviation", "seen_by_classifiers"), [(0.09, 1), (0.11, 2), (0.3, 2)])
def test_dimensions_are_looked_at_by_their_deviation(deviation, seen_by_classifiers, monkeypatch):
    """0.11 is above 0.1, and its square is not."""
    seen = []
    monkeypatch.setattr(few_labels, "few_label_errors", lambda draws, *_: seen.append(draws) or {})
    densities = autoencoder()
    densities.encode = lambda x: x[:, :2] * torch.tensor([5.0, 2 * deviation])
    held = [Batch((torch.arange(6)[:, None] % 2).expand(6, 6).float(), y=torch.arange(6) % 3)]
    measure(FewLabels(), densities, held, labelled=held)
    assert [draws.shape[-1] for draws in seen] == [seen_by_classifiers]


def test_classifiers_see_the_labelled_data_alone(data, monkeypatch):
    seen = []
    monkeypatch.setattr(few_labels, "few_label_errors", lambda *arrays: seen.append(arrays) or {})
    densities = autoencoder()
    densities.encode = lambda x: 3 * x
    quantities(densities, data)
    ((draws, y, z, labels),) = seen
    known, test = (list(data.batches(split)) for split in ("labelled", "test"))
    assert torch.equal(torch.from_numpy(draws[0]), torch.cat([3 * batch.x for batch in known]))
    assert y.tolist() == torch.cat([batch.y for batch in known]).tolist()
    assert torch.equal(torch.from_numpy(z), torch.cat([3 * batch.x for batch in test]))
    assert labels.tolist() == torch.cat([batch.y for batch in test]).tolist()


def test_codes_are_drawn_where_there_is_a_posterior(data, monkeypatch):
    seen = []
    monkeypatch.setattr(few_labels, "few_label_errors", lambda draws, *_: seen.append(draws) or {})
    for densities in (small_densities(CLASSES), autoencoder(), make("classifier").densities, labelled()):
        quantities(densities, data)
    drawn, *taken = seen
    assert len(drawn) == 10
    assert drawn.std(0).min() > 0
    assert [len(draws) for draws in taken] == [1, 1, 1]


def test_the_same_seed_gives_the_same_errors(data):
    densities = small_densities(CLASSES)
    assert quantities(densities, data) == quantities(densities, data)


def test_without_labels_or_with_one_class_there_is_nothing(data):
    densities, one = small_densities(CLASSES), [Batch(torch.ones(4, 6), y=torch.zeros(4, dtype=torch.int64))]
    with pytest.raises(Undefined):
        measure(FewLabels(), densities, data.batches("test"), labelled=one)
    with pytest.raises(Undefined):
        measure(FewLabels(), densities, [Batch(torch.ones(4, 6))], labelled=data.batches("labelled"))


@pytest.mark.parametrize("build", [labelled, stacked, lambda: make("classifier").densities])
def test_the_error_of_a_model_that_names_classes(build, data):
    densities = build()
    error = measure(Classification(), densities, data.batches("test"))["error"]
    with evaluating(densities, "classification", 0):
        wrong = [densities.log_class_probs(b.x).argmax(1) != b.y for b in data.batches("test")]
    assert error.value == pytest.approx(torch.cat(wrong).double().mean().item())
    assert (error.n, error.kind.unit) == (20, "fraction")


def test_no_labels_no_error():
    with pytest.raises(Undefined):
        measure(Classification(), labelled(), [Batch(torch.ones(4, 6))])
    with pytest.raises(Undefined):
        measure(Classification(), small_densities(), [Batch(torch.ones(4, 6), y=torch.zeros(4))])


OPTIONS = {"splits": ["test"], "num_samples": 5, "seed": 0}


def test_evaluation_measures_every_kind(data):
    reports = [measured(build(), data, **OPTIONS)["test"] for build in (labelled, stacked)]
    for report in reports:
        assert report.keys() >= {"elbo", "rate", "distortion", "nll", "ess", "error", "mse"} | ERRORS
    classifier = measured(make("classifier").densities, data, **OPTIONS)["test"]
    assert classifier.keys() >= {"error"} | ERRORS
    assert not classifier.keys() & {"elbo", "nll", "distortion", "mse"}


def test_without_a_labelled_part_no_classifier_is_fitted():
    report = measured(small_densities(CLASSES), LabelledBits(eval_batch_size=10), **OPTIONS)["test"]
    assert not report.keys() & (ERRORS | {"error"})
