"""Every variant that exists, small: adding one here gives it all the tests of this folder."""

from functools import partial

import torch
from tests.distributions.registry import NETWORKS
from tests.helpers import BITS, CLASSES, LABELLED, adam, mlp, regression, small_cvae, small_densities, small_gsnn
from torch.nn.utils.parametrize import ParametrizationList

from elbolab.batch import Batch, Semi
from elbolab.densities import categorical
from elbolab.densities.capabilities import Classifying
from elbolab.densities.classifier import classification
from elbolab.densities.denoising import denoising_layer
from elbolab.densities.hierarchy import bottom_up, two_layer
from elbolab.densities.labelled import labelled_layer
from elbolab.densities.recurrent import recurrent_layer
from elbolab.densities.stacked import stacked_layers
from elbolab.densities.wiring import adversarial_layer, attribute_layer
from elbolab.densities.wiring import autoencoder as autoencoder_layer
from elbolab.distributions.conditional import Head, Ignore, StandardNormal
from elbolab.distributions.corruption import Denoising, bit_flip, gaussian_noise
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.distributions.flow import FlowFamily
from elbolab.distributions.flow_steps import Planar
from elbolab.distributions.hypersphere import Hypersphere, VonMisesFisherFamily
from elbolab.distributions.location_scale import OptimalNormal
from elbolab.distributions.one_hot import OneHot, UniformCategories
from elbolab.distributions.planar import GaussianRing, SwissRoll
from elbolab.distributions.point_mass import Deterministic
from elbolab.distributions.priors import ClassCentres, FixedBernoulli, ScaledNormal
from elbolab.distributions.relaxed import RelaxedBernoulliLatent, RelaxedOneHotLatent
from elbolab.distributions.universal import Universal
from elbolab.distributions.vamp import Vamp
from elbolab.models.aae import AAE
from elbolab.models.ae import AE
from elbolab.models.avb import AVB
from elbolab.models.beta_vae import beta_vae
from elbolab.models.categorical_aae import ClusteringAAE, SemiAAE
from elbolab.models.classifier import Classifier
from elbolab.models.cvae import CVAE
from elbolab.models.discrete_vae import DiscreteVAE
from elbolab.models.dvae import DVAE
from elbolab.models.iwae import IWAE
from elbolab.models.m2 import M2
from elbolab.models.piwae import PIWAE
from elbolab.models.rae import RAE, GradientPenalty, WeightDecay
from elbolab.models.vae import VAE
from elbolab.training.schedules import Linear


def binary():
    return small_densities(
        prior=partial(FixedBernoulli, probability=0.5),
        posterior=partial(
            Head, net=mlp(5), family=partial(RelaxedBernoulliLatent, temperature=0.5, straight_through=False)
        ),
    )


def with_flow(steps):
    return small_densities(posterior=partial(Head, net=mlp(5), family=partial(FlowFamily, steps=steps, min_scale=0.01)))


def categories():
    relaxed = partial(RelaxedOneHotLatent, temperature=0.5, straight_through=False)
    posterior = partial(Head, net=mlp(5), family=relaxed)
    return small_densities(latent_dim=[2, 3], prior=UniformCategories, posterior=posterior)


def discrete(estimator, baseline=None):
    coins, bits = partial(FixedBernoulli, probability=0.5), partial(Head, net=mlp(5), family=Bernoulli)
    options = {"baseline": baseline, "baseline_optimizer": adam(), "optimizer": adam()}
    densities = small_densities(latent_dim=3, prior=coins, posterior=bits)
    return DiscreteVAE(num_samples=2, estimator=estimator, densities=densities, **options)


def optimal_scale():
    return small_densities(family=partial(OptimalNormal, min_scale=1e-3))


def autoencoder(spec=BITS, **options):
    head = partial(Head, net=mlp(5))
    parts = (partial(head, family=Deterministic), partial(head, family=Bernoulli))
    return autoencoder_layer(spec, 2, None, *parts, **options)


def recurrent():
    head = partial(Head, net=mlp(5))
    normal, bits = partial(head, family=DiagonalNormal), partial(head, family=Bernoulli)
    return recurrent_layer(LABELLED, 2, normal, normal, bits, baseline=regression())


