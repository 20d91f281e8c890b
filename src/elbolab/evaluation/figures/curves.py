"""Numbers against optimiser steps, and against each other: curves, the KL of dimensions, two objectives of runs."""

import csv
from collections.abc import Collection, Iterable, Sequence
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from elbolab.common.kind import CURVES, curve_of, label_of
from elbolab.densities.latents import Undefined
from elbolab.evaluation.figures.looks import CATEGORIES, DATA, FAINT, MODEL, SEQUENCE, blank, simplify_axes

COLOURS = {"train": DATA, "val": MODEL}

COLUMNS = 4
"""Most panels beside each other."""

KL_TABLE = "kl_per_dim.csv"
"""File of a run with the KL over its training: columns step, epoch, and one a latent dimension, from 0; nats."""

TRANSIENT = 0.1
"""Share of the steps that may leave the panel: the first ones are hundreds of nats off."""

Curves = dict[str, tuple[NDArray, NDArray]]
"""Column -> (steps, values)."""


def read_metrics(path: Path) -> Curves:
    """The columns of a `metrics.csv`, each at the steps at which it has a value; empty ones are absent."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = [name for name in (rows[0] if rows else ()) if name not in ("step", "epoch")]
    filled = {name: np.array([(row["step"], row[name]) for row in rows if row[name]], float) for name in columns}
    return {name: (points[:, 0], points[:, 1]) for name, points in filled.items() if len(points)}


def loss_curves(path: Path) -> Figure:
    """Plots logged quantities of training and validation, with one panel for related ones: bounds, players' losses, ...

    The panels are those of `CURVES`, then one for each other quantity that validation reports. The loss has no panel
    where it equals another logged quantity, or minus it.

    Undefined where nothing has been logged.
    """
    curves = read_metrics(path) if path.exists() else {}
    panels = _panels(curves)
    if not panels:
        raise Undefined(f"no loss curves: {path} holds nothing of training or validation that has a panel")
    num_columns = min(COLUMNS, len(panels))
    num_rows = ceil(len(panels) / num_columns)
    figure = blank(2.9 * num_columns, 2.6 * num_rows)
    grid = figure.subplots(num_rows, num_columns, squeeze=False).flatten()
    for axes, (title, names) in zip(grid, panels.items(), strict=False):
        _draw_panel(axes, curves, title, names)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    return figure


def _panels(curves: Curves) -> dict[str, list[str]]:
    """The panels' titles with the names of what was logged for each, as ``elbo`` of ``train/elbo``."""
    logged = [column.partition("/") for column in curves]
    found: dict[str, list[str]] = {curve.panel: [] for curve in CURVES}
    for name in dict.fromkeys(name for split, _, name in logged if split in COLOURS):
        curve = curve_of(name)
        if curve in CURVES or f"val/{name}" in curves:
            found.setdefault(curve.panel, []).append(name)
    return {title: names for title, names in found.items() if names and not _says_nothing_new(curves, names)}


def _says_nothing_new(curves: Curves, names: list[str]) -> bool:
    """Whether the panel shows only the training loss, and another training curve equals the loss up to sign."""
    if names != ["loss"] or "val/loss" in curves:
        return False
    _, loss = curves["train/loss"]
    others = [values for column, (_, values) in curves.items() if column.startswith("train/") and values is not loss]
    return any(len(values) == len(loss) and np.allclose(abs(loss), abs(values), rtol=1e-4) for values in others)


def _draw_panel(axes: Axes, curves: Curves, title: str, names: list[str]) -> None:
    """Draws training as a line and validation, which has few points, with markers; colours tell curves apart."""
    alone = len(names) == 1
    shown = {(split, i): curves.get(f"{split}/{name}") for i, name in enumerate(names) for split in COLOURS}
    drawn = {place: curve for place, curve in shown.items() if curve is not None}
    for (split, i), (steps, values) in drawn.items():
        style: dict[str, Any] = {"marker": ".", "markersize": 4, "linestyle": "-" if alone else ":"}
        style = (style if split == "val" else {}) | {"label": split if alone else f"{split} {_word(names[i])}"}
        colour = COLOURS[split] if alone else colormaps[CATEGORIES](i % 10)
        axes.plot(steps, values, color=colour, linewidth=1.0, **style)
    axes.set_ylim(*_limits(drawn.values()))
    unit, title = curve_of(names[0]).kind.unit, _word(names[0]) if alone else title
    axes.set(xlabel="optimiser steps", title=f"{title} ({unit})" if unit else title)
    simplify_axes(axes)
    axes.legend(fontsize=8 if alone else 6.5, frameon=False)


def _word(name: str) -> str:
    return label_of(name, curve_of(name).kind.label).replace("elbo", "ELBO")


