"""How a datum looks: images as tiles, points of the plane as points, other vectors as lines.

Shapes: R = rows, C = columns, N = data, ``*event`` = one datum's shape.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from math import ceil
from typing import final

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from elbolab.batch import Spec, Support
from elbolab.data.given import assemble

DATA, MODEL, FAINT = "0.35", "#c1440e", "0.8"
"""Colours: data, what a model makes of them, and what stays in the background."""

CATEGORIES = "tab10"
SEQUENCE = "viridis"

Size = tuple[float, float]


class Look(ABC):
    """How data of one kind are drawn.

    Attributes:
        num_samples: how many draws of a model make a picture.
        num_pairs: how many data are shown beside their reconstructions.
    """

    num_samples: int
    num_pairs: int

    @abstractmethod
    def samples(self, axes: Axes, drawn: Tensor, data: Tensor) -> None:
        """Draws samples of a model, (N, *event), and the data, (N, *event), where these help to judge the samples."""

    @abstractmethod
    def stages(self, axes: Axes, stages: Mapping[str, Tensor]) -> None:
        """The same data as they are and then as they become, (N, *event) each, under their names."""

    @abstractmethod
    def paths(self, axes: Axes, rows: Tensor, labels: Sequence[str]) -> None:
        """Rows of data (R, C, *event) that change little by little, a label each, none for no labels."""

    @abstractmethod
    def size(self, num_rows: int, num_columns: int) -> Size:
        """Inches that so many rows and columns want."""


class Cells(Look, ABC):
    """Data that are drawn each in a cell of their own."""

    num_samples = 100
    num_pairs = 36
    columns = 12

    @abstractmethod
    def cells(self, axes: Axes, rows: Tensor) -> NDArray:
        """Draws (R, C, *event) and returns the vertical centres of the rows."""

    @override
    def samples(self, axes: Axes, drawn: Tensor, data: Tensor) -> None:
        self.cells(axes, _fold(drawn, ceil(len(drawn) ** 0.5)))

    @override
    def stages(self, axes: Axes, stages: Mapping[str, Tensor]) -> None:
        columns = min(self.columns, *map(len, stages.values()))
        folded = torch.stack([_fold(stage, columns) for stage in stages.values()], dim=1)
        self.paths(axes, folded.flatten(0, 1), [*stages] * len(folded))

    @override
    def paths(self, axes: Axes, rows: Tensor, labels: Sequence[str]) -> None:
        centres = self.cells(axes, rows)
        if labels:
            axes.set_yticks(centres, labels, fontsize=8)
        axes.tick_params(length=0)

    @override
    def size(self, num_rows: int, num_columns: int) -> Size:
        """Half an inch a cell."""
        return 0.5 * num_columns, 0.5 * num_rows


@final
class Images(Cells):
    """Images (channels, height, width), and volumes (channels, depth, height, width), by their middle slice.

    Channels that are no colours are shown by their mean.

    Args:
        limits: the values shown as black and as white, in the units of the data.
        spec: how data are standardised, None where they are not.
    """

    def __init__(self, limits: tuple[float, float], spec: Spec | None = None) -> None:
        self.limits, self.spec = limits, spec

    @override
    def cells(self, axes: Axes, rows: Tensor) -> NDArray:
        """One picture of all tiles: a hundred axes would take seconds."""
        if rows.dim() == 6:
            rows = rows[:, :, :, rows.shape[3] // 2]
        if rows.shape[2] not in (1, 3):
            rows = rows.mean(2, keepdim=True)
        num_rows, num_columns, channels, height, width = rows.shape
        gap = max(1, height // 14)
        low, high = self.limits
        rows = rows if self.spec is None else self.spec.restore(rows)
        tiles = ((rows - low) / (high - low)).clamp(0, 1)
        padded = torch.nn.functional.pad(tiles, (0, gap, 0, gap), value=1.0)
        picture = padded.permute(0, 3, 1, 4, 2).reshape(num_rows * (height + gap), -1, channels)
        axes.imshow(picture[:-gap, :-gap].expand(-1, -1, 3).numpy(), interpolation="nearest")
        _hide_axes(axes)
        return np.arange(num_rows) * (height + gap) + (height - 1) / 2


@final
class Vectors(Cells):
    """Vectors, each as a line over the index of its elements; standardised ones as they are, on one scale."""

    @override
    def cells(self, axes: Axes, rows: Tensor) -> NDArray:
        """One collection of lines on a common scale, shifted to their cells."""
        lines = rows.flatten(2).double().numpy()
        num_rows, num_columns, length = lines.shape
        low, high = lines.min(), lines.max()
        x = np.linspace(0.08, 0.92, length) + np.arange(num_columns)[None, :, None]
        y = 0.1 + 0.8 * (lines - low) / max(high - low, 1e-12) + np.arange(num_rows)[::-1, None, None]
        segments = np.stack(np.broadcast_arrays(x, y), axis=-1).reshape(-1, length, 2)
        axes.add_collection(LineCollection(list(segments), colors=DATA, linewidths=0.8))
        axes.set(xlim=(0, num_columns), ylim=(0, num_rows))
        _hide_axes(axes)
        return np.arange(num_rows)[::-1] + 0.5


@final
class Points(Look):
    """Points of the plane, in the units of the data.

    Args:
        spec: how data are standardised, and what the axes are called.
    """

    num_samples = 2_000
    num_pairs = 300

    def __init__(self, spec: Spec) -> None:
        self.spec = spec

    @override
    def samples(self, axes: Axes, drawn: Tensor, data: Tensor) -> None:
        """Data and draws, one over the other."""
        data, drawn = self.spec.restore(data), self.spec.restore(drawn)
        axes.scatter(data[:, 0], data[:, 1], s=3, color=DATA, alpha=0.4, linewidths=0, label="data")
        axes.scatter(drawn[:, 0], drawn[:, 1], s=3, color=MODEL, alpha=0.4, linewidths=0, label="model")
        self._plane(axes, legend=True)

    @override
    def stages(self, axes: Axes, stages: Mapping[str, Tensor]) -> None:
        """The data, and what becomes of them, a line along the way of each."""
        stages = {name: self.spec.restore(stage) for name, stage in stages.items()}
        ways = torch.stack([*stages.values()], 1)
        axes.add_collection(LineCollection(list(ways.numpy()), colors=FAINT, linewidths=0.6))
        colours = [DATA, *["0.6"] * (len(stages) - 2), MODEL]
        for (name, xy), colour in zip(stages.items(), colours, strict=True):
            axes.scatter(xy[:, 0], xy[:, 1], s=3, color=colour, alpha=0.4, linewidths=0, label=name)
        self._plane(axes, legend=True)

    @override
    def paths(self, axes: Axes, rows: Tensor, labels: Sequence[str]) -> None:
        """A curve a row, from dark to light."""
        colours = colormaps[SEQUENCE](np.linspace(0, 0.9, len(rows)))
        for row, label, colour in zip(self.spec.restore(rows), labels or [""] * len(rows), colours, strict=True):
            axes.plot(row[:, 0], row[:, 1], color=colour, marker=".", markersize=3, linewidth=0.8, label=label)
        self._plane(axes, legend=0 < len(labels) <= 12)

    @override
    def size(self, num_rows: int, num_columns: int) -> Size:
        """A square, whatever the number of points."""
        return 4.0, 4.0

    def _plane(self, axes: Axes, *, legend: bool) -> None:
        """Labels the axes and gives both the same scale, unless the data were standardised."""
        xlabel, ylabel = self.spec.columns or ("$x_1$", "$x_2$")
        simplify_axes(axes).set(aspect="equal" if self.spec.scaling is None else "auto", xlabel=xlabel, ylabel=ylabel)
        if legend:
            axes.legend(fontsize=8, frameon=False, markerscale=2)


def look_of(spec: Spec, data: Tensor) -> Look:
    """Chooses how data of ``spec`` are drawn: as images (also if they are parts of images), points or vectors.

    The range of real-valued images is that of ``data``, examples (N, *event).
    """
    event = spec.x if spec.canvas is None else spec.canvas.image
    if len(event) not in (3, 4):
        return Points(spec) if spec.x == (2,) else Vectors()
    if spec.support is not Support.REAL:
        return Images((0.0, 1.0), spec)
    values = spec.restore(data)
    low, high = values.min().item(), values.max().item()
    return Images((low, high if high > low else low + 1), spec)


def assemble_whole(spec: Spec, x: Tensor, given: tuple[Tensor, ...]) -> Tensor:
    """The data x (*S, N, *event) to draw, on the CPU; a predicted part of an image is joined to the part seen."""
    return (x if spec.canvas is None else assemble(spec.canvas, x, given[0])).cpu()


def blank(width: float, height: float, title: str = "") -> Figure:
    """An empty figure, ``width`` by ``height`` inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    if title:
        figure.suptitle(title, fontsize=9)
    return figure


def simplify_axes(axes: Axes) -> Axes:
    """``axes`` without the upper and right border, with small text."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    for text in (axes.xaxis.label, axes.yaxis.label, axes.title):
        text.set_fontsize(9)
    return axes


def _fold(values: Tensor, columns: int) -> Tensor:
    """(N, *event) -> (R, columns, *event); what does not fill a row is left out."""
    num_rows = max(1, len(values) // columns)
    return values[: num_rows * columns].reshape(num_rows, -1, *values.shape[1:])


def _hide_axes(axes: Axes) -> None:
    """Removes frame and ticks, and puts the title next to the image."""
    axes.set_anchor("N")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
