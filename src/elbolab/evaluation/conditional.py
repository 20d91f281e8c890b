"""How probable a conditional model finds data: by draws from its prior, and without the class, by Bayes' rule.

A conditional model says nothing of how frequent classes are. Here p(c) = 1/C, uniform, whatever the classes' shares of
the data: -log p(x) = -log 1/C sum_c p(x | c). With the shares it would be lower by about log C - H(c), which is 0.002
nats for MNIST's digits.

Shapes: N = data, G = data in a group, C = classes; nats throughout.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import log
from typing import Any, ClassVar, NamedTuple, final

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import override

from elbolab.batch import Batch, Spec
from elbolab.common.kind import ERROR, Kind
from elbolab.densities.base import Densities
from elbolab.densities.latents import Undefined
from elbolab.evaluation.batches import take_first
from elbolab.evaluation.likelihood import NLL, estimate_in_groups, importance_log_likelihood, marginal_of
from elbolab.evaluation.measure import Data, Measure
from elbolab.evaluation.proposals import Proposal, Rows, from_posterior, from_prior, sampling_of
from elbolab.evaluation.quantity import Quantity, mean_of, means_of

KINDS = {
    "nll": NLL,
    "conditional_nll_mc": Kind("nats", "lower", 80),
    "class_information": Kind("nats", None, 90),
    "error": ERROR,
}


@final
class ByClass(NamedTuple):
    """What a model of labels says of data whose label is not looked at.

    Attributes:
        log_px: log p(x | c) for every class c, (N, C).
        y: the labels, (N,).
    """

    log_px: Tensor
    y: Tensor


@final
@dataclass(frozen=True)
class Conditional(Measure):
    """How probable a model with conditions finds data: those that exist of four quantities.

    ``conditional_nll_mc`` is -log p(x | c) by draws from p(z | c). Where the one condition is the class label, ``nll``
    is -log 1/C sum_c p(x | c), ``class_information`` that of `class_information`, and ``error`` the share of data whose
    class is not argmax_c p(x | c): Bayes' rule with classes that are equally probable. These three are of the same data
    and draws. conditional_nll of `Likelihood` has all data, draws and a K of its own, so that nll - conditional_nll is
    no information: it may exceed log C.

    Args:
        num_samples: K of conditional_nll_mc.
        class_samples: K, for each class, of the other three.
        class_limit: data that these three are measured on, at most; None for all.
        num_corruptions: M of a denoising model, for these three: K samples from each.
        memory: as that of `importance_log_likelihood`.
    """

    is_shared: ClassVar[bool] = True
    counts: ClassVar[tuple[str, ...]] = ("num_samples", "class_samples", "class_limit", "num_corruptions", "memory")
    num_samples: int
    class_samples: int = 100
    class_limit: int | None = 1_000
    num_corruptions: int = 1
    memory: int | None = None

    @override
    def __call__(self, densities: Densities, data: Data, split: str, seed: int) -> dict[str, Quantity]:
        if not densities.spec.given:
            raise Undefined("this model has no conditions")
        batches, quantities = data.measured(split), {}
        options: dict[str, Any] = {"seed": seed, "memory": self.memory}
        with suppress(Undefined):
            log_px = monte_carlo_log_likelihood(densities, batches, num_samples=self.num_samples, **options)
            kind = KINDS["conditional_nll_mc"]
            quantities["conditional_nll_mc"] = mean_of(-log_px, kind, k=self.num_samples, seed=seed)
        if is_label(densities.spec, batches):
            with suppress(Undefined):
                limited = take_first(batches, self.class_limit)
                proposal, k = sampling_of(densities, self.class_samples, self.num_corruptions)
                by_class = class_log_likelihoods(densities, limited, num_samples=k, proposal=proposal, **options)
                quantities |= _without_class(by_class, k, seed)
        return quantities


def monte_carlo_log_likelihood(
    densities: Densities, batches: Iterable[Batch], *, num_samples: int, seed: int, memory: int | None = None
) -> Tensor:
    """Estimate log p(x | c) by log 1/K sum_k p(x | z_k, c), z_k ~ p(z | c), (N,) (Sohn et al. 2015, section 4.1).

    It is importance sampling with the prior as the proposal, and needs many more samples than with q.

    Undefined where the model has no prior.
    """
    options: dict[str, Any] = {"num_samples": num_samples, "seed": seed, "memory": memory}
    return importance_log_likelihood(densities, batches, proposal=from_prior, **options).log_px


def class_log_likelihoods(
    densities: Densities,
    batches: Iterable[Batch],
    *,
    num_samples: int,
    seed: int,
    memory: int | None = None,
    proposal: Proposal = from_posterior,
) -> ByClass:
    """Estimate log p(x | c) for every class c, of data whose one condition is a label as a one-hot vector.

    K is for each class; the options are those of `importance_log_likelihood`.

    Undefined where the model has no importance weight.
    """

    def estimate(rows: Rows, chunk: int) -> dict[str, Tensor]:
        x, label = rows
        classes = torch.eye(label.shape[1], dtype=label.dtype, device=label.device)
        of_class = partial(marginal_of, num_samples=num_samples, chunk=chunk, proposal=proposal)
        columns = [of_class(densities, (x, c.expand_as(label))).log_px for c in classes]
        return {"log_px": torch.stack(columns, 1), "y": label.argmax(1)}

    options: dict[str, Any] = {"num_samples": num_samples, "seed": seed, "memory": memory}
    return ByClass(**estimate_in_groups(densities, batches, estimate, **options))


def class_information(by_class: ByClass) -> Tensor:
    """What the class of each datum says of it: log p(x | c) - log p(x), nats, (N,).

    It is at most log C, as p(x) >= p(c) p(x | c), and so is its estimate, whose two terms share their draws; over data
    of the model itself its mean is I(x; c).
    """
    log_px, y = by_class
    return log_px.gather(1, y[:, None])[:, 0] - _log_marginal(log_px)


def _log_marginal(log_px: Tensor) -> Tensor:
    """Log 1/C sum_c p(x | c), (N, C) -> (N,) in float64."""
    return log_px.double().logsumexp(1) - log(log_px.shape[1])


def is_label(spec: Spec, batches: Iterable[Batch]) -> bool:
    """Whether the one condition is the class label as a one-hot vector, by the first batch."""
    if spec.num_classes is None or spec.given != ((spec.num_classes,),):
        return False
    batch = next(iter(batches))
    return batch.y is not None and torch.equal(batch.given[0].long(), F.one_hot(batch.y, spec.num_classes))


def _without_class(by_class: ByClass, num_samples: int, seed: int) -> dict[str, Quantity]:
    """nll, class_information and error."""
    log_px = by_class.log_px
    values = {
        "nll": -_log_marginal(log_px),
        "class_information": class_information(by_class),
        "error": log_px.argmax(1) != by_class.y,
    }
    values = {name: value.to(log_px.dtype) for name, value in values.items()}
    return means_of(values, KINDS, k=num_samples, seed=seed)
