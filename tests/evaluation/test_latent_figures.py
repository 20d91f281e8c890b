"""Colours of classes in pictures of codes."""

import numpy as np
import pytest
from matplotlib import colormaps

from elbolab.evaluation.figures.latent import PRINCIPAL, legend, scatter
from elbolab.evaluation.figures.looks import CATEGORIES, SEQUENCE, blank


@pytest.mark.parametrize("num", [1, 2, 10, 11, 20])
def test_every_class_has_a_colour_of_its_own_in_the_points_and_in_the_legend(num):
    """One of ten while they last, else a place on a scale that is used from end to end."""
    axes = blank(3, 3).subplots()
    y = np.arange(40) % num
    z = np.stack([y, np.arange(40)], 1).astype(float)
    scatter(axes, z, y, 0, PRINCIPAL)
    points = axes.collections[0]
    of_class = dict(
        zip(np.asarray(points.get_offsets())[:, 0], map(tuple, points.get_facecolors()[:, :3]), strict=True)
    )
    assert len(set(of_class.values())) == num
    scale = colormaps[CATEGORIES] if num <= 10 else colormaps[SEQUENCE]
    ends = (0, num - 1) if num <= 10 else (0.0, 1.0)
    assert [of_class[0], of_class[num - 1]] == [pytest.approx(scale(end)[:3]) for end in ends]
    legend(axes, list(range(num)))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [str(label) for label in range(num)]
    shown = [tuple(handle.get_facecolor()[0, :3]) for handle in axes.get_legend().legend_handles]
    assert shown == [of_class[label] for label in range(num)]
