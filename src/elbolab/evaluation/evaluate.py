"""Everything that is measured of a model, once for every variant."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol, final

import torch

from elbolab.batch import Batch
from elbolab.densities.base import Densities
from elbolab.distributions.corruption import MakeCorruption
from elbolab.evaluation.aggregate import aggregate_quantities
from elbolab.evaluation.batches import first
from elbolab.evaluation.classification import classification_quantities
from elbolab.evaluation.clusters import cluster_quantities
from elbolab.evaluation.conditional import conditional_quantities
from elbolab.evaluation.decomposition import rate_decomposition
from elbolab.evaluation.denoising import denoising_quantities, restoration_quantities
from elbolab.evaluation.editing import edit_quantities
from elbolab.evaluation.few_labels import few_label_quantities
from elbolab.evaluation.fitting import warnings_explained
from elbolab.evaluation.likelihood import degeneracy, likelihood_quantities
from elbolab.evaluation.parzen import parzen_quantities
from elbolab.evaluation.quantity import Quantity
from elbolab.evaluation.ranks import world_and_rank
from elbolab.evaluation.report import SPLITS, Report, check, entries
from elbolab.evaluation.representation import PROTOCOL, representation_quantities
from elbolab.evaluation.representation import Protocol as Scores
from elbolab.evaluation.seeded import device_of

log = logging.getLogger(__name__)


class Source(Protocol):
    """Where data come from; every data module is one.

    Attributes:
        num_labelled: size of the part ``labelled`` of the training data, None where no part has labels of its own.
    """

    num_labelled: int | None

    def batches(self, split: str, device: torch.device | str) -> Iterable[Batch]:
        """All batches of a split, the same at every iteration."""


@final
class First:
    """The first ``limit`` data of ``batches``, as often as they are asked for."""

    def __init__(self, batches: Iterable[Batch], limit: int | None) -> None:
        self.batches, self.limit = batches, limit

    def __iter__(self) -> Iterator[Batch]:
        return first(self.batches, self.limit)


def evaluate(
    densities: Densities,
    data: Source,
    *,
    splits: Sequence[str],
    num_samples: int,
    seed: int,
    memory: int | None = None,
    limit: int | None = None,
    decomposition_limit: int = 2_000,
    probe_limit: int = 50_000,
    num_neighbours: int = 5,
    aggregate_limit: int = 10_000,
    null_pairs: int | None = None,
    parzen_samples: int | None = None,
    class_samples: int = 100,
    class_limit: int | None = 1_000,
    scores: Scores = PROTOCOL,
    num_corruptions: int = 5,
    corruption: MakeCorruption | None = None,
) -> Report:
    """Measures a model: the same model, data and options give the same report.

    In a distributed run every rank calls this. The likelihoods are shared out over ranks; the rest is measured by rank
    0, whose report is whole; the others' are empty.

    Args:
        densities: the model, on the device on which it is evaluated.
        data: the data.
        splits: which of train, val and test to measure.
        num_samples: K of the importance-sampled NLL.
        seed: seed of all noise.
        memory: bytes for the activations of one chunk of the NLL; None for what suits the device.
        limit: measure the first so many data of each split; None for all.
        decomposition_limit: data of the rate's decomposition, whose cost is quadratic, at most.
        probe_limit: training data of the probes, and of the classifier that reads edits, at most; a seeded choice of
            them where there are more.
        num_neighbours: voters of the nearest-neighbour probe.
        aggregate_limit: codes that are compared with draws of the prior, at most; the cost is quadratic.
        null_pairs: pairs of draws of the prior for mmd2_null; None for none.
        parzen_samples: windows of parzen_log_lik; None for none.
        class_samples: K, for each class, of a class-conditional model's nll, class_information and error.
        class_limit: data of each split that these three are measured on, at most; None for all.
        scores: how the disentanglement scores are taken; as many data as they are scored on are edited.
        num_corruptions: M, corruptions of each datum that a denoising model's bounds and NLL rest on; its NLL has K
            samples from each of them, M K in all.
        corruption: recipe of the corruption from which data are restored; None: none is.

    Raises:
        ValueError: an unknown split, a number below 1, or a corruption that is none.
    """
    limits = {"limit": limit, "decomposition_limit": decomposition_limit, "probe_limit": probe_limit}
    limits |= {"aggregate_limit": aggregate_limit, "null_pairs": null_pairs, "parzen_samples": parzen_samples}
    limits |= {"class_samples": class_samples, "class_limit": class_limit}
    numbers = {"num_samples": num_samples, "num_neighbours": num_neighbours, "num_corruptions": num_corruptions}
    check_options(splits, seed, scores, corruption, memory=memory, **numbers, **limits)
    device = device_of(densities)
    train = data.batches("train", device)
    measured = {split: First(data.batches(split, device), limit) for split in splits}
    sampling: dict[str, Any] = {"num_samples": num_samples, "seed": seed, "memory": memory}
    by_class: dict[str, Any] = {"class_samples": class_samples, "class_limit": class_limit}
    likelihoods = {
        split: likelihood_quantities(densities, batches, num_corruptions=num_corruptions, **sampling)
        | conditional_quantities(densities, batches, num_corruptions=num_corruptions, **sampling, **by_class)
        | denoising_quantities(densities, batches, num_corruptions=num_corruptions, seed=seed)
        | restoration_quantities(densities, batches, corruption, seed=seed)
        for split, batches in measured.items()
    }
    if world_and_rank()[1] > 0:  # nobody is kept waiting for what rank 0 does alone
        return {}
    probes = {"probe_limit": probe_limit, "num_neighbours": num_neighbours}
    counts = {"num_train": probe_limit, "num_eval": scores.num_eval}
    report: Report = {}
    for split, batches in measured.items():
        found = likelihoods[split] | rate_decomposition(densities, batches, seed=seed, limit=decomposition_limit)
        found |= aggregate_quantities(densities, batches, seed=seed, limit=aggregate_limit, null=null_pairs)
        val = data.batches("val", device)
        found |= cluster_quantities(densities, val, batches, seed=seed)
        found |= parzen_quantities(densities, val, batches, seed=seed, num_samples=parzen_samples)
        found |= classification_quantities(densities, batches, seed=seed)
        with warnings_explained(split):
            found |= representation_quantities(densities, train, batches, seed=seed, protocol=scores, **probes)
            if data.num_labelled is not None:
                found |= few_label_quantities(densities, data.batches("labelled", device), batches, seed=seed)
            found |= edit_quantities(densities, train, batches, seed=seed, **counts)
        _tell(split, found)
        report[split] = entries(found)
    check(report)
    return report


def check_options(
    splits: Sequence[str],
    seed: int,
    scores: Scores = PROTOCOL,
    corruption: MakeCorruption | None = None,
    **numbers: int | None,
) -> None:
    """Refuses options of `evaluate` that are out of range: to be called before what it measures is trained.

    Raises:
        ValueError: an unknown split, a seed that is none, a number below 1, or a corruption out of its range.
    """
    if corruption is not None:
        corruption()
    if not splits or not set(splits) <= set(SPLITS):
        raise ValueError(f"evaluation.splits={list(splits)}: choose from {', '.join(SPLITS)}")
    if not 0 <= seed < 2**32:
        raise ValueError(f"evaluation.seed={seed}: a seed is a whole number from 0 to {2**32 - 1}")
    counts = numbers | {"scores.num_train": scores.num_train, "scores.num_eval": scores.num_eval}
    for name, number in counts.items():
        if number is not None and number < 1:
            raise ValueError(f"evaluation.{name}={number}: must be at least 1")


def _tell(split: str, quantities: dict[str, Quantity]) -> None:
    """Says what a reader of the numbers must know."""
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