BITS_HEAD, CODE_HEAD = partial(Head, net=mlp(5), family=Bernoulli), partial(Head, net=mlp(5), family=Deterministic)
WIDE, RING = partial(ScaledNormal, scale=3.0), partial(GaussianRing, num_components=3, radius=4.0)
RING = partial(RING, radial_scale=1.0, tangential_scale=0.4)
ROLL = partial(SwissRoll, turns=2.0, outer_radius=5.0, num_labels=3)


def adversarial(spec=BITS, posterior=CODE_HEAD, prior=WIDE):
    return adversarial_layer(spec, 2, prior, posterior, BITS_HEAD)


def class_autoencoder(posterior=CODE_HEAD, spec=CLASSES):
    return categorical.class_autoencoder(spec, latent_dim=2, prior=WIDE, posterior=posterior, likelihood=BITS_HEAD)


def group_autoencoder(num_groups=4, spec=CLASSES):
    return categorical.group_autoencoder(
        spec, num_groups, latent_dim=2, prior=WIDE, posterior=CODE_HEAD, likelihood=BITS_HEAD
    )


def adversarial_options(**options):
    return {
        "critic": mlp(4),
        "optimizer": adam(),
        "critic_optimizer": adam(),
        "generator_optimizer": adam(),
        "monitor": "val/mmd2",
        "mode": "min",
    } | options


def aae(densities=adversarial, **options):
    return AAE(densities=densities(), **adversarial_options(**options))


NOISE = partial(Universal, net=mlp(5), num_noise=3)


def avb(posterior=NOISE, spec=BITS, critic=mlp(4), **options):  # noqa: B008 -- a recipe
    densities = adversarial(spec, posterior, StandardNormal)
    return AVB(critic, adam(), densities=densities, optimizer=adam(), monitor="val/estimated_elbo", **options)


def semi_aae(densities=class_autoencoder, **options):
    return SemiAAE(classifier_optimizer=adam(), densities=densities(), **adversarial_options(**options))


def clustering_aae(densities=group_autoencoder, **options):
    return ClusteringAAE(densities=densities(), **adversarial_options(**options))


NORMAL_HEAD = partial(Head, net=mlp(5), family=DiagonalNormal)
NOISY = partial(Denoising, corruption=partial(gaussian_noise, scale=0.3), posterior=CODE_HEAD)
SMALL = partial(Head, net=mlp(5))
NORMAL, CLASS = partial(SMALL, family=DiagonalNormal), partial(SMALL, family=OneHot)
ERROR = {"optimizer": adam(), "monitor": "val/error", "mode": "min"}


def labelled(**changes):
    parts = {"prior": StandardNormal, "posterior": NORMAL, "likelihood": partial(SMALL, family=Bernoulli)}
    return labelled_layer(CLASSES, 2, **(parts | {"classifier": CLASS} | changes))


def stacked(likelihood=NORMAL, m1=None):
    posterior = partial(Ignore, conditional=NORMAL)
    return stacked_layers(CLASSES, 2, StandardNormal, posterior, likelihood, CLASS, m1=m1 or small_densities())


def denoising():
    parts = (partial(Head, net=mlp(5), family=family) for family in (DiagonalNormal, Bernoulli))
    return denoising_layer(BITS, 2, StandardNormal, *parts, partial(bit_flip, 0.2))


def cmma():
    normal = partial(Head, net=mlp(5), family=DiagonalNormal)
    return attribute_layer(LABELLED, 2, normal, normal, BITS_HEAD)


def rae(regulariser=None, **options):
    densities = autoencoder(**options)
    for part in densities.modules():
        for _ in range(100 if isinstance(part, ParametrizationList) else 0):
            part()  # a step of the power method, which has then converged and does not differ from call to call
    options = {"optimizer": adam(), "monitor": "val/distortion", "mode": "min"}
    return RAE(0.1, regulariser, densities=densities, **options)


def dvae(**options):
    return DVAE(densities=denoising(), optimizer=adam(), monitor="val/dvae_bound", **options)


def layers(wire, prior=StandardNormal):
    return wire(BITS, [3, 2], prior, NORMAL, BITS_HEAD, NORMAL)