def _limits(shown: Collection[tuple[NDArray, NDArray]]) -> tuple[float | None, float | None]:
    """Limits that hold every finite value after the transient; none where nothing is left."""
    last = max(steps.max() for steps, _ in shown)
    late = np.concatenate([values[steps >= TRANSIENT * last] for steps, values in shown])
    late = late[np.isfinite(late)]
    if len(late) == 0 or late.min() == late.max():
        return None, None
    margin = 0.05 * (late.max() - late.min())
    return late.min() - margin, late.max() + margin


class Point(NamedTuple):
    """One run in the rate-distortion plane; rate and distortion in nats."""

    label: str
    rate: float
    distortion: float


def rate_distortion(points: Iterable[Point]) -> Figure:
    """Runs by rate and distortion (Alemi et al. 2018), with lines of equal -ELBO = rate + distortion."""
    ordered = sorted(points, key=lambda point: point.rate)
    rate, distortion = (np.array([getattr(point, name) for point in ordered]) for name in ("rate", "distortion"))
    figure = blank(4.4, 3.6)
    axes = simplify_axes(figure.subplots())
    axes.plot(rate, distortion, color=MODEL, marker="o", markersize=4, linewidth=1.0)
    for point in ordered:
        axes.annotate(point.label, point[1:], xytext=(6, 6), textcoords="offset points", fontsize=8)
    axes.margins(0.2)
    _draw_levels(axes, rate + distortion)
    axes.set_xlim(left=-0.03 * rate.max())  # no rate is negative
    axes.set(xlabel="rate (nats)", ylabel="distortion (nats)")
    return figure


def _draw_levels(axes: Axes, negative_elbo: NDArray) -> None:
    """A faint line for the -ELBO of every run; axis limits stay."""
    limits = axes.get_xlim(), axes.get_ylim()
    for level in negative_elbo:
        axes.axline((0, level), slope=-1, color=FAINT, linewidth=0.7, zorder=0)
    axes.set(xlim=limits[0], ylim=limits[1])
    best = negative_elbo.min()
    axes.axline((0, best), slope=-1, color=DATA, linewidth=0.9, zorder=0, label=f"$-$ELBO {best:.1f}, the best")
    axes.legend(fontsize=8, frameon=False)


def read_kl(path: Path) -> tuple[NDArray, NDArray]:
    """Steps (T,) and the KL of every dimension at each, (T, D); of a file that is not there, none."""
    rows = []
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as file:
            rows = [[float(value) for value in row] for row in list(csv.reader(file))[1:]]
    table = np.array(rows).reshape(len(rows), -1 if rows else 2)
    return table[:, 0], table[:, 2:]


def kl_map(path: Path) -> Figure:
    """A heat map: optimiser steps to the right, dimensions downwards by their last KL, the KL as colour.

    Undefined where fewer than two validations were recorded, or no KL per dimension.
    """
    steps, kl = read_kl(path)
    if len(steps) < 2 or kl.shape[1] == 0:
        raise Undefined(f"no KL over the training: {path} holds fewer than two validations")
    figure = blank(5.0, min(6.0, 1.6 + 0.06 * kl.shape[1]))
    axes = figure.subplots()
    order = np.argsort(-kl[-1], kind="stable")
    edges = np.concatenate([[min(0.0, steps[0] - 1)], steps])  # a validation stands for the steps before it
    mesh = axes.pcolormesh(edges, np.arange(len(order) + 1) + 0.5, kl[:, order].T, cmap=SEQUENCE, vmin=0)
    axes.invert_yaxis()
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set(xlabel="optimiser step", ylabel="latent dimension, by last KL")
    simplify_axes(axes)
    figure.colorbar(mesh, ax=axes, label="mean KL (nats)")
    return figure


def pareto(
    names: Sequence[str], trials: Sequence[Sequence[float]], front: Sequence[tuple[str, float, float]]
) -> Figure:
    """Every trial as a point, and the front: trials that no other one beats in both.

    Args:
        names: of the two objectives, (2,).
        trials: their values, (N, 2).
        front: label and values of each trial of the front.
    """
    figure = blank(4.4, 3.6)
    axes = simplify_axes(figure.subplots())
    x, y = zip(*trials, strict=True)
    axes.plot(x, y, color=FAINT, marker="o", markersize=3, linewidth=0)
    ordered = sorted(front, key=lambda point: point[1])
    axes.plot(*zip(*(point[1:] for point in ordered), strict=True), color=MODEL, marker="o", markersize=4, linewidth=1)
    for label, *point in ordered:
        axes.annotate(label, (point[0], point[1]), xytext=(5, 5), textcoords="offset points", fontsize=8)
    axes.margins(0.15)
    axes.set(xlabel=names[0], ylabel=names[1])
    return figure
