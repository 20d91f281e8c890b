"""Attributes changed one at a time."""

import torch
from matplotlib.figure import Figure

from elbolab.batch import Batch
from elbolab.densities.base import Densities
from elbolab.evaluation.editing import edit_attributes, set_value, sizes_of
from elbolab.evaluation.figures.looks import blank, look_of
from elbolab.evaluation.outputs import picture
from elbolab.evaluation.seeded import evaluating

COLUMNS = 10
"""Most values of an attribute that are shown."""


def edits(densities: Densities, batch: Batch, *, seed: int) -> Figure:
    """The first datum with one attribute at a time at values over its whole range, a row an attribute, datum first.

    Raises:
        Undefined: the conditions are no attributes, or the model has no prior of one layer.
    """
    sizes = sizes_of(densities.spec)
    x, y = batch.x[:1], batch.given[0][:1]
    with evaluating(densities, "edits figure", seed):
        rows = []
        for factor, size in enumerate(sizes):
            values = torch.linspace(0, size - 1, COLUMNS, device=x.device).round().long()
            wanted = set_value(y.expand(COLUMNS, -1), sizes, factor, values)
            p = edit_attributes(densities, x.expand(COLUMNS, *x.shape[1:]), (y.expand(COLUMNS, -1),), (wanted,))
            rows.append(torch.cat([x, picture(p)]))
    pictures = torch.stack(rows).cpu()
    look = look_of(densities.spec, batch.x.cpu())
    width, height = look.size(*pictures.shape[:2])
    figure = blank(width + 0.8, height + 0.5, "a datum, and one attribute at a time from its first to its last value")
    look.paths(figure.subplots(), pictures, [f"factor {factor}" for factor in range(len(sizes))])
    return figure
