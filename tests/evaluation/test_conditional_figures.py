"""Pictures of conditional models: a class a column, styles, completions."""

from functools import partial

import numpy as np
import pytest
import torch
from tests.helpers import BITS, mlp, refused
from tests.models.registry import class_autoencoder, group_autoencoder, make, stacked
from tests.models.registry import labelled as latent_class

from elbolab.batch import Batch, Canvas, Spec, Support, name_by_number
from elbolab.common.rng import isolated_rng, seed_of
from elbolab.data.given import assemble, seen_mask
from elbolab.densities.latents import Undefined
from elbolab.densities.layer import single_layer
from elbolab.densities.recurrent import recurrent_layer
from elbolab.densities.stacked import Stacked
from elbolab.densities.wiring import autoencoder, regression
from elbolab.distributions.conditional import Head, StandardNormal
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.distributions.point_mass import Deterministic
from elbolab.distributions.priors import ClassCentres
from elbolab.evaluation.figures.conditional import completions, first_of_each, samples_by_label, style_transfer
from elbolab.evaluation.figures.drawing import draw_all, sample_arrays
from elbolab.evaluation.figures.generative import samples

NORMAL, BERNOULLI = (partial(Head, net=mlp(5), family=family) for family in (DiagonalNormal, Bernoulli))
LABELS = Spec((1, 6, 5), Support.BINARY, 2, given=((3,),), classes=name_by_number(3), given_is_label=True)
CANVAS = Canvas((1, 6, 4), 1)
PARTS = Spec((18,), Support.BINARY, 2, given=((6,),), canvas=CANVAS)
PRIORS = {"fixed": StandardNormal, "centres": partial(ClassCentres, spread=1.0), "network": NORMAL}
ALWAYS = ["samples", "reconstructions", "interpolations", "traversals", "latent_space", "codes_and_prior"]
ALWAYS += ["posterior_and_truth", "manifold"]


def data(spec, num=60):
    y = torch.arange(num) % 3
    given = tuple(torch.eye(3)[y] if shape == (3,) else torch.rand(num, *shape).round() for shape in spec.given)
    return Batch(torch.rand(num, *spec.x).round(), given, y)


def labelled(prior=StandardNormal, spec=LABELS):
    return single_layer(spec, 2, prior, NORMAL, BERNOULLI)


def recurrent():
    return recurrent_layer(PARTS, 2, NORMAL, NORMAL, BERNOULLI, baseline=regression(PARTS, None, None, BERNOULLI))


def tiles(figure, rows, columns, height, width):
    """The tiles of a picture, (rows, columns, height, width)."""
    picture = figure.axes[0].images[0].get_array()[..., 0]
    cut = lambda i, size: slice(i * (size + 1), i * (size + 1) + size)  # noqa: E731
    return np.array([[picture[cut(r, height), cut(c, width)] for c in range(columns)] for r in range(rows)])


def test_models_of_labels_have_their_pictures():
    figures = draw_all(labelled(), [data(LABELS)], seed=0)
    assert list(figures) == [*ALWAYS, "samples_by_label", "style_transfer", "kl_per_dim"]


def test_models_of_parts_have_theirs_and_show_whole_images():
    figures = draw_all(recurrent(), [data(PARTS)], seed=0)
    assert list(figures) == [*ALWAYS, "completions", "kl_per_dim"]
    for name in ("samples", "reconstructions", "interpolations", "traversals", "manifold", "completions"):
        assert len(figures[name].axes[0].images) == 1, name


def test_a_regression_shows_what_it_predicts_and_no_latents():
    figures = draw_all(regression(PARTS, None, None, BERNOULLI), [data(PARTS)], seed=0)
    assert list(figures) == ["samples", "reconstructions"]
    assert figures["samples"].axes[0].get_title() == "p(x | c)"
    assert list(draw_all(regression(LABELS, None, None, BERNOULLI), [data(LABELS)], seed=0)) == [
        "samples",
        "reconstructions",
        "samples_by_label",
    ]


def test_a_conditional_autoencoder_transfers_styles_and_draws_nothing():
    model = autoencoder(LABELS, 2, None, partial(Head, net=mlp(5), family=Deterministic), BERNOULLI)
    figures = draw_all(model, [data(LABELS)], seed=0)
    assert "style_transfer" in figures
    assert "samples_by_label" not in figures


@pytest.mark.parametrize(("what", "is_drawn"), [(None, False), ("mean", False), ("sample", True)])
def test_samples_of_a_class_are_means_or_draws(what, is_drawn):
    drawn = tiles(samples_by_label(labelled(), data(LABELS), seed=5, num=4, what=what), 4, 3, 6, 5)
    assert (set(np.unique(drawn)) == {0.0, 1.0}) == is_drawn


