"""Pictures: which exist, what they show, and what they leave out."""

from functools import partial

import numpy as np
import pytest
import torch
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.image import imread
from tests.helpers import refused
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from elbolab.batch import Batch, Spec, Support
from elbolab.densities.latents import Undefined
from elbolab.densities.layer import Layer, single_layer
from elbolab.densities.wiring import autoencoder
from elbolab.distributions.conditional import Conditional, Head, StandardNormal
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.distributions.point_mass import Deterministic
from elbolab.evaluation.figures.drawing import draw_all, gather, sample_arrays, write_figures
from elbolab.evaluation.figures.generative import ends_of, importance_of, manifold, samples, traversals
from elbolab.evaluation.figures.latent import NEIGHBOURS, kl_bars, latent_space
from elbolab.evaluation.figures.looks import Images, Points, Vectors, blank, look_of
from elbolab.evaluation.outputs import output_of
from elbolab.nets.mlp import MLP

NET = partial(MLP, hidden=[], activation="Tanh", init="glorot")
SEED = 0

SPECS = {
    "grey": Spec((1, 6, 5), Support.BINARY, 2),
    "colour": Spec((3, 6, 5), Support.UNIT),
    "many channels": Spec((2, 3, 3), Support.REAL),
    "volumes": Spec((2, 4, 3, 3), Support.REAL),
    "points": Spec((2,), Support.REAL),
    "vectors": Spec((7,), Support.REAL),
    "conditional": Spec((1, 6, 5), Support.BINARY, 2, given=((3,),)),
}


HEAD = partial(Head, net=NET)


def likelihood_for(spec: Spec):
    return partial(HEAD, family=Bernoulli if spec.support is Support.BINARY else DiagonalNormal)


def build(spec: Spec, latent_dim=2) -> Layer:
    return single_layer(spec, latent_dim, StandardNormal, partial(HEAD, family=DiagonalNormal), likelihood_for(spec))


def code_alone(spec: Spec, latent_dim=2) -> Layer:
    """A code without a prior."""
    return autoencoder(spec, latent_dim, None, partial(HEAD, family=Deterministic), likelihood_for(spec))


def data(spec: Spec, num=60) -> list[Batch]:
    x = torch.rand(num, *spec.x)
    x = x.round() if spec.support is Support.BINARY else x
    given = tuple(torch.rand(num, *shape) for shape in spec.given)
    y = torch.arange(num) % 3
    whole = Batch(x, given, y)
    return [Batch(x[s], tuple(g[s] for g in whole.given), y[s]) for s in (slice(0, 40), slice(40, num))]


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def content(figure: Figure) -> np.ndarray:
    """All numbers that a figure draws: pixels, points, lines and heights of bars."""
    parts = []
    for axes in figure.axes:
        parts += [image.get_array() for image in axes.images]
        parts += [part.get_offsets() for part in axes.collections if isinstance(part, PathCollection)]
        parts += [s for part in axes.collections if isinstance(part, LineCollection) for s in part.get_segments()]
        parts += [line.get_xydata() for line in axes.lines] + [
            patch.get_extents().get_points() for patch in axes.patches
        ]
    return np.concatenate([np.ma.filled(np.ma.asarray(part, float), np.nan).ravel() for part in parts])


def picture(figure: Figure) -> np.ndarray:
    return figure.axes[0].images[0].get_array()


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_every_figure_exists_for_data_of_every_kind(spec, tmp_path):
    figures = draw_all(build(spec), data(spec), seed=SEED)
    drawn = [
        "samples",
        "reconstructions",
        "interpolations",
        "traversals",
        "latent_space",
        "codes_and_prior",
        "manifold",
        "kl_per_dim",
    ]
    figures.pop("posterior_and_truth", None)  # where posteriors fit its grid: test_quadrature.py
    assert list(figures) == drawn
    others = draw_all(build(spec), data(spec), seed=SEED)
    for name, figure in figures.items():
        shown, other = content(figure), content(others[name])
        assert np.isfinite(shown).any(), name
        assert not np.array_equal(shown, other, equal_nan=True), f"{name} does not depend on the model"
    pictures = [imread(path) for path in write_figures(figures, tmp_path, dpi=20)]
    assert all(np.ptp(picture[..., :3]) > 0.1 for picture in pictures)
    assert len(list(tmp_path.iterdir())) == len(drawn)


