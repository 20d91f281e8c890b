"""What is chosen, named or fitted is so on other data than those that are measured."""

import pytest
import torch
from tests.evaluation.registry import measure, measured, measures_of
from tests.evaluation.test_editing import SIZES, model
from tests.evaluation.test_editing import data as attributes
from tests.evaluation.test_measures import SMALL, model_for
from tests.helpers import small_densities
from tests.models.registry import CLASSES, adversarial, group_autoencoder

from elbolab.batch import Batch
from elbolab.common.rng import isolated_rng, seed_of
from elbolab.evaluation import representation
from elbolab.evaluation.clusters import Clusters
from elbolab.evaluation.editing import Editing
from elbolab.evaluation.measure import Data
from elbolab.evaluation.parzen import SCALES, Parzen
from elbolab.evaluation.representation import Representation
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


class Noting:
    """Notes which splits of another source are asked for."""

    def __init__(self, source):
        self.source, self.num_labelled, self.read = source, source.num_labelled, set()

    def batches(self, split, device):
        self.read.add(split)
        return self.source.batches(split, device)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("parzen", ["val", "test"]),
        ("clusters", ["val", "test"]),
        ("few_labels", ["labelled", "test"]),
        ("representation", ["train", "test"]),
        ("editing", ["train", "test"]),
        ("classification", ["test"]),
        ("aggregate", ["test"]),
        ("decomposition", ["test"]),
        ("likelihood", ["test"]),
        ("conditional", ["test"]),
        ("denoising", ["test"]),
        ("restoration", ["test"]),
    ],
)
def test_every_measure_reads_the_splits_of_its_roles(name, read):
    densities, source = model_for(name)
    noting = Noting(source)
    assert measures_of(**SMALL)[name](densities, Data(noting, "cpu", limit=20), "test", 0)
    assert noting.read == set(read)


def test_a_limit_is_of_what_is_measured_and_not_of_what_is_fitted(monkeypatch):
    sizes = []
    monkeypatch.setattr(
        representation, "probe_quantities", lambda *codes, **_: sizes.extend(len(c.z) for c in codes) or {}
    )
    measured(small_densities(CLASSES), Source(), limit=5)
    assert sizes == [30, 5]


def test_the_width_of_windows_is_that_of_other_data():
    """Validation lies at the windows' centres and likes them narrow; the measured data, random bits, like them wide."""
    densities = adversarial()
    with isolated_rng(torch.device("cpu"), seed_of("parzen windows", 0)):
        centres = densities.eval().generate(30).mean.detach()
    x = torch.randint(2, (40, 6)).float()
    found = measure(Parzen(30), densities, [Batch(x)], val=[Batch(centres)])["parzen_log_lik"].value
    by_width = parzen_log_density(x, centres, SCALES).mean(1)
    assert found == pytest.approx(by_width[0].item(), rel=1e-4)
    assert found < by_width.max() - 5


def test_groups_are_named_by_other_data():
    densities = group_autoencoder(num_groups=3)
    densities.log_group_probs = lambda x: x[:, :3].log()
    probs = torch.tensor([[0.9, 0.05, 0.05, 0, 0, 0], [0.1, 0.8, 0.1, 0, 0, 0], [0.2, 0.1, 0.7, 0, 0, 0]])
    naming = Batch(probs, y=torch.tensor([2, 0, 1]))
    measured = Batch(probs[[0, 0, 1, 2]], y=torch.tensor([2, 0, 1, 1]))
    found = [measure(Clusters(), densities, [measured], val=[batch]) for batch in (naming, measured)]
    assert [each["cluster_error"].value for each in found] == [0.5, 0.25]


def test_a_group_is_named_by_the_datum_that_is_surest_and_a_datum_by_its_surest_group():
    """The group of a datum and the datum of a group are two maxima of one table."""
    densities = group_autoencoder(num_groups=3)
    densities.log_group_probs = lambda x: x[:, :3].log()
    probs = torch.tensor([[0.6, 0.4, 0, 0, 0, 0], [0.5, 0.45, 0.05, 0, 0, 0], [0.7, 0.1, 0.2, 0, 0, 0]])
    naming, measured = Batch(probs, y=torch.tensor([0, 1, 2])), Batch(probs, y=torch.tensor([2, 2, 2]))
    assert measure(Clusters(), densities, [measured], val=[naming])["cluster_error"].value == 0.0


def test_edits_are_read_by_a_reader_of_real_training_data():
    """The factors of the edited data are not looked at: their attributes are conditions."""
    held = [batch._replace(factors=torch.zeros_like(batch.factors)) for batch in attributes(60, 1)]
    found = measure(Editing(600, num_eval=60), model(), held, train=attributes(600))
    assert found["edit_accuracy"].value > 0.95
    assert found["edit_classifier_accuracy"].value > 0.95
    wrong = [batch._replace(factors=(batch.factors + 1) % torch.tensor(SIZES)) for batch in attributes(600)]
    misled = measure(Editing(600, num_eval=60), model(), attributes(60, 1), train=wrong)
    assert misled["edit_classifier_accuracy"].value < 0.05


def test_edits_are_read_from_means():
    """A likelihood of scale 5 draws what no reader reads; its mean is as it was told."""
    noisy = model()
    noisy.likelihood.scale = 5.0
    found = measure(Editing(600, num_eval=60), noisy, attributes(60, 1), train=attributes(600))
    assert found["edit_accuracy"].value > 0.95


def test_probes_are_fitted_to_training_codes_and_scored_on_the_others():
    """Labels that are another permutation of the classes in training are read as that permutation."""
    y = torch.arange(60) % 3
    x = torch.eye(6)[y]
    densities = small_densities(CLASSES)
    densities.encode = lambda x: x[:, :2]
    right = measure(Representation(), densities, [Batch(x, y=y)], train=[Batch(x, y=y)])
    wrong = measure(Representation(), densities, [Batch(x, y=y)], train=[Batch(x, y=(y + 1) % 3)])
    assert (right["probe_accuracy"].value, right["knn_accuracy"].value) == (1, 1)
    assert (wrong["probe_accuracy"].value, wrong["knn_accuracy"].value) == (0, 0)
