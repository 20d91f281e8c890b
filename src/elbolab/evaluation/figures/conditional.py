"""Figures of conditional models: samples of each class, the style of a datum in every class, completed images.

Shapes: N = data, C = classes, R = rows, D = latent numbers.
"""

from contextlib import suppress
from math import prod

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.distributions import Independent, Normal

from elbolab.batch import Batch
from elbolab.densities.base import Densities
from elbolab.densities.capabilities import Guessing, capability
from elbolab.densities.latents import Latent, Undefined
from elbolab.evaluation.figures.classes import label_vectors
from elbolab.evaluation.figures.generative import paths
from elbolab.evaluation.figures.looks import Points, assemble_whole, look_of
from elbolab.evaluation.outputs import output_of, picture
from elbolab.evaluation.seeded import evaluating


def samples_by_label(
    densities: Densities, batch: Batch, *, seed: int, num: int = 10, what: str | None = None
) -> Figure:
    """Means of p(x | z, c) with a column for each class c; the noise of z ~ p(z | c) is one for all of a row.

    Args:
        densities: the model.
        batch: data.
        seed: of the noise.
        num: rows.
        what: ``sample`` shows draws of p(x | z, c) instead.

    Raises:
        Undefined: the conditions are no labels, the model has no prior, or a datum is a point of the plane.
    """
    classes, num = classes_of(densities, batch), num if prod(densities.latent_shape) else 1
    columns, show = [], output_of(what or "mean")
    for c in classes:
        with evaluating(densities, "samples by label", seed):
            columns.append(show(densities.generate(num, c[None]))[:, 0].cpu())
    title = f"a class a column, {densities.spec.class_list}; rows share the noise of z ~ p(z | c)"
    return paths(batch, densities, torch.stack(columns, 1), [], title)


def style_transfer(densities: Densities, batch: Batch, *, seed: int) -> Figure:
    """A datum of each class on the left, and beside it its style, taken with its own label, decoded with every label.

    The style is the noise of the code under p(z | c): where the prior knows the class, so does z itself, and decoding
    the same z with another label would change little.

    Raises:
        Undefined: the conditions are no labels, the model has no latents, or a datum is a point of the plane.
    """
    classes = classes_of(densities, batch)
    if prod(densities.latent_shape) == 0:
        raise Undefined("no style: this model has no latents")
    rows = first_of_each(batch.given[0].argmax(1))
    x, label = batch.x[rows], batch.given[0][rows]
    with evaluating(densities, "style transfer", seed):
        z = densities.encode(x, label)
        labels = [c.expand_as(label) for c in classes]
        decoded = [picture(densities.decode(move_code(densities, x, z, label, other), other)).cpu() for other in labels]
    title = f"a datum, and its style decoded with every label, {densities.spec.class_list}"
    return paths(batch, densities, torch.stack([x.cpu(), *decoded], 1), [], title)


def move_code(densities: Densities, x: Tensor, z: Tensor, label: Tensor, other: Tensor) -> Tensor:
    """The code with that noise under p(z | other) which z (N, D) has under p(z | label); z unless both are normals."""
    here, there = (_normal_prior(densities, x, c) for c in (label, other))
    return z if here is None or there is None else there.loc + there.scale * (z - here.loc) / here.scale


def _normal_prior(densities: Densities, x: Tensor, label: Tensor) -> Normal | None:
    """p(z | c) of each datum, batch shape (N, D), where it is a diagonal normal."""
    match densities.infer(x, label):
        case (Latent(p=Independent(base_dist=Normal() as normal)),):
            return normal
    return None


def completions(densities: Densities, batch: Batch, *, seed: int, num: int = 10, num_draws: int = 8) -> Figure:
    """Images, what is seen of them, the first guess where there is one, and completions by draws from the prior.

    The picture of Sohn et al. (2015), figure 3.

    Raises:
        Undefined: the data are no parts of images, or the model has no prior.
    """
    if densities.spec.canvas is None or prod(densities.latent_shape) == 0:
        raise Undefined("no completions: the data are no parts of images, or the model draws nothing")
    x, given = batch.x[:num], tuple(tensor[:num] for tensor in batch.given)
    with evaluating(densities, "completions", seed):
        columns, names = [x, torch.full_like(x, 0.5)], ["the image", "what is seen"]
        with suppress(Undefined):
            columns.append(capability(densities, Guessing).first_guess(*given))
            names.append("the baseline's guess")
        columns += picture(densities.generate(num_draws, *given)).unbind(0)
    rows = assemble_whole(densities.spec, torch.stack(columns), given).transpose(0, 1)
    return paths(batch, densities, rows, [], f"{', '.join(names)}, and {num_draws} completions")


def classes_of(densities: Densities, batch: Batch) -> Tensor:
    """Every class as a one-hot vector, (C, C), for pictures with a cell for each datum.

    Raises:
        Undefined: the conditions are no labels, or a datum is a point of the plane.
    """
    if isinstance(look_of(densities.spec, batch.x.cpu()), Points):
        raise Undefined("no grid of classes: points of the plane are drawn over one another")
    return label_vectors(densities.spec, batch)


def first_of_each(y: Tensor) -> Tensor:
    """The first row of each class that occurs in y (N,), in the order of the classes."""
    return torch.stack([(y == c).nonzero()[0, 0] for c in y.unique()])