def test_figures_that_do_not_exist_are_left_out(tmp_path):
    model = code_alone(SPECS["grey"], latent_dim=3)
    figures = draw_all(model, data(model.spec), tmp_path / "metrics.csv", seed=SEED)
    assert list(figures) == ["samples", "reconstructions", "interpolations", "traversals", "latent_space"]
    assert "Gaussian fitted to the codes" in figures["samples"].axes[0].get_title()


def test_errors_of_a_model_are_not_swallowed():
    class Broken(Conditional):
        def forward(self, *parents):
            raise NotImplementedError("a bug, not an undefined quantity")

    model = build(SPECS["grey"])
    model.prior = Broken()
    with pytest.raises(NotImplementedError, match="a bug"):
        draw_all(model, data(SPECS["grey"]), seed=SEED)


def test_few_data_are_enough():
    spec = SPECS["grey"]
    assert "interpolations" in draw_all(build(spec), data(spec, 41), seed=SEED)


@pytest.mark.parametrize("latent_dim", [2, 3])
@pytest.mark.parametrize("make", [build, code_alone])
def test_one_datum_has_the_figures_that_need_no_other(make, latent_dim):
    spec = SPECS["grey"]
    batches = [batch for batch in data(spec, 1) if len(batch.x) > 0]
    figures = draw_all(make(spec, latent_dim), batches, seed=SEED)
    assert {"samples", "reconstructions", "traversals"} <= figures.keys()
    assert not figures.keys() & {"interpolations", "latent_space"}


