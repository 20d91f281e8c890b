"""Two objectives of a search against each other."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from elbolab.evaluation.figures.looks import FAINT, MODEL, blank, simplify_axes


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
