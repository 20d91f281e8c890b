"""Figures that change the style at a fixed class, and the class at a fixed style (Kingma et al. 2014, figure 1).

Shapes: C = classes, D = latent dimensions of the style, T = points of a side.
"""

from math import ceil

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from elbolab.batch import Batch
from elbolab.densities.base import Densities
from elbolab.densities.latents import Undefined
from elbolab.evaluation.figures.classes import every_class, has_style
from elbolab.evaluation.figures.looks import blank, look_of
from elbolab.evaluation.outputs import picture
from elbolab.evaluation.seeded import evaluating

NUM_PANELS = 10
"""Classes whose manifolds are drawn, the first ones."""


def class_manifolds(densities: Densities, batch: Batch, *, seed: int, side: int = 10) -> Figure:
    """p(x | y, z) over a plane of styles in equal steps of probability, a panel a class (their figure 1a).

    Raises:
        Undefined: the model does not tell class from style, the style is no plane, or its prior is no normal.
    """
    _check_style(densities)
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
    prior = _normal(densities.imagine((), top=(y[None],))[1].p)
    steps = torch.linspace(0.02, 0.98, side, dtype=y.dtype, device=y.device)[:, None]
    grid = prior.icdf(steps)
    if grid.shape[1] != 2:
        raise Undefined("no manifolds: the style is no plane")
    z = torch.stack(torch.meshgrid(grid[:, 0], grid[:, 1].flip(0), indexing="xy"), dim=-1).flatten(0, 1)
    codes = torch.cat([z, y.expand(len(z), -1)], dim=-1)
    return picture(densities.decode(codes)).unflatten(0, (side, side)).cpu()


def analogies(densities: Densities, batch: Batch, *, seed: int, num: int = 10) -> Figure:
    """Data on the left, and each of them in its style but in every class (their figure 1b).

    Raises:
        Undefined: the model does not tell class from style.
    """
    _check_style(densities)
    x = batch.x[:num]
    with evaluating(densities, "analogies", seed):
        classes = every_class(densities.spec, x)
        z = densities.encode(x)[:, None, : densities.code_dim].expand(-1, len(classes), -1)
        means = picture(densities.decode(torch.cat([z, classes.expand(len(x), -1, -1)], dim=-1)))
    rows = torch.cat([x[:, None], means], dim=1).cpu()
    look = look_of(densities.spec, x.cpu())
    width, height = look.size(*rows.shape[:2])
    figure = blank(width, height + 0.5, f"data, and their style in every class, {densities.spec.class_list}")
    look.paths(figure.subplots(), rows, [])
    return figure


def _check_style(densities: Densities) -> None:
    """Raises Undefined unless the model tells class from style."""
    if not has_style(densities):
        raise Undefined("this model does not tell class from style")


def _normal(prior: Distribution | None) -> Normal:
    """The prior of one class as a normal of batch shape (D,).

    Raises:
        Undefined: it is no diagonal normal.
    """
    match prior:
        case Independent(base_dist=Normal(loc=loc, scale=scale)):
            return Normal(loc.flatten(), scale.flatten())
    raise Undefined("no manifolds: the prior of the style is no normal")