def test_the_same_seed_gives_the_same_picture_and_leaves_the_generator_alone(tmp_path):
    model, batches = build(SPECS["grey"]), data(SPECS["grey"])
    state = torch.get_rng_state()
    first = draw_all(model, batches, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    again, other = (draw_all(model, batches, seed=seed) for seed in (3, 4))
    assert np.array_equal(picture(first["samples"]), picture(again["samples"]))
    assert not np.array_equal(picture(first["samples"]), picture(other["samples"]))


def test_reconstructions_show_data_above_what_the_model_makes_of_them():
    model, (batch, _) = build(SPECS["grey"]), data(SPECS["grey"])
    shown = picture(draw_all(model, [batch], seed=SEED)["reconstructions"])[..., 0]
    mean = model.decode(model.encode(batch.x)).mean.detach()
    for column in range(12):
        place = slice(6 * column, 6 * column + 5)
        np.testing.assert_allclose(shown[0:6, place], batch.x[column, 0])
        np.testing.assert_allclose(shown[7:13, place], mean[column, 0], atol=1e-6)


VOLUME = Spec((3,), Support.REAL)


class Around(Conditional):
    """N(z, 1)."""

    def forward(self, *parents: Tensor) -> Distribution:
        (z,) = parents
        return Independent(Normal(z, torch.ones_like(z)), 1)


class Elsewhere(Conditional):
    """N((0, 3, 1), 1), whatever x."""

    def forward(self, *parents: Tensor) -> Distribution:
        loc = torch.tensor([0.0, 3.0, 1.0]).expand_as(parents[0])
        return Independent(Normal(loc, torch.ones_like(loc)), 1)


def three_rates() -> Layer:
    """Dimensions with rates 0, 4.5 and 0.5."""
    return single_layer(VOLUME, 3, StandardNormal, lambda *_: Elsewhere(), lambda *_: Around())


def test_traversals_order_dimensions_by_kl_and_walk_the_prior():
    model, batch = three_rates(), gather(data(VOLUME), 20)
    importance, measure = importance_of(model, batch)
    torch.testing.assert_close(importance.detach(), torch.tensor([0.0, 4.5, 0.5]))
    assert measure == "mean KL (nats)"
    low, high, _ = ends_of(model, batch)
    torch.testing.assert_close(torch.stack([low, high]), torch.tensor([[-3.0] * 3, [3.0] * 3]))
    axes = traversals(model, batch, seed=SEED).axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert [label[:6] for label in labels] == ["$z_{1}", "$z_{2}", "$z_{0}"]


def test_a_traversal_changes_one_dimension_at_a_time(monkeypatch):
    seen = {}
    note = lambda model, z, batch: seen.setdefault("z", z)  # noqa: E731
    monkeypatch.setattr("elbolab.evaluation.figures.generative.decode_walk", note)
    ends = torch.tensor([[-1.0, -2.0, -3.0], [1.0, 2.0, 3.0]])
    monkeypatch.setattr("elbolab.evaluation.figures.generative.ends_of", lambda model, batch: (*ends, ""))
    traversals(three_rates(), gather(data(VOLUME), 20), seed=SEED)
    for row, dim in zip(seen["z"], (1, 2, 0), strict=True):
        torch.testing.assert_close(row[:, dim], torch.linspace(-dim - 1, dim + 1, 11))
        others = [d for d in range(3) if d != dim]
        torch.testing.assert_close(row[:, others], torch.tensor([0.0, 3.0, 1.0])[others].expand(11, 2))


def test_manifold_steps_are_equal_in_probability(monkeypatch):
    seen = {}
    monkeypatch.setattr(
        "elbolab.evaluation.figures.generative.decode_walk",
        lambda model, z, batch: seen.setdefault("z", z)[..., None, :1, None].expand(*z.shape[:2], 1, 6, 5),
    )
    model = build(SPECS["grey"])
    manifold(model, gather(data(model.spec), 20), seed=SEED, side=9)
    levels = Normal(0.0, 1.0).cdf(seen["z"])
    torch.testing.assert_close(levels[0, :, 0], torch.linspace(0.02, 0.98, 9), atol=1e-4, rtol=0)
    torch.testing.assert_close(levels[:, 0, 1], torch.linspace(0.98, 0.02, 9), atol=1e-4, rtol=0)


def test_only_planes_have_a_manifold():
    model = build(SPECS["grey"], 3)
    with pytest.raises(Undefined, match="no plane"):
        manifold(model, gather(data(model.spec), 20), seed=SEED)


def test_models_stand_side_by_side():
    spec = SPECS["grey"]
    models = {"AE": code_alone(spec), "VAE": build(spec)}
    spaces = latent_space(models, data(spec), seed=SEED)
    assert [axes.get_title() for axes in spaces.axes] == ["AE", "VAE"]
    decodes = samples(models, gather(data(spec), 30), seed=SEED)
    assert [axes.get_title()[:4] for axes in decodes.axes] == ["AE: ", "VAE:"]


@pytest.mark.parametrize(("latent_dim", "label"), [(1, "$z_0$"), (2, "$z_0$"), (4, "first principal component")])
def test_latent_space_names_its_axes(latent_dim, label):
    figure = latent_space({"": build(SPECS["grey"], latent_dim)}, data(SPECS["grey"]), seed=SEED)
    assert figure.axes[0].get_xlabel() == label
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["0", "1", "2"]


def test_codes_in_the_plane_are_shown_as_they_are():
    model, batches = build(SPECS["grey"]), data(SPECS["grey"])
    points = latent_space({"": model}, batches, seed=SEED).axes[0].collections[0].get_offsets()
    codes = torch.cat([model.encode(batch.x) for batch in batches]).detach().numpy()
    np.testing.assert_allclose(np.sort(points, axis=0), np.sort(codes, axis=0), rtol=1e-5)


def test_neighbours_can_be_asked_for():
    figure = latent_space({"": build(SPECS["grey"], 3)}, data(SPECS["grey"]), seed=SEED, projection=NEIGHBOURS)
    assert figure.axes[0].get_xlabel() == "t-SNE 1"


def test_unlabelled_and_many_classes_have_no_legend():
    spec = SPECS["grey"]
    x = torch.rand(60, *spec.x).round()
    for y in (None, torch.arange(60)):
        figure = latent_space({"": build(spec)}, [Batch(x, y=y)], seed=SEED)
        assert figure.axes[0].get_legend() is None


def test_kl_bars_fall_and_sum_to_the_rate():
    axes = kl_bars(three_rates(), data(VOLUME), seed=SEED).axes[0]
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([4.5, 0.5, 0.0])
    assert axes.get_title() == "rate 5.00 nats on 60 data"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("grey", Images),
        ("colour", Images),
        ("many channels", Images),
        ("volumes", Images),
        ("vectors", Vectors),
        ("points", Points),
    ],
)
def test_data_are_drawn_by_their_shape(name, kind):
    assert isinstance(look_of(SPECS[name], torch.rand(5, *SPECS[name].x)), kind)


