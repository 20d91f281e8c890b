"""The KL of each latent dimension over the training: which dimensions are taken up, when, and which collapse."""

import csv
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from elbolab.densities.latents import Undefined
from elbolab.evaluation.figures.looks import SEQUENCE, blank, simplify_axes

KL_TABLE = "kl_per_dim.csv"
"""Its file in a run directory: columns step, epoch, and one a latent dimension, from 0; nats."""


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

    Raises:
        Undefined: fewer than two validations were recorded, or no KL per dimension.
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
