"""Regularised autoencoders: what their codes and decoders pay, and what is refused."""

from functools import partial
from math import nan

import pytest
import torch
from tests.helpers import BITS, CLASSES, adam, mlp, refused
from tests.models.registry import CODE_HEAD, autoencoder, batch_for, rae
from torch import nn
from torch.distributions import Normal

from elbolab.batch import Spec, Support
from elbolab.densities.classifier import classification
from elbolab.densities.wiring import autoencoder as autoencoder_layer
from elbolab.distributions.conditional import Head
from elbolab.distributions.family import Bernoulli
from elbolab.distributions.location_scale import FixedScale
from elbolab.distributions.one_hot import OneHot
from elbolab.distributions.planar import GaussianRing
from elbolab.models.rae import RAE, GradientPenalty, WeightDecay, squared_gradient


def codes(num):
    return torch.randn(num, 2).requires_grad_()


def test_the_gradient_penalty_of_a_linear_decoder_is_half_the_squared_norm_of_its_weights(float64):
    decoder = Head(((2,),), (6,), mlp(), partial(FixedScale, base=Normal, scale=1.0))
    norm = decoder.net.layers[0].weight.square().sum()
    torch.manual_seed(0)
    found = torch.stack([GradientPenalty(1.0)(decoder, codes(50)) for _ in range(400)])
    assert abs(found.mean() - 0.5 * norm) < 5 * found.std() / 400**0.5


def test_the_gradient_penalty_of_one_pixel_is_exact_and_so_is_its_gradient(float64):
    """D = sigmoid(w z + b): 1/2 (D (1 - D))^2 |w|^2; it moves the decoder and the codes."""
    decoder, z = Head(((2,),), (1,), mlp(), Bernoulli), codes(8)
    weight, bias = decoder.net.layers[0].weight, decoder.net.layers[0].bias
    mean = torch.sigmoid(z @ weight.T + bias)
    expected = (0.5 * (mean * (1 - mean)).square() * weight.square().sum()).mean()
    found = GradientPenalty(1.0)(decoder, z)
    torch.testing.assert_close(found, expected)
    for one, other in zip(*(torch.autograd.grad(value, [weight, bias, z]) for value in (found, expected)), strict=True):
        torch.testing.assert_close(one, other)


def test_the_gradient_is_that_of_each_datum(float64):
    z = codes(5)
    torch.testing.assert_close(squared_gradient(z[:, :1] ** 3, z), (3 * z[:, 0] ** 2).square())


def test_weight_decay_is_the_squared_norm_of_the_decoder_alone():
    model = rae(WeightDecay(1.0))
    decoder = model.densities.likelihood
    expected = sum(p.square().sum() for p in decoder.parameters())
    torch.testing.assert_close(model.regulariser(decoder, codes(3)), expected)


def test_the_loss_is_distortion_with_half_the_squared_norm_of_codes_and_what_the_decoder_pays():
    model, plain = rae(WeightDecay(0.25)), rae()
    plain.load_state_dict(model.state_dict())
    batch = batch_for(model)
    terms = model.densities.terms(batch.x)
    norm = terms.latents.only().z.square().sum(1).mean() / 2
    loss, without = model.loss(batch), plain.loss(batch)
    torch.testing.assert_close(without.value, terms.distortion.mean() + 0.1 * norm)
    torch.testing.assert_close(loss.value, without.value + 0.25 * loss.metrics["regularisation"])
    torch.testing.assert_close(loss.metrics["code_norm"], norm)
    assert model.report(batch).keys() == {"distortion", "mse"}


def test_a_decoder_of_spectral_norm_stretches_nothing():
    """Of a network with several layers whose activations have slopes of at most 1."""
    wide = partial(Head, net=mlp(30, 30))
    spec = Spec((6,), Support.REAL)
    parts = (CODE_HEAD, partial(wide, family=partial(FixedScale, base=Normal, scale=1.0)))
    torch.manual_seed(1)
    densities = autoencoder_layer(spec, 2, None, *parts, spectral_norm=True).train()
    for _ in range(200):
        densities.terms(torch.randn(4, 6))
    decoder = densities.likelihood.eval()
    layers = [layer for layer in decoder.modules() if isinstance(layer, nn.Linear)]
    assert len(layers) == 3
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight, 2).item() == pytest.approx(1, abs=2e-3)
    here, there = codes(500), codes(500)
    moved = (decoder(here).mean - decoder(there).mean).norm(dim=1) / (here - there).norm(dim=1)
    assert moved.max() < 1.01
    assert not any("parametrizations" in name for name, _ in densities.posterior.named_modules())


class Constant(nn.Module):
    """A network without a linear layer."""

    def __init__(self, in_shapes, out_shape):
        super().__init__()
        self.value = nn.Parameter(torch.zeros(out_shape))

    def forward(self, z):
        return self.value.expand(len(z), *self.value.shape)


def without_layers():
    return autoencoder_layer(
        BITS, 2, None, CODE_HEAD, partial(Head, net=Constant, family=Bernoulli), spectral_norm=True
    )


def with_prior():
    prior = partial(GaussianRing, num_components=3, radius=4.0, radial_scale=1.0, tangential_scale=0.4)
    return autoencoder_layer(BITS, 2, prior, CODE_HEAD, partial(Head, net=mlp(5), family=Bernoulli))


def of_classes():
    return RAE(0.1, densities=classification(CLASSES, partial(Head, net=mlp(5), family=OneHot)), optimizer=adam())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (without_layers, "no layer of the decoder is linear.*choose net=mlp or conv"),
        (with_prior, "no prior: choose prior=none"),
        (of_classes, "trains Layer densities, not Classifier: choose model=rae"),
        (lambda: GradientPenalty(-1.0), "model.regulariser.weight=-1.0: .*not negative"),
        (lambda: WeightDecay(nan), "model.regulariser.weight=nan: .*finite"),
        (lambda: RAE(-0.1, densities=autoencoder(), optimizer=adam()), "model.code_weight=-0.1: .*not negative"),
    ],
)
def test_what_does_not_fit_is_refused(build, message):
    with refused(message):
        build()