def test_images_of_real_numbers_are_scaled_by_the_data():
    look = look_of(Spec((1, 2, 2), Support.REAL), torch.tensor([-2.0, 0.0, 0.0, 6.0]).view(1, 1, 2, 2))
    axes = blank(1, 1).subplots()
    look.paths(axes, torch.tensor([-2.0, 2.0, 6.0, 9.0]).view(1, 1, 1, 2, 2), [])
    np.testing.assert_allclose(axes.images[0].get_array()[..., 0], [[0, 0.5], [1, 1]])


def test_volumes_are_drawn_by_their_middle_slice_and_channels_without_colours_by_their_mean():
    x, axes = torch.rand(1, 1, 2, 5, 3, 4), blank(1, 1).subplots()
    Images((0.0, 1.0)).paths(axes, x, [])
    np.testing.assert_allclose(axes.images[0].get_array()[..., 0], x[0, 0, :, 2].mean(0), atol=1e-6)


def test_points_of_a_table_have_the_names_of_its_columns():
    axes = blank(1, 1).subplots()
    look_of(Spec((2,), Support.REAL, columns=("age", "income")), torch.rand(5, 2)).paths(axes, torch.rand(1, 3, 2), [])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("age", "income")


def test_tiles_are_in_reading_order():
    axes = blank(1, 1).subplots()
    values = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 1, 3, 3) / 4
    Images((0.0, 1.0)).samples(axes, values, values)
    np.testing.assert_allclose(axes.images[0].get_array()[::4, ::4, 0], [[0, 0.25], [0.5, 0.75]])


@pytest.mark.parametrize("name", ["grey", "conditional"])
@pytest.mark.parametrize("make", [build, code_alone])
def test_sample_arrays_have_the_shape_of_the_data(name, make):
    model = make(SPECS[name])
    arrays = sample_arrays(model, data(model.spec), num=70, seed=SEED)
    assert {key: value.shape for key, value in arrays.items()} == dict.fromkeys(("samples", "means"), (70, 1, 6, 5))
    assert set(np.unique(arrays["samples"])) == {0.0, 1.0}
    again = sample_arrays(model, data(model.spec), num=70, seed=SEED)
    assert again["samples"].shape == arrays["samples"].shape


@pytest.mark.parametrize("what", ["mean", "sample"])
def test_pictures_of_samples_show_what_is_asked_for(what):
    """Of bits: draws are black or white, means are grey."""
    model = build(SPECS["conditional"])
    figure = samples({"": model}, gather(data(model.spec), 30), seed=SEED, what=what)
    assert (len(np.unique(figure.axes[0].images[0].get_array())) > 3) == (what == "mean")


def test_arrays_of_one_kind_alone():
    model = build(SPECS["grey"])
    both = sample_arrays(model, data(model.spec), num=5, seed=SEED)
    for what, name in (("mean", "means"), ("sample", "samples")):
        arrays = sample_arrays(model, data(model.spec), num=5, seed=SEED, what=what)
        np.testing.assert_array_equal(arrays.pop(name), both[name])
        assert arrays == {}


class Nowhere(Distribution):
    """Has neither a mean nor draws."""

    arg_constraints = {}


@pytest.mark.parametrize(("what", "other"), [("mean", "sample"), ("sample", "mean")])
def test_a_likelihood_that_has_none_says_so(what, other):
    with refused(f"what={what}: Nowhere .*: set what={other}"):
        output_of(what)(Nowhere())


def test_files_replace_each_other_whole(tmp_path):
    figure = blank(1, 1)
    (path,) = write_figures({"a": figure}, tmp_path / "new", dpi=20)
    write_figures({"a": figure}, tmp_path / "new", dpi=20)
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == [path.name] == ["a.png"]
