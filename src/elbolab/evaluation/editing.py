"""Changing attributes of data, and whether a classifier trained on real data reads the changes as intended.

Attributes are conditions that hold every ground-truth factor as a one-hot vector, one behind the other
(``data.given=factors``). Shapes: N = data, F = factors, A = the length of all one-hot vectors.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import ceil
from typing import ClassVar, final

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn import functional as F
from typing_extensions import override

from elbolab.batch import Batch, Shape, Spec
from elbolab.common.kind import Kind
from elbolab.common.rng import seed_device, seed_of
from elbolab.densities.base import Densities
from elbolab.densities.latents import Undefined
from elbolab.evaluation.batches import choose_data, take_first
from elbolab.evaluation.likelihood import in_groups
from elbolab.evaluation.measure import Data, Measure
from elbolab.evaluation.quantity import Quantity, means_of
from elbolab.evaluation.seeded import device_of, evaluating
from elbolab.nets.conv import Conv
from elbolab.nets.mlp import MLP

KINDS = {
    "edit_accuracy": Kind("fraction", "higher", 240),
    "edit_classifier_accuracy": Kind("fraction", None, 250),
    "edit_accuracy_by_factor": Kind("fraction", "higher"),
    "edit_classifier_accuracy_by_factor": Kind("fraction"),
}
"""The classifier's own accuracy says nothing of the model."""

Reader = Callable[[Tensor], Tensor]
"""Data (N, *event) -> the value that each factor is read as, (N, F)."""

STEPS, EPOCHS, BATCH, RATE = 4_000, 20, 64, 2e-3
"""Training of the classifier: so many steps, or epochs where the data are few; Adam, half a cosine down to 0."""

STEP = 500
"""Data that are edited at once."""


@final
@dataclass(frozen=True)
class Editing(Measure):
    """How often a change of one attribute is read as intended, of a model with one layer of latents.

    Every datum has each of its factors, one at a time, set to another value, drawn uniformly. A classifier that was
    trained on real data reads the means of the results. ``edit_accuracy`` is the share of edits whose changed factor is
    read as intended; ``edit_classifier_accuracy`` the share of factors of the same data, unedited, that are read
    rightly, which the former can hardly exceed. Both by factor too, lists.

    Args:
        num_train: training data of the classifier, at most; a seeded choice where there are more.
        num_eval: data that are edited, the first ones, at most.
    """

    counts: ClassVar[tuple[str, ...]] = ("num_train", "num_eval")
    num_train: int = 50_000
    num_eval: int = 5_000

    @override
    def __call__(self, densities: Densities, data: Data, split: str, seed: int) -> dict[str, Quantity]:
        sizes, device = sizes_of(densities.spec), device_of(densities)
        test, train = list(take_first(data.measured(split), self.num_eval)), data.batches("train")
        reader = fit_reader(choose_data(train, self.num_train, seed), sizes, seed=seed, device=device)
        with evaluating(densities, "edits", seed):
            shares = [_read_edits(densities, reader, x, y, sizes) for x, y in in_groups(test, STEP)]
        found: dict[str, Tensor] = {}
        for name, right in zip(("edit_accuracy", "edit_classifier_accuracy"), zip(*shares, strict=True), strict=True):
            by_factor = torch.cat(right)
            found |= {name: by_factor.mean(1), f"{name}_by_factor": by_factor}
        return means_of(found, KINDS, k=None, seed=seed)


def edit_attributes(
    densities: Densities, x: Tensor, given: tuple[Tensor, ...], wanted: tuple[Tensor, ...]
) -> Distribution:
    """p(x | z', y') for data x of attributes y that are to have y'.

    z' = z + E[z | y'] - E[z | y] with the code z of x, which keeps how x differs from other data of its attributes.
    Where the prior does not depend on attributes, only the conditions are exchanged, as for a label-conditional CVAE.
    x is (N, *event), its conditions ``given`` and ``wanted`` are (N, *shape) each.

    Undefined where the model has no prior of one layer, or no mean of it is known.
    """
    shift = _prior_mean(densities, x, wanted) - _prior_mean(densities, x, given)
    return densities.decode(densities.encode(x, *given) + shift, *wanted)


