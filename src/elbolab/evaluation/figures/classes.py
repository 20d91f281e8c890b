"""Classes as one-hot vectors, and data under one class.

Shapes: N = data, C = classes.
"""

import torch
from torch import Tensor
from torch.distributions import Distribution

from elbolab.batch import Batch, Spec
from elbolab.common.refusal import Refusal, change
from elbolab.densities.base import Densities
from elbolab.densities.capabilities import Classifying, capability
from elbolab.densities.latents import Undefined


def has_style(densities: Densities) -> bool:
    """Whether a code consists of a style and a class with a name, so that either can be changed alone."""
    try:
        return capability(densities, Classifying).code_dim > 0
    except Undefined:
        return False


def every_class(spec: Spec, like: Tensor) -> Tensor:
    """Every class, one-hot: (C, C)."""
    assert spec.num_classes is not None, "who tells class from style has classes"
    return torch.eye(spec.num_classes, dtype=like.dtype, device=like.device)


def label_vectors(spec: Spec, batch: Batch) -> Tensor:
    """Every class as the condition that stands for it, (C, C); undefined where the conditions are no labels."""
    if spec.num_classes is not None and spec.given == ((spec.num_classes,),):
        labels = batch.given[0]
        if ((labels == 0) | (labels == 1)).all() and (labels.sum(1) == 1).all():
            return every_class(spec, batch.x)
    raise Undefined("no classes: the conditions are no labels")


def condition_on_label(label: str | int | None, densities: Densities, batch: Batch) -> Batch:
    """The batch with all conditions set to the class called ``label``.

    The batch stays as it is without a label, and where the class is a latent and not a condition.

    Raises:
        ValueError: the model draws by no class, or there is no such class.
    """
    if label is None:
        return batch
    if has_style(densities):
        densities.spec.class_index(label)
        return batch
    try:
        classes = label_vectors(densities.spec, batch)
    except Undefined as error:
        raise Refusal(
            f"label={label}: this run draws by no class; one with data.given=labels does, or one of model=m2, m1_m2 or "
            "aae_semi",
            change("label", None),
        ) from error
    return batch._replace(given=(classes[densities.spec.class_index(label)].expand(len(batch.x), -1),))


def generate_of_class(densities: Densities, num: int, label: str | int, device: torch.device) -> Distribution:
    """p(x | z, c) at ``num`` draws of the class called ``label``, which is the condition or a latent.

    Raises:
        ValueError: the model draws by no class, or there is no such class.
    """
    spec = densities.spec
    x, *given = (torch.zeros(num, *shape, device=device) for shape in (spec.x, *spec.given))
    if spec.given_is_label:
        given = [every_class(spec, x)[:1].expand(num, -1)]
    batch = condition_on_label(label, densities, Batch(x, tuple(given)))
    if not has_style(densities):
        return densities.likelihood_of(densities.imagine((), *batch.given), *batch.given)
    y = every_class(spec, x)[spec.class_index(label)].expand(num, -1)
    return densities.likelihood_of(densities.imagine((), top=(y,)))