VARIANTS = {
    "aae": lambda: aae(partial(adversarial, posterior=NORMAL_HEAD), label_smoothing=0.1),
    "aae, universal": lambda: aae(
        partial(adversarial, posterior=partial(Universal, net=mlp(5), num_noise=3), prior=RING), gradient_penalty=0.5
    ),
    "aae, label-informed": lambda: aae(partial(adversarial, spec=CLASSES, prior=ROLL), label_informed=True),
    "aae, supervised": lambda: aae(
        partial(adversarial, spec=LABELLED, posterior=partial(Ignore, conditional=CODE_HEAD))
    ),
    "aae, semi-supervised": lambda: semi_aae(partial(class_autoencoder, posterior=NOISY), gradient_penalty=0.5),
    "aae, clustering": clustering_aae,
    "avb": avb,
    "avb, adaptive contrast": lambda: avb(spec=LABELLED, adaptive_contrast=True),
    "vae": lambda: VAE(densities=small_densities(), optimizer=adam()),
    "vae, 3 samples": lambda: VAE(num_samples=3, densities=small_densities(), optimizer=adam()),
    "vae, optimal scale": lambda: VAE(densities=optimal_scale(), optimizer=adam(), ema=0.9),
    "vae, vamp": lambda: VAE(
        densities=small_densities(prior=partial(Vamp, num_components=3, noise=0.1)), optimizer=adam()
    ),
    "vae, sphere": lambda: VAE(
        densities=small_densities(
            latent_dim=3, prior=Hypersphere, posterior=partial(Head, net=mlp(5), family=VonMisesFisherFamily)
        ),
        optimizer=adam(),
    ),
    "vae, planar": lambda: VAE(densities=with_flow(partial(Planar, num_steps=2)), optimizer=adam()),
    "iwae, dreg flow": lambda: IWAE(
        estimator="dreg", densities=with_flow(partial(NETWORKS, num_parameters=3)), optimizer=adam()
    ),
    "vae, binary latents": lambda: VAE(densities=binary(), optimizer=adam()),
    "beta_vae": lambda: beta_vae(beta=4.0, densities=small_densities(), optimizer=adam()),
    "beta_vae, annealed": lambda: beta_vae(beta=Linear(0, 1, steps=20), densities=small_densities(), optimizer=adam()),
    "beta_vae, capacity": lambda: beta_vae(beta=4.0, capacity=1.0, densities=small_densities(), optimizer=adam()),
    "beta_vae, free bits": lambda: beta_vae(beta=1.0, free_bits=0.3, densities=small_densities(), optimizer=adam()),
    "iwae": lambda: IWAE(densities=small_densities(), optimizer=adam()),
    "iwae, stl": lambda: IWAE(estimator="stl", densities=small_cvae(), optimizer=adam()),
    "iwae, dreg": lambda: IWAE(estimator="dreg", densities=small_densities(), optimizer=adam()),
    "miwae": lambda: IWAE(num_samples=3, num_bounds=2, densities=small_densities(), optimizer=adam()),
    "ciwae": lambda: IWAE(elbo_weight=0.5, estimator="dreg", densities=small_densities(), optimizer=adam()),
    "piwae": lambda: PIWAE(num_samples=3, num_bounds=2, densities=small_densities(), optimizer=adam()),
    "vae, bottom-up": lambda: VAE(densities=layers(bottom_up), optimizer=adam()),
    "beta_vae, free bits of layers": lambda: beta_vae(
        beta=1.0, free_bits=0.3, densities=layers(bottom_up), optimizer=adam()
    ),
    "iwae, two-layer vamp": lambda: IWAE(
        densities=layers(two_layer, partial(Vamp, num_components=3, noise=0.1)), optimizer=adam()
    ),
    "piwae, bottom-up": lambda: PIWAE(num_samples=3, num_bounds=2, densities=layers(bottom_up), optimizer=adam()),
    "discrete_vae, nvil": lambda: discrete("nvil", baseline=mlp(4)),
    "discrete_vae, vimco": lambda: discrete("vimco"),
    "discrete_vae, disarm": lambda: discrete("disarm"),
    "vae, categories": lambda: VAE(densities=categories(), optimizer=adam()),
    "cvae": lambda: CVAE(densities=small_cvae(), optimizer=adam()),
    "cvae, class centres": lambda: CVAE(
        densities=small_cvae(prior=partial(ClassCentres, spread=1.0)), optimizer=adam()
    ),
    "cvae, hybrid": lambda: CVAE(alpha=0.5, num_samples=3, densities=small_cvae(), optimizer=adam()),
    "cvae, hybrid recurrent": lambda: CVAE(alpha=0.5, num_samples=3, densities=recurrent(), optimizer=adam()),
    "cvae, gsnn": lambda: CVAE(densities=small_gsnn(), optimizer=adam()),
    "cvae, recurrent": lambda: CVAE(densities=recurrent(), optimizer=adam()),
    "cmma": lambda: VAE(densities=cmma(), optimizer=adam()),
    "regression": lambda: VAE(densities=regression(), optimizer=adam()),
    "m1": lambda: VAE(densities=small_densities(CLASSES), optimizer=adam()),
    "m2": lambda: M2(alpha=0.1, densities=labelled(), **ERROR),
    "m2, annealed": lambda: M2(
        alpha=Linear(9, 1, steps=20),
        densities=labelled(posterior=partial(Ignore, conditional=NORMAL), learn_class_prior=True),
        **ERROR,
    ),
    "m2, chunks": lambda: M2(alpha=0.1, densities=labelled(class_chunk=2), **ERROR),
    "m1_m2": lambda: M2(alpha=0.1, densities=stacked(), **ERROR),
    "classifier": lambda: Classifier(densities=classification(CLASSES, CLASS), **ERROR),
    "ae": lambda: AE(densities=autoencoder(), optimizer=adam(), monitor="val/distortion", mode="min"),
    "rae, gradient penalty": lambda: rae(GradientPenalty(0.3)),
    "rae, weight decay": lambda: rae(WeightDecay(0.01), spec=LABELLED),
    "rae, spectral norm": lambda: rae(spectral_norm=True),
    "dvae": dvae,
    "dvae, 2 corruptions by 3": lambda: dvae(num_corruptions=2, num_samples=3),
}