def _prior_mean(densities: Densities, x: Tensor, given: tuple[Tensor, ...]) -> Tensor:
    p = densities.infer(x, *given).only().p
    if p is None:
        raise Undefined("no edit: this model has no prior")
    try:
        return p.mean
    except NotImplementedError as error:
        raise Undefined("no edit: the mean of this prior is not known") from error


def sizes_of(spec: Spec) -> Shape:
    """Sizes of the factors that are the attributes; undefined where the conditions are none, or others."""
    if not spec.factors or spec.given != ((sum(spec.factors),),):
        raise Undefined("no attributes: the conditions are not the data's factors (data.given=factors)")
    return spec.factors


def set_value(y: Tensor, sizes: Shape, factor: int, value: Tensor) -> Tensor:
    """Attributes y (N, A) with ``factor`` at ``value`` (N,) and the others as they are."""
    parts = list(y.split(list(sizes), 1))
    parts[factor] = F.one_hot(value, sizes[factor]).to(y.dtype)
    return torch.cat(parts, 1)


def values_of(y: Tensor, sizes: Shape) -> Tensor:
    """The values of attributes y (N, A), or those of the largest logits, (N, F)."""
    return torch.stack([part.argmax(1) for part in y.split(list(sizes), 1)], 1)


def _read_edits(densities: Densities, reader: Reader, x: Tensor, y: Tensor, sizes: Shape) -> tuple[Tensor, Tensor]:
    """1 where the intended value of an edited factor is read, else 0; and the same of unedited factors, (N, F) both."""
    values, after = values_of(y, sizes), []
    for factor, size in enumerate(sizes):
        new = (values[:, factor] + torch.randint(1, max(2, size), values[:, factor].shape, device=x.device)) % size
        p = edit_attributes(densities, x, (y,), (set_value(y, sizes, factor, new),))
        after.append(reader(p.mean)[:, factor] == new)
    dtype = torch.get_default_dtype()
    return torch.stack(after, 1).to(dtype).cpu(), (reader(x) == values).to(dtype).cpu()


def fit_reader(train: Iterable[Batch], sizes: Shape, *, seed: int, device: torch.device) -> Reader:
    """Trains a classifier of factors of these sizes: one network with noise of its own, a softmax for every factor."""
    batches = list(train)
    x = torch.cat([batch.x for batch in batches])
    values = torch.cat([batch.factors for batch in batches if batch.factors is not None])
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        seed_device(device, seed_of("reader of edits", seed))
        event, num_logits = tuple(x.shape[1:]), sum(sizes)
        net: nn.Module
        if len(event) == 3 and min(event[1:]) >= 16:
            net = Conv((event,), (num_logits,), [16, 32, 32], 4, [256], "ReLU", "torch")
        else:
            net = MLP((event,), (num_logits,), [256], "ReLU", "torch")
        _train_net(net.to(device, x.dtype), x, values, sizes)
    return torch.no_grad()(lambda x: values_of(net(x), sizes))


def _train_net(net: nn.Module, x: Tensor, values: Tensor, sizes: Shape) -> None:
    num_steps = min(STEPS, EPOCHS * ceil(len(x) / BATCH))
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, num_steps)
    with torch.enable_grad():
        for _ in range(num_steps):
            rows = torch.randint(len(x), (min(BATCH, len(x)),), device=x.device)
            parts = net(x[rows]).split(list(sizes), 1)
            costs = [F.cross_entropy(part, value) for part, value in zip(parts, values[rows].unbind(1), strict=True)]
            optimizer.zero_grad()
            torch.stack(costs).sum().backward()
            optimizer.step()
            schedule.step()
