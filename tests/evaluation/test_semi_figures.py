"""Pictures of a class held and a style changed, and the other way round."""

from functools import partial

import pytest
import torch
from tests.helpers import small_densities
from tests.models.registry import labelled, stacked
from torch.distributions import Normal

from elbolab.batch import Batch
from elbolab.densities.latents import Undefined
from elbolab.distributions.priors import Mixture
from elbolab.evaluation.figures import conditional, generative
from elbolab.evaluation.figures.conditional import analogies, class_manifolds
from elbolab.evaluation.figures.drawing import draw_all

BATCH = Batch(torch.eye(6))


@pytest.fixture
def drawn(monkeypatch):
    """The rows that are drawn."""
    rows = []
    look = type("Look", (), {"size": lambda *_: (2.0, 2.0), "paths": lambda self, axes, r, labels: rows.append(r)})
    for module in (conditional, generative):
        monkeypatch.setattr(module, "look_of", lambda *_: look())
    return rows


@pytest.mark.parametrize("build", [labelled, stacked])
def test_a_manifold_holds_the_class_and_walks_the_style_in_steps_of_probability(build, drawn):
    densities = build().eval()
    figure = class_manifolds(densities, BATCH, seed=0, side=3)
    assert len(figure.axes) == len(drawn) == 3
    assert [axes.get_title() for axes in figure.axes] == ["0", "1", "2"]
    z = Normal(0.0, 1.0).icdf(torch.tensor([0.02, 0.5, 0.98]))
    for k, rows in enumerate(drawn):
        assert rows.shape == (3, 3, 6)
        for i, j in ((0, 0), (0, 2), (2, 1)):  # the second dimension grows upwards
            code = torch.cat([torch.stack([z[j], z[2 - i]]), torch.eye(3)[k]])
            expected = densities.decode(code[None]).mean[0]
            torch.testing.assert_close(rows[i, j], expected)


@pytest.mark.parametrize("build", [labelled, stacked])
def test_an_analogy_is_the_style_of_a_datum_in_every_class(build, drawn):
    densities = build().eval()
    analogies(densities, BATCH, seed=0, num=4)
    (rows,) = drawn
    assert rows.shape == (4, 4, 6)
    assert torch.equal(rows[:, 0], BATCH.x[:4])
    z = densities.encode(BATCH.x[:4])[:, :2]
    for k in range(3):
        codes = torch.cat([z, torch.eye(3)[k].expand(4, -1)], dim=1)
        torch.testing.assert_close(rows[:, 1 + k], densities.decode(codes).mean)
    own = densities.log_class_probs(BATCH.x[:4]).argmax(1)
    reconstructions = densities.decode(densities.encode(BATCH.x[:4])).mean
    torch.testing.assert_close(rows[torch.arange(4), 1 + own], reconstructions)


def test_models_without_class_and_style_have_neither():
    for draw in (class_manifolds, analogies):
        with pytest.raises(Undefined, match="class from style"):
            draw(small_densities(), BATCH, seed=0)


def test_manifolds_need_a_plane_of_normal_styles():
    mixed = labelled(prior=partial(Mixture, num_components=2, spread=1.0))
    with pytest.raises(Undefined, match="no normal"):
        class_manifolds(mixed, BATCH, seed=0)


def test_both_are_among_all_pictures():
    figures = draw_all(labelled(), [BATCH], seed=0)
    assert figures.keys() >= {"class_manifolds", "analogies", "samples", "reconstructions", "traversals"}
    assert "analogies" not in draw_all(small_densities(), [BATCH], seed=0)