DRAWS = {
    "vae, 3 samples": (3,),
    "cvae, hybrid": (3,),
    "cvae, hybrid recurrent": (3,),
    "discrete_vae, nvil": (2,),
    "discrete_vae, vimco": (2,),
    "discrete_vae, disarm": (2,),
    "iwae": (5,),
    "iwae, two-layer vamp": (5,),
    "piwae, bottom-up": (6,),
    "iwae, stl": (5,),
    "iwae, dreg": (5,),
    "iwae, dreg flow": (5,),
    "miwae": (3, 2),
    "ciwae": (5,),
    "piwae": (6,),
}
"""Draws for each datum in training, of variants that have more than one."""

ESTIMATED = {
    name for name in VARIANTS if name.startswith(("discrete_vae", "iwae, stl", "iwae, dreg", "ciwae", "vae, sphere"))
}
"""Variants the gradient of whose first player is in mean that of the bound, and not at one draw."""

HELD = {"avb, adaptive contrast"}
"""Variants that keep from learning by intent: no gradient leads to the moments of r(z | x)."""


def make(name):
    torch.manual_seed(11)
    model = VARIANTS[name]()
    for module in model.modules():
        if isinstance(module, Linear):
            module.duration = 20
    return model


def batch_for(model, num=8):
    """Bits with the conditions and labels that the model asks for."""
    g, spec = torch.Generator().manual_seed(5), model.densities.spec
    x = torch.randint(2, (num, 6), generator=g).to(torch.get_default_dtype())
    y = None if spec.num_classes is None else torch.arange(num) % spec.num_classes
    return Batch(x, tuple(torch.eye(*shape)[torch.arange(num) % shape[0]] for shape in spec.given), y)


def training_batch_for(model, num=8):
    """The same, with few labels for a model that names classes."""
    batch = batch_for(model, num)
    if not isinstance(model.densities, Classifying):
        return batch
    return Semi.of(batch, Batch(batch.x), 0.1)
