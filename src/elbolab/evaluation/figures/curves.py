"""Numbers against optimiser steps, and against each other."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from elbolab.densities.terms import Undefined
from elbolab.evaluation.figures.looks import DATA, FAINT, MODEL, blank, plain

PANELS = {
    "elbo": "ELBO",
    "dvae_bound": r"$L_\mathrm{dvae}$",
    "rate": "rate",
    "distortion": "distortion",
    "loss": "loss",
}
"""Quantities that have a panel, in this order."""

COLOURS = {"train": DATA, "val": MODEL}

TRANSIENT = 0.1
"""Share of the steps that may leave the panel: the first ones are hundreds of nats off."""

Curves = dict[str, tuple[NDArray, NDArray]]
"""Column -> (steps, values)."""


def read_metrics(path: Path) -> Curves:
    """The columns of a `metrics.csv`, each at the steps at which it has a value; empty ones are absent."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = [name for name in (rows[0] if rows else ()) if name not in ("step", "epoch")]
    return {name: _column(rows, name) for name in columns if any(row[name] for row in rows)}


def _column(rows: list[dict], name: str) -> tuple[NDArray, NDArray]:
    filled = [(float(row["step"]), float(row[name])) for row in rows if row[name]]
    steps, values = np.array(filled).reshape(-1, 2).T
    return steps, values


def loss_curves(path: Path) -> Figure:
    """Bounds, rate, distortion and loss of training and validation, a panel each; no loss where it is minus a bound.

    Raises:
        Undefined: nothing has been logged.
    """
    curves = read_metrics(path) if path.exists() else {}
    names = [name for name in PANELS if any(f"{split}/{name}" in curves for split in COLOURS)]
    if any(_loss_is_minus(curves, bound) for bound in ("elbo", "dvae_bound")):
        names.remove("loss")
    if not names:
        raise Undefined(f"no loss curves: {path} holds none of {', '.join(PANELS)}")
    figure = blank(2.9 * len(names), 2.6)
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        _panel(axes, curves, name)
    return figure


def _loss_is_minus(curves: Curves, bound: str) -> bool:
    if not {"train/loss", f"train/{bound}"} <= curves.keys():
        return False
    (_, loss), (_, values) = curves["train/loss"], curves[f"train/{bound}"]
    return len(loss) == len(values) and np.allclose(loss, -values, rtol=1e-4)


def _panel(axes: Axes, curves: Curves, name: str) -> None:
    """Training as a line, validation with its points: it has few."""
    shown = {split: curves[f"{split}/{name}"] for split in COLOURS if f"{split}/{name}" in curves}
    for split, (steps, values) in shown.items():
        marker = "." if split == "val" else ""
        axes.plot(steps, values, color=COLOURS[split], linewidth=1.0, marker=marker, markersize=4, label=split)
    axes.set_ylim(*_limits(shown))
    axes.set(xlabel="optimiser steps", title=f"{PANELS[name]} (nats)")
    plain(axes)
    axes.legend(fontsize=8, frameon=False)


def _limits(shown: Mapping[str, tuple[NDArray, NDArray]]) -> tuple[float | None, float | None]:
    """Limits that hold every finite value after the transient; none where nothing is left."""
    last = max(steps.max() for steps, _ in shown.values())
    late = np.concatenate([values[steps >= TRANSIENT * last] for steps, values in shown.values()])
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
    axes = plain(figure.subplots())
    axes.plot(rate, distortion, color=MODEL, marker="o", markersize=4, linewidth=1.0)
    for point in ordered:
        axes.annotate(point.label, point[1:], xytext=(6, 6), textcoords="offset points", fontsize=8)
    axes.margins(0.2)
    _levels(axes, rate + distortion)
    axes.set_xlim(left=-0.03 * rate.max())  # no rate is negative
    axes.set(xlabel="rate (nats)", ylabel="distortion (nats)")
    return figure


def _levels(axes: Axes, negative_elbo: NDArray) -> None:
    """A faint line for the -ELBO of every run; axis limits stay."""
    limits = axes.get_xlim(), axes.get_ylim()
    for level in negative_elbo:
        axes.axline((0, level), slope=-1, color=FAINT, linewidth=0.7, zorder=0)
    axes.set(xlim=limits[0], ylim=limits[1])
    best = negative_elbo.min()
    axes.axline((0, best), slope=-1, color=DATA, linewidth=0.9, zorder=0, label=f"$-$ELBO {best:.1f}, the best")
    axes.legend(fontsize=8, frameon=False)
