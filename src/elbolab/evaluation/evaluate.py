"""Everything that is measured of a model, once for every variant."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import final

from elbolab.densities.base import Densities
from elbolab.densities.latents import Undefined
from elbolab.distributions.corruption import MakeCorruption
from elbolab.evaluation.fitting import explain_warnings
from elbolab.evaluation.likelihood import degeneracy
from elbolab.evaluation.measure import Data, Measure, Source
from elbolab.evaluation.quantity import Quantity
from elbolab.evaluation.ranks import world_and_rank
from elbolab.evaluation.report import SPLITS, Report, check_report, entries
from elbolab.evaluation.representation import PROTOCOL, Protocol
from elbolab.evaluation.seeded import device_of

log = logging.getLogger(__name__)

Found = dict[str, Quantity]


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
    """
    shared = {name: measure for name, measure in measures.items() if measure.is_shared}
    others = {name: measure for name, measure in measures.items() if not measure.is_shared}
    together = {split: _measure(densities, data, shared, split, seed) for split in splits}
    if world_and_rank()[1] > 0:  # nobody is kept waiting for what rank 0 does alone
        return {}
    report: Report = {}
    for split in splits:
        with explain_warnings(split):
            alone = _measure(densities, data, others, split, seed)
        _check_names(split, together[split], alone)
        found = together[split] | alone
        _warn_of_quantities(split, found)
        report[split] = entries(found)
    check_report(report)
    return report


def _measure(densities: Densities, data: Data, measures: Mapping[str, Measure], split: str, seed: int) -> Found:
    found: Found = {}
    for measure in measures.values():
        with suppress(Undefined):
            quantities = measure(densities, data, split, seed)
            _check_names(split, found, quantities)
            found |= quantities
    return found


def _check_names(split: str, found: Mapping[str, Quantity], more: Mapping[str, Quantity]) -> None:
    if both := sorted(found.keys() & more.keys()):
        raise ValueError(f"two measures have {split}.{both[0]}: rename that of one, or leave one of them out")


def _warn_of_quantities(split: str, quantities: Mapping[str, Quantity]) -> None:
    """Logs what a reader of these quantities must know to judge them."""
    if (warning := degeneracy(quantities)) is not None:
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
        counts = {name: getattr(self, name) for name in ("limit", "num_samples", "memory", "num_corruptions")}
        counts |= {"probe_limit": self.probe_limit, "scores.num_train": self.scores.num_train}
        for name, number in (counts | {"scores.num_eval": self.scores.num_eval}).items():
            if number is not None and number < 1:
                raise ValueError(f"evaluation.{name}={number}: must be at least 1")

    def __call__(self, densities: Densities, data: Source) -> Report:
        """Measures a model on the device on which it is."""
        measures = {name: measure for name, measure in self.measures.items() if measure is not None}
        return evaluate(densities, Data(data, device_of(densities), self.limit), measures, self.splits, self.seed)
