"""Every density that exists, small, and what is known of it: adding one here gives it the contracts of this folder.

`tests/test_registry.py` fails where a class is missing.
"""

from functools import partial

from tests.distributions.registry import NETWORKS
from tests.helpers import BITS, CLASSES, LABELLED, mlp, regression, small_densities, small_gsnn
from torch.distributions import Normal

from elbolab.batch import Scaling, Spec, Support
from elbolab.densities.categorical import class_autoencoder, group_autoencoder
from elbolab.densities.classifier import classification
from elbolab.densities.denoising import denoising_layer
from elbolab.densities.hierarchy import bottom_up, two_layer
from elbolab.densities.labelled import labelled_layer
from elbolab.densities.layer import single_layer
from elbolab.densities.recurrent import recurrent_layer
from elbolab.densities.stacked import stacked_layers
from elbolab.densities.tied import tied_autoencoder
from elbolab.densities.wiring import adversarial_layer, attribute_layer
from elbolab.densities.wiring import autoencoder as autoencoder_layer
from elbolab.distributions.autoregressive import FlowPrior, Inverse
from elbolab.distributions.conditional import Head, Ignore, StandardNormal
from elbolab.distributions.corruption import masking
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.distributions.flow import FlowFamily
from elbolab.distributions.flow_steps import Planar
from elbolab.distributions.full_covariance import FullNormal
from elbolab.distributions.hypersphere import Hypersphere, VonMisesFisherFamily
from elbolab.distributions.location_scale import FixedScale
from elbolab.distributions.one_hot import OneHot, UniformCategories
from elbolab.distributions.planar import GaussianRing
from elbolab.distributions.point_mass import Deterministic
from elbolab.distributions.priors import ClassCentres, FixedBernoulli, Mixture, ScaledNormal
from elbolab.distributions.relaxed import RelaxedBernoulliLatent, RelaxedOneHotLatent
from elbolab.distributions.universal import Universal
from elbolab.distributions.vamp import Vamp

REALS = Spec((6,), Support.REAL)
STANDARDISED = REALS._replace(scaling=Scaling((0.0, 5.0, -2.0, 0.0, 1e6, 0.0), (1.0, 2.0, 0.5, 1e-3, 40.0, 1.0)))


def head(family, **options):
    return partial(Head, net=mlp(5), family=partial(family, **options))


NORMAL, BITS_HEAD, CLASS, POINT = (head(family) for family in (DiagonalNormal, Bernoulli, OneHot, Deterministic))
WIDE = partial(ScaledNormal, scale=3.0)


def autoencoder(spec=BITS, **changes):
    parts = {"prior": None, "posterior": POINT, "likelihood": BITS_HEAD} | changes
    return autoencoder_layer(spec, 2, **parts)


def tied():
    return tied_autoencoder(REALS, 2, None, None, head(FixedScale, base=Normal, scale=1.0))


def adversarial(posterior=POINT):
    return adversarial_layer(BITS, 2, WIDE, posterior, BITS_HEAD)


def recurrent(posterior=NORMAL):
    return recurrent_layer(LABELLED, 2, NORMAL, posterior, BITS_HEAD, baseline=regression())


def stacked():
    parts = (StandardNormal, partial(Ignore, conditional=NORMAL), NORMAL, CLASS)
    return stacked_layers(CLASSES, 2, *parts, m1=small_densities())


def categorical(wire, **options):
    return wire(CLASSES, latent_dim=2, prior=WIDE, posterior=POINT, likelihood=BITS_HEAD, **options)


