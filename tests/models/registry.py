"""Every variant that exists, small: adding one here gives it all the tests of this folder."""

from functools import partial

import torch
from tests.helpers import BITS, adam, mlp, small_densities

from elbolab.densities.autoencoder import Autoencoder
from elbolab.densities.denoising import DenoisingLayer
from elbolab.distributions.conditional import Head, StandardNormal
from elbolab.distributions.corruption import BitFlip
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.distributions.point_mass import Deterministic
from elbolab.distributions.priors import FixedBernoulli
from elbolab.distributions.relaxed import RelaxedBernoulliLatent
from elbolab.models.ae import AE
from elbolab.models.beta_vae import BetaVAE
from elbolab.models.dvae import DVAE
from elbolab.models.vae import VAE
from elbolab.training.schedules import Linear


def binary():
    return small_densities(
        prior=partial(FixedBernoulli, probability=0.5),
        posterior=partial(
            Head, net=mlp(5), family=partial(RelaxedBernoulliLatent, temperature=0.5, straight_through=False)
        ),
    )


def autoencoder():
    head = partial(Head, net=mlp(5))
    return Autoencoder(BITS, 2, None, partial(head, family=Deterministic), partial(head, family=Bernoulli))


def denoising():
    parts = (partial(Head, net=mlp(5), family=family) for family in (DiagonalNormal, Bernoulli))
    return DenoisingLayer(BITS, 2, StandardNormal, *parts, partial(BitFlip, 0.2))


def dvae(**options):
    return DVAE(densities=denoising(), optimizer=adam(), monitor="val/dvae_bound", **options)


VARIANTS = {
    "vae": lambda: VAE(densities=small_densities(), optimizer=adam()),
    "vae, 3 samples": lambda: VAE(num_samples=3, densities=small_densities(), optimizer=adam()),
    "vae, binary latents": lambda: VAE(densities=binary(), optimizer=adam()),
    "beta_vae": lambda: BetaVAE(beta=4.0, densities=small_densities(), optimizer=adam()),
    "beta_vae, annealed": lambda: BetaVAE(beta=Linear(0, 1, steps=20), densities=small_densities(), optimizer=adam()),
    "beta_vae, capacity": lambda: BetaVAE(beta=4.0, capacity=1.0, densities=small_densities(), optimizer=adam()),
    "beta_vae, free bits": lambda: BetaVAE(beta=1.0, free_bits=0.3, densities=small_densities(), optimizer=adam()),
    "ae": lambda: AE(densities=autoencoder(), optimizer=adam(), monitor="val/distortion", mode="min"),
    "dvae": dvae,
    "dvae, 2 corruptions by 3": lambda: dvae(num_corruptions=2, num_samples=3),
}


def make(name):
    torch.manual_seed(11)
    model = VARIANTS[name]()
    for module in model.modules():
        if isinstance(module, Linear):
            module.duration = 20
    return model
