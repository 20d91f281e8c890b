"""Everything that is measured of a model, once for every variant."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Self, final

from sklearn.exceptions import ConvergenceWarning

from elbolab.densities.base import Densities
from elbolab.densities.latents import Undefined
from elbolab.distributions.corruption import MakeCorruption
from elbolab.evaluation.batches import world_and_rank
from elbolab.evaluation.likelihood import degeneracy, heavy_tail
from elbolab.evaluation.measure import Data, Measure, Source
from elbolab.evaluation.quantity import Quantity, check_quantities
from elbolab.evaluation.report import SPLITS, Report, check_report, entries
from elbolab.evaluation.representation import PROTOCOL, Protocol
from elbolab.evaluation.seeded import device_of

ADVICE = "The number of unique classes is greater than 50%"
"""Said where most classes occur once: they might be the values of a regression. Ours are classes."""

COUNTS = ("limit", "num_samples", "memory", "num_corruptions", "probe_limit", "scores.num_train", "scores.num_eval")

log = logging.getLogger(__name__)


@final
class MeasureError(RuntimeError):
    """Measures have failed.

    Args:
        failures: the error of each, by the name of the measure.
        report: what the others have found.
    """

    def __init__(self, failures: Mapping[str, Exception], report: Report) -> None:
        causes = (f"evaluation.measures.{name}: {type(error).__name__}: {error}" for name, error in failures.items())
        super().__init__("; ".join(causes))
        self.report = report
        self.__cause__ = next(iter(failures.values()))
        self.__traceback__ = self.__cause__.__traceback__  # says where in a file of the user's


def evaluate(
    densities: Densities, data: Data, measures: Mapping[str, Measure], splits: Sequence[str], seed: int
) -> Report:
    """Measures a model: the same model, data, measures and seed give the same report.

    In a distributed run every rank calls this. Measures that are shared are divided among the ranks. Rank 0 takes the
    others alone; its report is the whole one, and the other ranks return empty ones.

    Args:
        densities: the model, on the device of the data.
        data: the data.
        measures: what is measured, by name.
        splits: which of train, val and test to measure.
        seed: seed of all noise.

    Raises:
        ValueError: two measures have a quantity of one name.
        MeasureError: some have failed; it has the report of the others.
    """
    failures: dict[str, Exception] = {}

    def measure_all(split: str, is_shared: bool) -> dict[str, Quantity]:
        found: dict[str, Quantity] = {}
        for name in [name for name, measure in measures.items() if measure.is_shared == is_shared]:
            try:
                quantities = check_quantities(measures[name](densities, data, split, seed))
                check_report({split: entries(quantities)})
            except Undefined as error:
                if measures[name].on_demand:
                    log.warning("%s: the measure %r is left out: %s", split, name, error)
                continue
            except Exception as error:
                failures.setdefault(name, error)
                continue
            found = _join(split, found, quantities)
        return found

    together = {split: measure_all(split, True) for split in splits}
    if world_and_rank()[1] > 0:  # nobody is kept waiting for what rank 0 does alone
        return {}
    report: Report = {}
    for split in splits:
        with explain_warnings(split):
            found = _join(split, together[split], measure_all(split, False))
        _warn_of_quantities(split, found)
        report[split] = entries(found)
    if failures:
        raise MeasureError(failures, report)
    return report


def _join(split: str, found: Mapping[str, Quantity], more: Mapping[str, Quantity]) -> dict[str, Quantity]:
    if both := sorted(found.keys() & more.keys()):
        raise ValueError(f"two measures have {split}.{both[0]}: rename that of one, or leave one of them out")
    return {**found, **more}


@contextmanager
def explain_warnings(split: str) -> Iterator[None]:
    """Leaves out scikit-learn's advice to programmers, and logs once how many of its fits have not converged."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    unconverged = [warning for warning in caught if issubclass(warning.category, ConvergenceWarning)]
    if unconverged:
        log.warning("%s: %d fits of classifiers have not converged; theirs are lower bounds", split, len(unconverged))
    for warning in caught:
        if warning not in unconverged and not str(warning.message).startswith(ADVICE):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def _warn_of_quantities(split: str, quantities: Mapping[str, Quantity]) -> None:
    """Logs what a reader of these quantities must know to judge them."""
    for warning in filter(None, (degeneracy(quantities), heavy_tail(quantities))):
        log.warning("%s: %s", split, warning)
    if any(quantity.n == 1 for quantity in quantities.values()):
        log.warning(
            "%s: one datum has no spread: standard errors, active units, distances to the prior and disentanglement "
            "scores are left out",
            split,
        )
    for name in quantities.keys() - entries(quantities).keys():
        log.warning("%s: %s is %s, which is no number: left out", split, name, quantities[name].value)


@final
@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What ``conf/evaluation`` says: the measures, and what several of them take, to which their own files refer.

    Args:
        measures: what is measured, by name; null is none.
        splits: which of train, val and test to measure.
        seed: seed of all noise.
        limit: measure the first so many data of each split; None for all.
        num_samples: K of the importance-sampled NLL.
        memory: bytes for the activations of one chunk of the NLL; None for what suits the device.
        num_corruptions: M, corruptions of each datum that a denoising model's bounds and NLL rest on; its NLL has K
            samples from each of them, M K in all.
        corruption: recipe of the corruption from which data are restored; None: none is.
        probe_limit: training data of the probes, and of the classifier that reads edits, at most; a seeded choice of
            them where there are more.
        scores: how the disentanglement scores are taken; as many data as they are scored on are edited.

    Raises:
        ValueError: an unknown split, a seed that is none, a number below 1, or a corruption out of its range.
    """

    measures: Mapping[str, Measure | None]
    splits: Sequence[str]
    seed: int
    limit: int | None = None
    num_samples: int
    memory: int | None = None
    num_corruptions: int = 5
    corruption: MakeCorruption | None = None
    probe_limit: int = 50_000
    scores: Protocol = PROTOCOL

    def __post_init__(self) -> None:
        if self.corruption is not None:
            self.corruption()
        if not self.splits or not set(self.splits) <= set(SPLITS):
            raise ValueError(f"evaluation.splits={list(self.splits)}: choose from {', '.join(SPLITS)}")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"evaluation.seed={self.seed}: a seed is a whole number from 0 to {2**32 - 1}")
        numbers = vars(self) | {f"scores.{name}": number for name, number in self.scores._asdict().items()}
        for name in COUNTS:
            if numbers[name] is not None and numbers[name] < 1:
                raise ValueError(f"evaluation.{name}={numbers[name]}: must be at least 1")

    def __call__(self, densities: Densities, data: Source) -> Report:
        """Measures a model on the device on which it is."""
        measures = {name: measure for name, measure in self.measures.items() if measure is not None}
        return evaluate(densities, Data(data, device_of(densities), self.limit), measures, self.splits, self.seed)

    def reduce(self) -> Self:
        """The same measures of one split, with 2 of all that they count: what shows their errors at once."""
        measures = {name: measure and measure.reduce() for name, measure in self.measures.items()}
        return replace(self, measures=measures, splits=self.splits[:1])