def test_classes_are_called_by_their_names():
    spec = LABELS._replace(classes=("ape", "cat", "dog"))
    figures = draw_all(labelled(spec=spec), [data(spec)], seed=0)
    for name in ("samples_by_label", "style_transfer"):
        assert ", ape, cat, dog" in figures[name].get_suptitle(), name
    for name in ("latent_space", "codes_and_prior"):
        assert [text.get_text() for text in figures[name].axes[0].get_legend().get_texts()] == ["ape", "cat", "dog"]


@pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)
def test_rows_share_the_noise_and_columns_the_class(prior):
    model, num = labelled(prior), 4
    drawn = tiles(samples_by_label(model, data(LABELS), seed=5, num=num), num, 3, 6, 5)
    noise = None
    for c in range(3):
        label = torch.eye(3)[c].expand(num, 3)
        with isolated_rng(torch.device("cpu"), seed_of("samples by label", 5)):
            z = model.prior(label[:1]).sample((num,))[:, 0]
        p = model.prior(label).base_dist
        eps = (z - p.mean) / p.stddev
        noise = eps if noise is None else noise
        torch.testing.assert_close(eps, noise, rtol=0, atol=1e-5)
        np.testing.assert_allclose(drawn[:, c], model.decode(z, label).mean[:, 0].detach(), atol=1e-6)


@pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)
def test_a_style_keeps_its_noise_and_takes_every_label(prior):
    model, batch = labelled(prior), data(LABELS)
    drawn = tiles(style_transfer(model, batch, seed=0), 3, 4, 6, 5)
    own = batch.given[0][:3]
    z, p = model.encode(batch.x[:3], own), model.prior(own).base_dist
    np.testing.assert_allclose(drawn[:, 0], batch.x[:3, 0])
    for c in range(3):
        label = torch.eye(3)[c].expand(3, 3)
        there = model.prior(label).base_dist
        mean = model.decode(there.mean + there.stddev * (z - p.mean) / p.stddev, label).mean[:, 0].detach()
        np.testing.assert_allclose(drawn[:, 1 + c], mean, atol=1e-6)


def test_the_first_datum_of_each_class_is_chosen():
    assert first_of_each(torch.tensor([2, 2, 0, 7, 0])).tolist() == [2, 0, 3]


def test_completions_show_the_image_what_is_seen_the_guess_and_eight_draws():
    model, batch = recurrent(), data(PARTS)
    figure = completions(model, batch, seed=5)
    drawn = tiles(figure, 10, 11, 6, 4)
    x, seen = batch.x[:10], batch.given[0][:10]
    whole = lambda part: assemble(CANVAS, part, seen)[:, 0].detach().numpy()  # noqa: E731
    np.testing.assert_allclose(drawn[:, 0], whole(x))
    np.testing.assert_allclose(drawn[:, 1], whole(torch.full_like(x, 0.5)))
    np.testing.assert_allclose(drawn[:, 2], whole(model.first_guess(seen)), atol=1e-6)
    with isolated_rng(torch.device("cpu"), seed_of("completions", 5)):
        model.first_guess(seen)
        means = model.generate(8, seen).mean
    for i in range(8):
        np.testing.assert_allclose(drawn[:, 3 + i], whole(means[i]), atol=1e-6)
    assert "the baseline's guess, and 8 completions" in figure.get_suptitle()
    alone = single_layer(PARTS, 2, NORMAL, NORMAL, BERNOULLI)
    assert "guess" not in completions(alone, batch, seed=5).get_suptitle()


def test_reconstructions_stand_beside_what_was_seen():
    model, batch = recurrent(), data(PARTS)
    drawn = tiles(draw_all(model, [batch], seed=0)["reconstructions"], 2, 12, 6, 4)
    x, given = batch.x[:12], batch.given[0][:12]
    mean = model.decode(model.encode(x, given), given).mean
    np.testing.assert_allclose(drawn[0], assemble(CANVAS, x, given)[:, 0])
    np.testing.assert_allclose(drawn[1], assemble(CANVAS, mean, given)[:, 0].detach(), atol=1e-6)


def test_samples_complete_what_is_seen_of_the_data_in_turn():
    batch = data(PARTS)
    drawn = tiles(draw_all(recurrent(), [batch], seed=0)["samples"], 10, 10, 6, 4)
    seen = seen_mask(CANVAS)[0].numpy()
    wanted = batch.given[0][torch.arange(100) % 60].view(10, 10, 6)
    np.testing.assert_allclose(drawn[..., seen], wanted)


@pytest.mark.parametrize(
    ("spec", "given"),
    [
        (LABELS, torch.rand(60, 3)),
        (LABELS._replace(classes=()), torch.eye(3)[torch.arange(60) % 3]),
        (Spec((2,), Support.BINARY, 2, given=((3,),), classes=name_by_number(3)), torch.eye(3)[torch.arange(60) % 3]),
    ],
    ids=["no labels", "no classes", "points"],
)
def test_without_labels_or_cells_there_is_no_grid_of_classes(spec, given):
    batch = Batch(torch.rand(60, *spec.x).round(), (given,))
    for figure in (samples_by_label, style_transfer):
        with pytest.raises(Undefined, match="no (classes|grid)"):
            figure(labelled(spec=spec), batch, seed=0)


def test_whole_data_have_no_completions():
    with pytest.raises(Undefined, match="no parts of images"):
        completions(labelled(), data(LABELS), seed=0)


@pytest.mark.parametrize(
    ("classes", "label"), [(name_by_number(3), 2), (("cat", "ape", "dog"), "dog"), (("1", "2", "0"), 0)]
)
def test_arrays_of_a_label_are_drawn_under_it(classes, label):
    spec = LABELS._replace(classes=classes)
    model = labelled(spec=spec)
    arrays = sample_arrays(model, [data(spec)], num=5, seed=3, label=label)
    with isolated_rng(torch.device("cpu"), seed_of("samples", 3)):
        p = model.generate(1, torch.eye(3)[2].expand(5, 3))
    np.testing.assert_allclose(arrays["means"], p.mean[0].detach(), atol=1e-6)
    assert arrays["samples"].shape == (5, 1, 6, 5)


def test_the_picture_of_samples_is_drawn_under_the_label_too():
    model, batch = labelled(), data(LABELS)
    drawn, others = (draw_all(model, [batch], seed=0, label=label)["samples"] for label in (2, None))
    of_label = samples({"": model}, batch._replace(given=(torch.eye(3)[2].expand(60, 3),)), seed=0)
    picture = lambda figure: figure.axes[0].images[0].get_array()  # noqa: E731
    np.testing.assert_array_equal(picture(drawn), picture(of_label))
    assert not np.array_equal(picture(drawn), picture(others))


@pytest.mark.parametrize(
    ("model", "spec", "label", "message"),
    [
        (labelled, LABELS, 3, "label=3: this run has the classes 0 to 2"),
        (labelled, LABELS, -1, "label=-1: this run has the classes 0 to 2"),
        (
            recurrent,
            PARTS,
            1,
            "label=1: this run draws by no class; .* data.given=labels does, or .*model=m2.*: set label=null",
        ),
        (group_autoencoder, BITS, 1, "label=1: this run draws by no class"),
        (latent_class, BITS, 3, "label=3: this run has the classes 0 to 2"),
    ],
)
def test_a_label_that_the_model_does_not_know_is_refused(model, spec, label, message):
    with refused(message):
        sample_arrays(model(), [data(spec)], num=5, seed=3, label=label)


@pytest.mark.parametrize("build", [latent_class, stacked, class_autoencoder])
def test_a_model_with_the_class_in_its_latents_draws_by_it(build):
    """All draws of the likelihood's parents are of that class, with a style each from the prior."""
    model, seen = build().eval(), []
    owner = model.m2 if isinstance(model, Stacked) else model
    owner.likelihood.register_forward_hook(lambda _, parents, __: seen.append(parents))
    arrays = sample_arrays(model, [Batch(torch.eye(6))], num=50, seed=3, label=2)
    ((z, y),) = seen
    assert torch.equal(y, torch.eye(3)[2].expand(50, 3))
    assert len(z.unique(dim=0)) == 50
    assert arrays["samples"].shape == (50, 6)
    figure = draw_all(model, [Batch(torch.eye(6))], seed=0, label=2)["samples"]
    assert figure.axes[0].get_title() == "class 2: decoded z ~ p(z | y)"


def test_m1_m2_draws_the_codes_of_a_class_and_not_their_mean_alone():
    model, y = stacked().eval(), torch.eye(3)[1].expand(2000, 3)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = model.likelihood_of(model.imagine((), top=(y,)))
        torch.manual_seed(0)
        z1 = model.m2.likelihood_of(model.m2.imagine((), top=(y,)))
        expected = model.m1.decode(z1.sample())
    torch.testing.assert_close(drawn.mean, expected.mean)
    assert not torch.allclose(drawn.mean, model.m1.decode(z1.mean).mean)


def test_a_supervised_adversarial_autoencoder_draws_by_the_label_of_its_decoder():
    densities = make("aae, supervised").densities
    batch = Batch(torch.eye(6), (torch.eye(3).repeat(2, 1),))
    means = [sample_arrays(densities, [batch], num=5, seed=3, label=c)["means"] for c in (0, 1)]
    with isolated_rng(torch.device("cpu"), seed_of("samples", 3)):
        expected = densities.generate(1, torch.eye(3)[1].expand(5, 3)).mean[0].detach()
    np.testing.assert_allclose(means[1], expected, atol=1e-6)
    assert not np.allclose(*means)
