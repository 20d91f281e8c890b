"""Codes beside draws of the prior that they are matched to, and what a model that finds groups has found."""

from collections.abc import Iterable, Mapping

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from elbolab.batch import Batch
from elbolab.densities.base import Densities
from elbolab.densities.capabilities import Grouping, capability
from elbolab.densities.latents import Undefined
from elbolab.evaluation.aggregate import labelled_draws, match_codes
from elbolab.evaluation.batches import take_first
from elbolab.evaluation.figures.generative import paths
from elbolab.evaluation.figures.latent import NUM_CODES, PRINCIPAL, legend, scatter
from elbolab.evaluation.figures.looks import blank
from elbolab.evaluation.outputs import picture
from elbolab.evaluation.seeded import evaluating


def codes_and_prior(models: Mapping[str, Densities], batches: Iterable[Batch], *, seed: int) -> Figure:
    """Draws z ~ q(z | x) coloured by class, and beneath them as many of the prior, by its part where it has parts.

    Raises:
        Undefined: a model has no prior, or codes that are no points of the plane.
    """
    figure = blank(4.2 * len(models) + 0.6, 8.4)
    panels = figure.subplots(2, len(models), squeeze=False)
    for (top, bottom), (name, densities) in zip(panels.T, models.items(), strict=True):
        with evaluating(densities, "codes and prior", seed):
            codes = match_codes(densities, take_first(batches, NUM_CODES))
            if codes.z.shape[1] != 2 or len(codes.z) < 2:
                raise Undefined("codes and prior are drawn in the plane")
            drawn, parts = (codes.drawn, None) if codes.p is None else labelled_draws(codes.p, len(codes.z))
        _draw_panel(top, codes.z, codes.y, seed, f"{name}: q(z)" if name else "q(z)")
        _draw_panel(bottom, drawn, parts, seed, f"{name}: p(z)" if name else "p(z)")
        _share_limits(top, bottom)
    legend(panels[0, -1], [] if codes.y is None else codes.y.unique().tolist(), densities.spec.classes)
    legend(panels[1, -1], [] if parts is None else parts.unique().tolist())
    return figure


def groups(densities: Densities, batch: Batch, *, seed: int, num: int = 10) -> Figure:
    """p(x | z, y) at draws of the style, a row for each group (Makhzani et al. 2015, figure 9).

    Raises:
        Undefined: the model finds no groups.
    """
    capability(densities, Grouping)
    with evaluating(densities, "groups", seed):
        group, style = densities.imagine((num,))
        every = torch.eye(group.z.shape[1]).to(group.z)
        z, y = style.z.expand(len(every), *style.z.shape), every[:, None].expand(-1, num, -1)
        rows = picture(densities.decode(torch.cat([z, y], dim=-1))).cpu()
    return paths(batch, densities, rows, [], "each group over draws of the style")


def _draw_panel(axes: Axes, z: Tensor, labels: Tensor | None, seed: int, title: str) -> None:
    scatter(axes, z.double().cpu().numpy(), None if labels is None else labels.cpu().numpy(), seed, PRINCIPAL)
    axes.set_title(title, fontsize=9)


def _share_limits(*panels: Axes) -> None:
    """The square that holds the points of all panels."""
    ends = [limit for axes in panels for limit in (*axes.get_xlim(), *axes.get_ylim())]
    widest = max(abs(end) for end in ends)
    for axes in panels:
        axes.set(xlim=(-widest, widest), ylim=(-widest, widest))