DENSITIES = {
    "diagonal": small_densities,
    "standardised": lambda: small_densities(STANDARDISED, family=partial(FixedScale, base=Normal, scale=1.0)),
    "full": lambda: small_densities(posterior=head(FullNormal, min_scale=1e-6)),
    "mixture": lambda: small_densities(prior=partial(Mixture, num_components=3, spread=1.0)),
    "categories": lambda: small_densities(
        latent_dim=[12, 10],
        prior=UniformCategories,
        posterior=head(RelaxedOneHotLatent, temperature=0.5, straight_through=False),
    ),
    "vamp": lambda: small_densities(prior=partial(Vamp, num_components=3, noise=0.1)),
    "flow prior": lambda: small_densities(prior=partial(FlowPrior, steps=partial(NETWORKS, step=Inverse))),
    "planar": lambda: small_densities(posterior=head(FlowFamily, steps=partial(Planar, num_steps=2), min_scale=0.01)),
    "iaf": lambda: small_densities(
        posterior=head(FlowFamily, steps=partial(NETWORKS, num_parameters=3), min_scale=0.01)
    ),
    "sphere": lambda: small_densities(latent_dim=3, prior=Hypersphere, posterior=head(VonMisesFisherFamily)),
    "ring": lambda: small_densities(
        prior=partial(GaussianRing, num_components=3, radius=2.0, radial_scale=0.5, tangential_scale=0.5)
    ),
    "binary": lambda: small_densities(
        prior=partial(FixedBernoulli, probability=0.5),
        posterior=head(RelaxedBernoulliLatent, temperature=0.5, straight_through=False),
    ),
    "bottom-up": lambda: bottom_up(BITS, [3, 2], StandardNormal, NORMAL, BITS_HEAD, NORMAL),
    "three layers": lambda: bottom_up(LABELLED, [3, 2, 2], NORMAL, NORMAL, BITS_HEAD, NORMAL),
    "two-layer": lambda: two_layer(LABELLED, [3, 2], StandardNormal, NORMAL, BITS_HEAD, NORMAL),
    "two-layer vamp": lambda: two_layer(BITS, 2, partial(Vamp, num_components=3, noise=0.1), NORMAL, BITS_HEAD, NORMAL),
    "given": lambda: small_densities(LABELLED),
    "learned prior": lambda: small_densities(LABELLED, prior=NORMAL),
    "class centres": lambda: small_densities(LABELLED, prior=partial(ClassCentres, spread=1.0)),
    "ignored condition": lambda: single_layer(
        LABELLED, 2, StandardNormal, NORMAL, partial(Ignore, conditional=BITS_HEAD)
    ),
    "attributes": lambda: attribute_layer(LABELLED, 2, NORMAL, NORMAL, BITS_HEAD),
    "stochastic network": small_gsnn,
    "recurrent": recurrent,
    "recurrent stochastic network": lambda: recurrent(posterior=None),
    "denoising": lambda: denoising_layer(BITS, 2, StandardNormal, NORMAL, BITS_HEAD, partial(masking, probability=0.5)),
    "labelled": lambda: labelled_layer(CLASSES, 2, StandardNormal, NORMAL, BITS_HEAD, CLASS, learn_class_prior=True),
    "stacked": stacked,
    "regression": regression,
    "autoencoder": autoencoder,
    "tied": tied,
    "adversarial": adversarial,
    "adversarial, universal": lambda: adversarial(partial(Universal, net=mlp(5), num_noise=3)),
    "class autoencoder": lambda: categorical(class_autoencoder),
    "group autoencoder": lambda: categorical(group_autoencoder, num_groups=4),
    "classifier": lambda: classification(CLASSES, CLASS),
}

WITHOUT_DENSITY = {"classifier"}
"""What says nothing of x."""

WITHOUT_BOUND = {"autoencoder", "tied", "adversarial", "adversarial, universal", "class autoencoder"}
WITHOUT_BOUND |= {"group autoencoder"}
"""What has a distortion, and no rate."""

WITHOUT_PRIOR = {"autoencoder", "tied"}
"""What cannot be sampled from."""

WITHOUT_NOISE = {"autoencoder", "tied", "adversarial", "class autoencoder", "group autoencoder", "regression"}
"""What has the same code for the same datum every time."""


def all_but(*without):
    """The names of the others."""
    return [name for name in DENSITIES if not any(name in names for names in without)]
