"""What is chosen, named or fitted is so on other data than those that are measured."""

from functools import partial

import pytest
import torch
from tests.evaluation.registry import measured
from tests.evaluation.test_editing import SIZES, model
from tests.evaluation.test_editing import data as attributes
from tests.helpers import small_densities
from tests.models.registry import CLASSES, adversarial, group_autoencoder

from elbolab.batch import Batch
from elbolab.common.rng import isolated_rng, seed_of
from elbolab.evaluation.clusters import cluster_quantities
from elbolab.evaluation.editing import edit_quantities
from elbolab.evaluation.parzen import SCALES, parzen_quantities
from elbolab.evaluation.representation import representation_quantities
from elbolab.metrics.parzen import parzen_log_density


class Source:
    """Splits that differ in every datum; which split a batch is of is in its name."""

    num_labelled = 6

    def __init__(self):
        g = torch.Generator().manual_seed(1)
        sizes = {"train": 30, "val": 24, "test": 27, "labelled": 6}
        make = lambda num: Batch((torch.rand(num, 6, generator=g) < 0.5).float(), y=torch.arange(num) % 3)  # noqa: E731
        self.splits = {split: [make(num)] for split, num in sizes.items()}

    def batches(self, split, device):
        return self.splits[split]

    def name(self, batches):
        x = torch.cat([batch.x for batch in batches])
        return next(split for split, (batch,) in self.splits.items() if torch.equal(batch.x, x))


@pytest.mark.parametrize(
    ("measure", "given"),
    [
        ("parzen.parzen_quantities", ["val", "test"]),
        ("clusters.cluster_quantities", ["val", "test"]),
        ("few_labels.few_label_quantities", ["labelled", "test"]),
        ("representation.representation_quantities", ["train", "test"]),
        ("editing.edit_quantities", ["train", "test"]),
        ("classification.classification_quantities", ["test"]),
        ("aggregate.aggregate_quantities", ["test"]),
        ("decomposition.rate_decomposition", ["test"]),
        ("likelihood.likelihood_quantities", ["test"]),
        ("conditional.conditional_quantities", ["test"]),
        ("denoising.denoising_quantities", ["test"]),
        ("denoising.restoration_quantities", ["test"]),
    ],
)
def test_every_measure_is_handed_the_splits_of_its_roles(measure, given, monkeypatch):
    source, seen = Source(), []

    def note(densities, *arguments, **options):
        seen.append([source.name(argument) for argument in arguments if not (argument is None or callable(argument))])
        return {}

    monkeypatch.setattr(f"elbolab.evaluation.{measure}", note)
    measured(small_densities(CLASSES), source)
    assert seen == [given]


def test_a_limit_is_of_what_is_measured_and_not_of_what_is_fitted(monkeypatch):
    sizes = []

    def note(densities, train, test, **options):
        sizes.append([sum(len(batch.x) for batch in batches) for batches in (train, test)])
        return {}

    monkeypatch.setattr("elbolab.evaluation.representation.representation_quantities", note)
    measured(small_densities(CLASSES), Source(), limit=5)
    assert sizes == [[30, 5]]


def test_the_width_of_windows_is_that_of_other_data():
    """Validation lies at the windows' centres and likes them narrow; the measured data, random bits, like them wide."""
    densities = adversarial()
    with isolated_rng(torch.device("cpu"), seed_of("parzen windows", 0)):
        centres = densities.eval().generate(30).mean.detach()
    x = torch.randint(2, (40, 6)).float()
    found = parzen_quantities(densities, [Batch(centres)], [Batch(x)], seed=0, num_samples=30)["parzen_log_lik"].value
    by_width = parzen_log_density(x, centres, SCALES).mean(1)
    assert found == pytest.approx(by_width[0].item(), rel=1e-4)
    assert found < by_width.max() - 5


def test_groups_are_named_by_other_data():
    densities = group_autoencoder(num_groups=3)
    densities.log_group_probs = lambda x: x[:, :3].log()
    probs = torch.tensor([[0.9, 0.05, 0.05, 0, 0, 0], [0.1, 0.8, 0.1, 0, 0, 0], [0.2, 0.1, 0.7, 0, 0, 0]])
    naming = Batch(probs, y=torch.tensor([2, 0, 1]))
    measured = Batch(probs[[0, 0, 1, 2]], y=torch.tensor([2, 0, 1, 1]))
    error = lambda *batches: cluster_quantities(densities, *([b] for b in batches), seed=0)["cluster_error"].value  # noqa: E731
    assert error(naming, measured) == 0.5
    assert error(measured, measured) == 0.25


def test_a_group_is_named_by_the_datum_that_is_surest_and_a_datum_by_its_surest_group():
    """The group of a datum and the datum of a group are two maxima of one table."""
    densities = group_autoencoder(num_groups=3)
    densities.log_group_probs = lambda x: x[:, :3].log()
    probs = torch.tensor([[0.6, 0.4, 0, 0, 0, 0], [0.5, 0.45, 0.05, 0, 0, 0], [0.7, 0.1, 0.2, 0, 0, 0]])
    naming, measured = Batch(probs, y=torch.tensor([0, 1, 2])), Batch(probs, y=torch.tensor([2, 2, 2]))
    assert cluster_quantities(densities, [naming], [measured], seed=0)["cluster_error"].value == 0.0


def test_edits_are_read_by_a_reader_of_real_training_data():
    """The factors of the edited data are not looked at: their attributes are conditions."""
    held = [batch._replace(factors=torch.zeros_like(batch.factors)) for batch in attributes(60, 1)]
    found = edit_quantities(model(), attributes(600), held, seed=0, num_train=600, num_eval=60)
    assert found["edit_accuracy"].value > 0.95
    assert found["edit_classifier_accuracy"].value > 0.95
    wrong = [batch._replace(factors=(batch.factors + 1) % torch.tensor(SIZES)) for batch in attributes(600)]
    misled = edit_quantities(model(), wrong, attributes(60, 1), seed=0, num_train=600, num_eval=60)
    assert misled["edit_classifier_accuracy"].value < 0.05


def test_edits_are_read_from_means():
    """A likelihood of scale 5 draws what no reader reads; its mean is as it was told."""
    noisy = model()
    noisy.likelihood.scale = 5.0
    found = edit_quantities(noisy, attributes(600), attributes(60, 1), seed=0, num_train=600, num_eval=60)
    assert found["edit_accuracy"].value > 0.95


def test_probes_are_fitted_to_training_codes_and_scored_on_the_others():
    """Labels that are another permutation of the classes in training are read as that permutation."""
    y = torch.arange(60) % 3
    x = torch.eye(6)[y]
    densities = small_densities(CLASSES)
    densities.encode = lambda x: x[:, :2]
    measure = partial(representation_quantities, densities, seed=0)
    right = measure([Batch(x, y=y)], [Batch(x, y=y)])
    wrong = measure([Batch(x, y=(y + 1) % 3)], [Batch(x, y=y)])
    assert (right["probe_accuracy"].value, right["knn_accuracy"].value) == (1, 1)
    assert (wrong["probe_accuracy"].value, wrong["knn_accuracy"].value) == (0, 0)
