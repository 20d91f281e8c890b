"""A frozen model inside another: not trained, not in training mode, not initialised again."""

from functools import partial

import pytest
import torch
from tests.helpers import BITS, adam, fit, mlp, small_densities

from elbolab.densities.base import Densities, initialise_heads
from elbolab.densities.layer import single_layer
from elbolab.distributions.conditional import Head, StandardNormal
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.models.vae import VAE


class OnTop(Densities):
    """A likelihood of its own on the code of a frozen VAE with batch statistics and an initial mean."""

    def __init__(self, below):
        super().__init__()
        self.below = below
        self.spec, self.code_shapes = below.spec, below.code_shapes
        self.inner = small_densities()

    def infer(self, x, *given, **options):
        return self.inner.infer((self.below.decode(self.below.encode(x)).mean > 0.5).float(), **options)

    def imagine(self, shape, *given, **options):
        return self.inner.imagine(shape, **options)

    def likelihood_of(self, latents, *given):
        return self.inner.likelihood_of(latents)

    def initialise(self, data, mean):
        for part in (self.below.likelihood, self.inner.likelihood):
            initialise_heads(part, mean)


def below():
    likelihood = partial(Head, net=mlp(5), family=Bernoulli, init_to_mean=True)
    vae = single_layer(BITS, 2, StandardNormal, partial(Head, net=mlp(5), family=DiagonalNormal), likelihood)
    vae.posterior.net = torch.nn.Sequential(vae.posterior.net, torch.nn.BatchNorm1d(4))
    return vae.freeze()


@pytest.mark.parametrize("ema", [None, 0.9])
def test_a_frozen_part_is_the_same_after_training(ema):
    torch.manual_seed(0)
    densities = OnTop(below())
    before = {name: value.clone() for name, value in densities.state_dict().items()}
    model = VAE(densities=densities, optimizer=adam(), ema=ema)
    fit(model, max_epochs=1)
    after = densities.state_dict()
    assert any(name.endswith("running_mean") for name in before)
    assert all(torch.equal(after[name], value) for name, value in before.items() if name.startswith("below."))
    assert not all(torch.equal(after[name], value) for name, value in before.items())
    if ema is not None:
        names = [name for name, _ in densities.named_parameters()]
        kept = [s for name, s in zip(names, model.ema.shadow()[: len(names)], strict=True) if name.startswith("below.")]
        was = [before[name] for name in names if name.startswith("below.")]
        assert all(map(torch.equal, kept, was))


def test_it_stays_in_evaluation_mode():
    densities = OnTop(below()).train()
    assert densities.inner.training
    assert not any(part.training for part in densities.below.modules())
    assert not any(weight.requires_grad for weight in densities.below.parameters())
    assert not densities.eval().training


def test_what_is_not_frozen_has_both_modes():
    densities = small_densities()
    assert densities.train().posterior.training
    assert not densities.eval().posterior.training
