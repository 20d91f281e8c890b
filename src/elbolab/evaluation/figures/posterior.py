"""The true posterior beside q, of latents on the line or in the plane.

Shapes: P = points of a grid, D = 1 or 2 numbers of the latent.
"""

from math import log, pi

import torch
from matplotlib.figure import Figure
from torch import Tensor

from elbolab.batch import Batch
from elbolab.densities.base import Densities
from elbolab.evaluation.figures.looks import DATA, MODEL, SEQUENCE, blank, simplify_axes
from elbolab.evaluation.quadrature import OnGrid, lay_grid
from elbolab.evaluation.seeded import evaluating

NUM_DATA = 3
BOUND, NUM_POINTS = 4.0, 161
"""The grid of the pictures: [-BOUND, BOUND] in each coordinate, so many points of each in the plane."""

NAMES = "p(z | x)", "q(z | x)", "normal of least KL(p || q)"


def posterior_and_truth(densities: Densities, batch: Batch, *, seed: int) -> Figure:
    """p(z | x) by quadrature, q(z | x), and beside them the normal nearest in the other direction of the KL.

    q is fitted by KL(q || p), which avoids places where p has no mass. KL(p || q) is least where q covers all of p: of
    all normals that is the one with the mean and the covariance of p (Bishop 2006, section 10.1.2). Of the first few
    data that differ. Undefined where `lay_grid` is.
    """
    distinct = batch.x[:1] if (batch.x == batch.x[:1]).all() else batch.x[:NUM_DATA]
    rows = (distinct, *(given[: len(distinct)] for given in batch.given))
    with evaluating(densities, "posterior and truth", seed):
        grid = lay_grid(densities, rows, BOUND, NUM_POINTS)
    densities_of = [
        (part.exp().cpu(), name) for part, name in zip((grid.log_true, grid.log_q, _cover(grid)), NAMES, strict=True)
    ]
    exclusive, inclusive = grid.kl(grid.log_q, grid.log_true), grid.kl(grid.log_true, grid.log_q)
    titles = [f"KL(q || p) {one:.3f}, KL(p || q) {other:.3f}" for one, other in zip(exclusive, inclusive, strict=True)]
    points = grid.points.cpu()
    if points.shape[1] == 1:
        figure = blank(4.2 * len(distinct), 3.0)
        for number, axes in enumerate(figure.subplots(1, len(distinct), squeeze=False)[0]):
            for (values, name), colour, style in zip(densities_of, (DATA, MODEL, "0.6"), ("-", "-", "--"), strict=True):
                axes.plot(
                    points[:, 0].numpy(),
                    values[:, number].numpy(),
                    color=colour,
                    linestyle=style,
                    linewidth=1.2,
                    label=name,
                )
            axes.legend(fontsize=8, frameon=False)
            simplify_axes(axes).set(xlabel="$z$", ylabel="density", title=titles[number])
        return figure
    figure = blank(9.0, 3.2 * len(distinct))
    for number, row in enumerate(figure.subplots(len(distinct), 3, squeeze=False)):
        for axes, (values, name) in zip(row, densities_of, strict=True):
            picture = values[:, number].view(NUM_POINTS, NUM_POINTS).T.numpy()
            axes.imshow(picture, origin="lower", extent=(-BOUND, BOUND, -BOUND, BOUND), cmap=SEQUENCE)
            simplify_axes(axes).set(xlabel="$z_0$", ylabel="$z_1$", title=name)
        row[1].set_title(f"{NAMES[1]}\n{titles[number]}", fontsize=9)
    return figure


def _cover(grid: OnGrid) -> Tensor:
    """Log-densities (P, G) of the normals that have the means and the covariances of the true posteriors."""
    weights = (grid.log_true + grid.log_cell).exp()
    points = grid.points.double()
    mean = weights.T @ points
    away = points.unsqueeze(1) - mean
    covariance = torch.einsum("pg,pgi,pgj->gij", weights, away, away)
    distance = torch.einsum("pgi,gij,pgj->pg", away, torch.linalg.inv(covariance), away)
    return -0.5 * (distance + torch.logdet(covariance) + points.shape[1] * log(2 * pi))
