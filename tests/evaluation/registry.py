"""Elbolab's own measures, as conf/evaluation has them, for tests that measure everything."""

from elbolab.evaluation.aggregate import Aggregation
from elbolab.evaluation.annealed import Annealing
from elbolab.evaluation.classification import Classification
from elbolab.evaluation.clusters import Clusters
from elbolab.evaluation.conditional import Conditional
from elbolab.evaluation.decomposition import Decomposition
from elbolab.evaluation.denoising import DenoisingBounds, Restoration
from elbolab.evaluation.editing import Editing
from elbolab.evaluation.evaluate import Evaluation
from elbolab.evaluation.few_labels import FewLabels
from elbolab.evaluation.gaps import Gaps
from elbolab.evaluation.likelihood import Likelihood
from elbolab.evaluation.measure import Data
from elbolab.evaluation.parzen import Parzen
from elbolab.evaluation.quadrature import Quadrature
from elbolab.evaluation.representation import PROTOCOL, Representation
from elbolab.evaluation.seeded import device_of


def measures_of(
    num_samples=2,
    memory=None,
    num_corruptions=5,
    corruption=None,
    probe_limit=50_000,
    scores=PROTOCOL,
    class_samples=100,
    class_limit=1_000,
    null_pairs=None,
    parzen_samples=None,
):
    sampling = {"num_corruptions": num_corruptions, "memory": memory}
    return {
        "likelihood": Likelihood(num_samples, **sampling),
        "conditional": Conditional(num_samples, class_samples, class_limit, **sampling),
        "denoising": DenoisingBounds(num_corruptions),
        "restoration": Restoration(corruption),
        "decomposition": Decomposition(),
        "aggregate": Aggregation(null_pairs=null_pairs),
        "clusters": Clusters(),
        "parzen": Parzen(parzen_samples),
        "classification": Classification(),
        "representation": Representation(probe_limit, protocol=scores),
        "few_labels": FewLabels(),
        "editing": Editing(probe_limit, scores.num_eval),
    }


ANNEALED = {"num_temperatures": 5, "num_chains": 2, "num_leapfrog": 2}
ON_DEMAND = {
    "annealing": Annealing(**ANNEALED),
    "gaps": Gaps(num_steps=3, num_samples=2, lr=0.01, num_draws=3, limit=100, **ANNEALED),
    "quadrature": Quadrature(bound=5.0, points=51, limit=3),
}
"""Measures that take minutes, and that ``evaluation=default`` leaves out."""


def measured(densities, source, *, splits=("test",), seed=0, limit=None, num_samples=2, **options):
    """The report of all measures with these options."""
    chosen = {"measures": measures_of(num_samples, **options), "splits": splits, "seed": seed, "limit": limit}
    return Evaluation(num_samples=num_samples, **chosen)(densities, source)


class Held:
    """Batches of splits as a source of data."""

    def __init__(self, **splits):
        self.splits = splits
        self.num_labelled = 1 if "labelled" in splits else None

    def batches(self, split, device):
        return self.splits[split]


def measure(measured_by, densities, batches, *, seed=0, **others):
    """What one measure finds of batches; ``others`` are those of other splits."""
    return measured_by(densities, Data(Held(test=batches, **others), device_of(densities)), "test", seed)
