"""Where a model puts data: codes in two dimensions, beside draws of the prior, and what each dimension carries.

Shapes: N = data, D = latent dimensions.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from torch import Tensor

from elbolab.batch import Batch
from elbolab.common.rng import numpy_generator, sklearn_seed
from elbolab.densities.base import Densities
from elbolab.densities.latents import Undefined
from elbolab.evaluation.aggregate import labelled_draws, match_codes
from elbolab.evaluation.batches import take_first
from elbolab.evaluation.figures.looks import CATEGORIES, DATA, MODEL, SEQUENCE, blank, simplify_axes
from elbolab.evaluation.representation import codes, kl_quantities
from elbolab.evaluation.seeded import evaluating

NUM_CODES = 3_000
"""Data whose codes are drawn: more only cover each other."""


class Projection(NamedTuple):
    """A way from D > 2 dimensions to 2: labels of the two coordinates, and (codes (N, D), seed) -> (N, 2)."""

    axes: tuple[str, str]
    project: Callable[[NDArray, int], NDArray]


PRINCIPAL = Projection(
    ("first principal component", "second principal component"),
    lambda z, _: PCA(2, svd_solver="full").fit_transform(z),
)
NEIGHBOURS = Projection(
    ("t-SNE 1", "t-SNE 2"), lambda z, seed: TSNE(2, random_state=sklearn_seed("t-SNE", seed)).fit_transform(z)
)


def latent_space(
    models: Mapping[str, Densities], batches: Iterable[Batch], *, seed: int, projection: Projection = PRINCIPAL
) -> Figure:
    """Codes coloured by label, a panel a model: as they are in one or two dimensions, else projected.

    Undefined where there is one datum, or a model without latents.
    """
    figure = blank(4.2 * len(models) + 0.6, 4.2)
    panels = figure.subplots(1, len(models), squeeze=False)[0]
    for axes, (name, densities) in zip(panels, models.items(), strict=True):
        z, y, _ = codes(densities, take_first(batches, NUM_CODES))
        if len(z) < 2 or z.shape[1] == 0:
            raise Undefined("no latent space: one code, or a code of no numbers, spans nothing")
        scatter(axes, z.double().numpy(), None if y is None else y.numpy(), seed, projection)
        axes.set_title(name, fontsize=9)
    legend(panels[-1], [] if y is None else np.unique(y.numpy()).tolist(), densities.spec.classes)
    return figure


def codes_and_prior(models: Mapping[str, Densities], batches: Iterable[Batch], *, seed: int) -> Figure:
    """Draws z ~ q(z | x) coloured by class, and beneath them as many of the prior, by its part where it has parts.

    Undefined where a model has no prior, or codes that are no points of the plane.
    """
    figure = blank(4.2 * len(models) + 0.6, 8.4)
    panels = figure.subplots(2, len(models), squeeze=False)
    for (top, bottom), (name, densities) in zip(panels.T, models.items(), strict=True):
        with evaluating(densities, "codes and prior", seed):
            match = match_codes(densities, take_first(batches, NUM_CODES))
            if match.z.shape[1] != 2 or len(match.z) < 2:
                raise Undefined("codes and prior are drawn in the plane")
            drawn, parts = (match.drawn, None) if match.p is None else labelled_draws(match.p, len(match.z))
        _draw_panel(top, match.z, match.y, seed, f"{name}: q(z)" if name else "q(z)")
        _draw_panel(bottom, drawn, parts, seed, f"{name}: p(z)" if name else "p(z)")
        _share_limits(top, bottom)
    legend(panels[0, -1], [] if match.y is None else match.y.unique().tolist(), densities.spec.classes)
    legend(panels[1, -1], [] if parts is None else parts.unique().tolist())
    return figure


def _draw_panel(axes: Axes, z: Tensor, labels: Tensor | None, seed: int, title: str) -> None:
    scatter(axes, z.double().cpu().numpy(), None if labels is None else labels.cpu().numpy(), seed, PRINCIPAL)
    axes.set_title(title, fontsize=9)


def _share_limits(*panels: Axes) -> None:
    """The square that holds the points of all panels."""
    ends = [limit for axes in panels for limit in (*axes.get_xlim(), *axes.get_ylim())]
    widest = max(abs(end) for end in ends)
    for axes in panels:
        axes.set(xlim=(-widest, widest), ylim=(-widest, widest))


def scatter(axes: Axes, z: NDArray, y: NDArray | None, seed: int, projection: Projection) -> None:
    """Codes z (N, D), coloured by labels y (N,) where there are any."""
    if z.shape[1] == 1:
        _histogram(axes, z[:, 0], y)
        return
    labels, xy = (("$z_0$", "$z_1$"), z) if z.shape[1] == 2 else (projection.axes, projection.project(z, seed))
    order = numpy_generator("order of points", seed).permutation(len(xy))  # so that no class covers the others
    classes = [] if y is None else np.unique(y).tolist()
    colours = [DATA] * len(xy) if y is None else [_colour(classes, label) for label in y]
    axes.scatter(xy[order, 0], xy[order, 1], s=5, c=[colours[i] for i in order], linewidths=0, alpha=0.8)
    simplify_axes(axes).set(xlabel=labels[0], ylabel=labels[1], box_aspect=1)
    axes.set_aspect("equal", adjustable="datalim")  # panels side by side are of one size


def _histogram(axes: Axes, z: NDArray, y: NDArray | None) -> None:
    """Codes of one dimension, stacked by class."""
    classes = [] if y is None else np.unique(y).tolist()
    parts = [z] if y is None else [z[y == label] for label in classes]
    axes.hist(parts, bins=60, stacked=True, color=[_colour(classes, label) for label in classes] or [DATA])
    simplify_axes(axes).set(xlabel="$z_0$", ylabel="number of data")


def _colour(classes: list, label: int) -> tuple:
    """One of ten colours, or a place on a scale where there are more classes."""
    index = classes.index(label)
    return colormaps[CATEGORIES](index) if len(classes) <= 10 else colormaps[SEQUENCE](index / (len(classes) - 1))


def legend(axes: Axes, classes: list, names: tuple[str, ...] = ()) -> None:
    """The classes beside the axes, at most twenty of them, by their names or numbers."""
    for label in classes if len(classes) <= 20 else ():
        axes.scatter([], [], s=20, color=_colour(classes, label), label=names[label] if names else str(label))
    if 0 < len(classes) <= 20:
        axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), handletextpad=0.1)


def kl_bars(densities: Densities, batches: Iterable[Batch], *, seed: int) -> Figure:
    """The mean KL of each latent dimension, largest first, and that of a class apart from them.

    Undefined where there is no KL per dimension.
    """
    found = kl_quantities(densities, batches, seed=seed)
    if "kl_per_dim" not in found:
        raise Undefined("no KL per dimension: no prior, or one of prior and posterior does not factorise")
    kl = np.sort(np.atleast_1d(found["kl_per_dim"].value))[::-1]
    of_class = np.atleast_1d(found["class_kl"].value) if "class_kl" in found else np.empty(0)
    figure = blank(min(8.0, 2.5 + 0.11 * (len(kl) + 2 * len(of_class))), 2.6)
    axes = figure.subplots()
    axes.bar(np.arange(1, len(kl) + 1), kl, color=DATA, width=0.8)
    axes.set(
        xlabel="latent dimension, by KL",
        ylabel="mean KL (nats)",
        title=f"rate {kl.sum() + of_class.sum():.2f} nats on {found['kl_per_dim'].n} data",
    )
    if len(of_class):
        axes.bar([len(kl) + 2], of_class, color=MODEL, width=0.8, label="the class")
        axes.legend(fontsize=8, frameon=False)
    simplify_axes(axes).xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure
