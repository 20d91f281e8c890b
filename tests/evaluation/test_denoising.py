"""What evaluation says of denoising models, and of restorations by any model."""

from functools import partial

import numpy as np
import pytest
import torch
from tests.evaluation.registry import measure, measured
from tests.helpers import BITS, mlp, small_densities
from tests.models.registry import autoencoder

from elbolab.batch import Batch, Spec, Support
from elbolab.densities.denoising import denoising_layer
from elbolab.densities.latents import Undefined
from elbolab.distributions.conditional import Head, StandardNormal
from elbolab.distributions.corruption import bit_flip, gaussian_noise, masking, salt_and_pepper
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.evaluation.denoising import DenoisingBounds, Restoration
from elbolab.evaluation.figures.generative import restorations
from elbolab.evaluation.likelihood import bound

HEAD = partial(Head, net=mlp(5))


FLIPS = partial(bit_flip, 0.3)


def denoising(spec=BITS, corruption=FLIPS):
    parts = [partial(HEAD, family=family) for family in (DiagonalNormal, Bernoulli)]
    return denoising_layer(spec, 2, StandardNormal, *parts, corruption)


def data(num=40):
    x = torch.randint(2, (num, 6), generator=torch.Generator().manual_seed(1)).float()
    return [Batch(x[:30]), Batch(x[30:])]


class Source:
    num_labelled = None

    def batches(self, split, device):
        return data()


def test_a_denoising_model_has_bounds_of_its_own_beside_the_clean_one():
    options = {"splits": ["test"], "num_samples": 6, "seed": 0, "num_corruptions": 3}
    report = measured(denoising(), Source(), **options)["test"]
    assert {"elbo", "dvae_bound", "mixture_bound", "nll"} <= set(report)
    assert [report[name]["k"] for name in ("elbo", "dvae_bound", "nll", "ess")] == [1, 3, 18, 18]
    assert report["dvae_bound"]["value"] < report["mixture_bound"]["value"] < -report["nll"]["value"]
    plain = measured(small_densities(), Source(), **options)["test"]
    assert "dvae_bound" not in plain
    assert plain["nll"]["k"] == 6


def test_the_elbo_stays_that_of_the_clean_input():
    model = denoising(corruption=partial(bit_flip, 1.0))
    assert torch.equal(bound(model, data(), seed=0)["elbo"], bound(model.layer, data(), seed=0)["elbo"])


def test_the_bounds_repeat_under_their_seed_however_data_are_batched():
    model, whole = denoising(), [Batch(torch.cat([batch.x for batch in data()]))]
    bounds = DenoisingBounds(3)
    assert measure(bounds, model, data(), seed=1) == measure(bounds, model, whole, seed=1)
    assert measure(bounds, model, data(), seed=2) != measure(bounds, model, whole, seed=1)


@pytest.mark.parametrize("build", [small_densities, denoising, autoencoder])
def test_every_model_with_a_code_restores(build):
    found = measure(Restoration(partial(masking, 0.5)), build(), data())
    assert set(found) == {"restoration", "restoration_mse", "corruption_mse"}
    assert found["restoration"].value > 0
    assert 0 < found["restoration_mse"].value < 1


def test_without_a_corruption_nothing_is_restored():
    with pytest.raises(Undefined):
        measure(Restoration(None), small_densities(), data())


def test_all_models_restore_the_same_corrupted_data():
    errors = [
        measure(Restoration(partial(salt_and_pepper, 0.4)), model, data(), seed=3)["corruption_mse"]
        for model in (small_densities(), denoising(), autoencoder())
    ]
    assert errors[0] == errors[1] == errors[2]
    other = measure(Restoration(partial(salt_and_pepper, 0.4)), small_densities(), data(), seed=4)["corruption_mse"]
    assert other != errors[0]


def test_restoration_is_the_clean_datum_under_the_code_of_the_corrupted_one():
    model, x = small_densities().eval(), torch.cat([batch.x for batch in data()])
    found = measure(Restoration(partial(bit_flip, 1.0)), model, data())
    p = model.decode(model.encode(1 - x))
    assert found["restoration"].value == pytest.approx(-p.log_prob(x).mean().item(), rel=1e-6)
    assert found["restoration_mse"].value == pytest.approx((p.mean - x).square().mean().item(), rel=1e-6)
    assert found["corruption_mse"].value == 1
    assert (found["restoration"].kind.unit, found["restoration_mse"].kind.unit) == ("nats", "squared error/element")


def test_the_corruption_of_evaluation_need_not_be_the_models():
    options = {"splits": ["test"], "num_samples": 2, "seed": 0}
    flipped = measured(denoising(), Source(), corruption=partial(bit_flip, 1.0), **options)["test"]
    assert flipped["corruption_mse"]["value"] == 1


IMAGES = Spec((1, 4, 4), Support.BINARY, 2)


def test_the_picture_shows_clean_corrupted_and_restored_data_beneath_each_other():
    model = denoising(IMAGES, partial(bit_flip, 1.0)).eval()
    x = torch.randint(2, (12, 1, 4, 4)).float()
    (axes,) = restorations(model, Batch(x), seed=0).axes
    tiles = axes.images[0].get_array()[..., 0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["clean", "corrupted", "restored"]
    np.testing.assert_allclose(tiles[:4, :4], x[0, 0])
    np.testing.assert_allclose(tiles[5:9, :4], 1 - x[0, 0])
    np.testing.assert_allclose(tiles[10:14, :4], model.decode(model.encode(1 - x)).mean[0, 0].detach(), rtol=1e-5)


def test_points_are_joined_to_what_becomes_of_them():
    spec = Spec((2,), Support.REAL)
    parts = [partial(HEAD, family=DiagonalNormal)] * 2
    model = denoising_layer(spec, 2, StandardNormal, *parts, partial(gaussian_noise, 0.5))
    (axes,) = restorations(model, Batch(torch.randn(9, 2)), seed=0).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["clean", "corrupted", "restored"]
    assert len(axes.collections[0].get_segments()) == 9


def test_what_corrupts_nothing_has_no_such_picture():
    with pytest.raises(Undefined, match="corrupts nothing"):
        restorations(small_densities(), data()[0], seed=0)
