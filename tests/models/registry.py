"""Every variant that exists, small: adding one here gives it all the tests of this folder."""

from functools import partial

import torch
from tests.helpers import BITS, LABELLED, adam, mlp, regression, small_cvae, small_densities

from elbolab.batch import Batch
from elbolab.densities.autoencoder import Autoencoder
from elbolab.densities.recurrent import Recurrent
from elbolab.distributions.conditional import Head
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.distributions.point_mass import Deterministic
from elbolab.distributions.priors import ClassCentres, FixedBernoulli
from elbolab.distributions.relaxed import RelaxedBernoulliLatent
from elbolab.models.ae import AE
from elbolab.models.beta_vae import BetaVAE
from elbolab.models.cvae import CVAE
from elbolab.models.regression import Regression
from elbolab.models.vae import VAE
from elbolab.training.schedules import Linear


def binary():
    return small_densities(
        prior=partial(FixedBernoulli, probability=0.5),
        posterior=partial(
            Head, net=mlp(5), family=partial(RelaxedBernoulliLatent, temperature=0.5, straight_through=False)
        ),
    )


def autoencoder(spec=BITS):
    head = partial(Head, net=mlp(5))
    return Autoencoder(spec, 2, None, partial(head, family=Deterministic), partial(head, family=Bernoulli))


def recurrent():
    head = partial(Head, net=mlp(5))
    normal, bits = partial(head, family=DiagonalNormal), partial(head, family=Bernoulli)
    return Recurrent(LABELLED, 2, normal, normal, bits, baseline=regression())


VARIANTS = {
    "vae": lambda: VAE(densities=small_densities(), optimizer=adam()),
    "vae, 3 samples": lambda: VAE(num_samples=3, densities=small_densities(), optimizer=adam()),
    "vae, binary latents": lambda: VAE(densities=binary(), optimizer=adam()),
    "beta_vae": lambda: BetaVAE(beta=4.0, densities=small_densities(), optimizer=adam()),
    "beta_vae, annealed": lambda: BetaVAE(beta=Linear(0, 1, steps=20), densities=small_densities(), optimizer=adam()),
    "beta_vae, capacity": lambda: BetaVAE(beta=4.0, capacity=1.0, densities=small_densities(), optimizer=adam()),
    "beta_vae, free bits": lambda: BetaVAE(beta=1.0, free_bits=0.3, densities=small_densities(), optimizer=adam()),
    "cvae": lambda: CVAE(densities=small_cvae(), optimizer=adam()),
    "cvae, class centres": lambda: CVAE(
        densities=small_cvae(prior=partial(ClassCentres, spread=1.0)), optimizer=adam()
    ),
    "cvae, hybrid": lambda: CVAE(alpha=0.5, num_samples=3, densities=small_cvae(), optimizer=adam()),
    "cvae, gsnn": lambda: CVAE(alpha=0.0, densities=small_cvae(), optimizer=adam(), monitor="val/gsnn_bound"),
    "cvae, recurrent": lambda: CVAE(densities=recurrent(), optimizer=adam()),
    "regression": lambda: Regression(densities=regression(), optimizer=adam()),
    "ae": lambda: AE(densities=autoencoder(), optimizer=adam(), monitor="val/distortion", mode="min"),
}


def make(name):
    torch.manual_seed(11)
    model = VARIANTS[name]()
    for module in model.modules():
        if isinstance(module, Linear):
            module.duration = 20
    return model


def batch_for(model, num=8):
    """Bits with the conditions that the model asks for."""
    g = torch.Generator().manual_seed(5)
    x = torch.randint(2, (num, 6), generator=g).to(torch.get_default_dtype())
    return Batch(x, tuple(torch.eye(*shape)[torch.arange(num) % shape[0]] for shape in model.densities.spec.given))
