"""Figures of classes and conditions: samples of each class, data in other classes or attributes, completed images.

Shapes: N = data, C = classes, R = rows, D = latent numbers, T = points of a side.
"""

from contextlib import suppress
from math import ceil, prod

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.distributions import Independent, Normal

from elbolab.batch import Batch
from elbolab.densities.base import Densities
from elbolab.densities.capabilities import Guessing, capability
from elbolab.densities.latents import Latent, Undefined
from elbolab.evaluation.editing import edit_attributes, set_value, sizes_of
from elbolab.evaluation.figures.classes import every_class, has_style, label_vectors
from elbolab.evaluation.figures.generative import diagonal_normal, paths, plane_of
from elbolab.evaluation.figures.looks import Points, assemble_whole, blank, look_of
from elbolab.evaluation.outputs import output_of, picture
from elbolab.evaluation.seeded import evaluating

NUM_PANELS = 10
"""Classes whose manifolds are drawn, the first ones."""

NUM_VALUES = 10
"""Most values of an attribute that are shown."""


def samples_by_label(
    densities: Densities, batch: Batch, *, seed: int, num: int = 10, what: str | None = None
) -> Figure:
    """Means of p(x | z, c) with a column for each class c; the noise of z ~ p(z | c) is one for all of a row.

    There are ``num`` rows; ``what="sample"`` shows draws of p(x | z, c) instead.

    Undefined where the conditions are no labels, the model has no prior, or a datum is a point of the plane.
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

    Undefined where the conditions are no labels, the model has no latents, or a datum is a point of the plane.
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


def edits(densities: Densities, batch: Batch, *, seed: int) -> Figure:
    """The first datum with one attribute at a time at values over its whole range, a row an attribute, datum first.

    Undefined where the conditions are no attributes, or the model has no prior of one layer.
    """
    sizes = sizes_of(densities.spec)
    x, y = batch.x[:1], batch.given[0][:1].expand(NUM_VALUES, -1)
    with evaluating(densities, "edits figure", seed):
        rows = []
        for factor, size in enumerate(sizes):
            values = torch.linspace(0, size - 1, NUM_VALUES, device=x.device).round().long()
            wanted = set_value(y, sizes, factor, values)
            p = edit_attributes(densities, x.expand(NUM_VALUES, *x.shape[1:]), (y,), (wanted,))
            rows.append(torch.cat([x, picture(p)]))
    labels = [f"factor {factor}" for factor in range(len(sizes))]
    title = "a datum, and one attribute at a time from its first to its last value"
    return paths(batch, densities, torch.stack(rows).cpu(), labels, title)


def completions(densities: Densities, batch: Batch, *, seed: int, num: int = 10, num_draws: int = 8) -> Figure:
    """Images, what is seen of them, the first guess where there is one, and completions by draws from the prior.

    The picture of Sohn et al. (2015), figure 3.

    Undefined where the data are no parts of images, or the model has no prior.
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

    Undefined where the conditions are no labels, or a datum is a point of the plane.
    """
    if isinstance(look_of(densities.spec, batch.x.cpu()), Points):
        raise Undefined("no grid of classes: points of the plane are drawn over one another")
    return label_vectors(densities.spec, batch)


def first_of_each(y: Tensor) -> Tensor:
    """The first row of each class that occurs in y (N,), in the order of the classes."""
    return torch.stack([(y == c).nonzero()[0, 0] for c in y.unique()])


def class_manifolds(densities: Densities, batch: Batch, *, seed: int, side: int = 10) -> Figure:
    """p(x | y, z) over a plane of styles in equal steps of probability, a panel a class (Kingma et al. 2014, fig. 1a).

    Undefined where the model does not tell class from style, the style is no plane, or its prior is no normal.
    """
    if not has_style(densities):
        raise Undefined("this model does not tell class from style")
    with evaluating(densities, "class manifolds", seed):
        classes = every_class(densities.spec, batch.x)
        panels = [_manifold(densities, y, side) for y in classes[:NUM_PANELS]]
    look = look_of(densities.spec, batch.x.cpu())
    num_columns = min(5, len(panels))
    num_rows = ceil(len(panels) / num_columns)
    width, height = look.size(side, side)
    figure = blank(0.5 * width * num_columns, 0.5 * height * num_rows + 0.5, "each class over the styles")
    grid = figure.subplots(num_rows, num_columns, squeeze=False).flatten()
    for axes, rows, name in zip(grid, panels, densities.spec.classes, strict=False):
        look.paths(axes, rows, [])
        axes.set_title(name, fontsize=9)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    return figure


def _manifold(densities: Densities, y: Tensor, side: int) -> Tensor:
    """Means under one class (C,), (T, T, *event) on the CPU: the first dimension to the right, the second up."""
    prior = diagonal_normal(densities.imagine((), top=(y[None],))[1].p)
    if prior is None or prior.loc.shape != (2,):
        raise Undefined("no manifolds: the style is no plane, or its prior no normal")
    steps = torch.linspace(0.02, 0.98, side, dtype=y.dtype, device=y.device)[:, None]
    z = plane_of(prior.icdf(steps)).flatten(0, 1)
    codes = torch.cat([z, y.expand(len(z), -1)], dim=-1)
    return picture(densities.decode(codes)).unflatten(0, (side, side)).cpu()


def analogies(densities: Densities, batch: Batch, *, seed: int, num: int = 10) -> Figure:
    """Data on the left, and each of them in its style but in every class (Kingma et al. 2014, figure 1b).

    Undefined where the model does not tell class from style.
    """
    if not has_style(densities):
        raise Undefined("this model does not tell class from style")
    x = batch.x[:num]
    with evaluating(densities, "analogies", seed):
        classes = every_class(densities.spec, x)
        z = densities.encode(x)[:, None, : densities.code_dim].expand(-1, len(classes), -1)
        means = picture(densities.decode(torch.cat([z, classes.expand(len(x), -1, -1)], dim=-1)))
    rows = torch.cat([x[:, None], means], dim=1).cpu()
    title = f"data, and their style in every class, {densities.spec.class_list}"
    return paths(batch, densities, rows, [], title)
