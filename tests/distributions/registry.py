"""Every family, prior, posterior and corruption that exists: adding one here gives it the contracts of this folder.

`tests/test_registry.py` fails where a class is missing.
"""

from functools import partial

from tests.helpers import mlp
from torch.distributions import Laplace, Normal

from elbolab.distributions.autoregressive import MAF, FlowPrior, Forward, Inverse, Networks
from elbolab.distributions.conditional import Head, Ignore, StandardNormal
from elbolab.distributions.corruption import Denoising, bit_flip, gaussian_noise, im2017, masking, salt_and_pepper
from elbolab.distributions.data_units import InDataUnits
from elbolab.distributions.family import Bernoulli, DiagonalNormal
from elbolab.distributions.flow import FlowFamily
from elbolab.distributions.flow_steps import Orthogonal, Planar, Radial, Sylvester
from elbolab.distributions.full_covariance import FullNormal
from elbolab.distributions.grey import (
    CategoricalFamily,
    ContinuousBernoulliFamily,
    DiscretisedLogisticFamily,
    LogisticMixtureFamily,
)
from elbolab.distributions.hypersphere import Hypersphere, VonMisesFisherFamily
from elbolab.distributions.location_scale import FixedScale, LearnedScale, OptimalNormal
from elbolab.distributions.normal_mixture import NormalMixture
from elbolab.distributions.one_hot import OneHot, UniformCategories
from elbolab.distributions.planar import GaussianRing, SwissRoll
from elbolab.distributions.point_mass import Deterministic
from elbolab.distributions.priors import ClassCentres, FittedMixture, FixedBernoulli, Mixture, ScaledNormal
from elbolab.distributions.relaxed import RelaxedBernoulliLatent, RelaxedOneHotLatent
from elbolab.distributions.uniform import UniformBox, UniformPrior
from elbolab.distributions.universal import Universal

LEVELS = 4

COLUMNS = partial(Orthogonal, num_columns=2)
NETWORKS = partial(Networks, num_steps=2, flow=MAF, step=Forward, hidden=[6])

FAMILIES = {
    "bernoulli": (Bernoulli, "bits"),
    "relaxed_bernoulli": (partial(RelaxedBernoulliLatent, temperature=0.5, straight_through=False), "bits"),
    "one_hot": (OneHot, "classes"),
    "relaxed_one_hot": (partial(RelaxedOneHotLatent, temperature=0.5, straight_through=False), "classes"),
    "continuous_bernoulli": (ContinuousBernoulliFamily, "unit"),
    "diagonal_normal": (partial(DiagonalNormal, min_scale=0.01), "real"),
    "fixed_normal": (partial(FixedScale, base=Normal, scale=0.3), "real"),
    "fixed_laplace": (partial(FixedScale, base=Laplace, scale=0.3), "real"),
    "learned_normal": (partial(LearnedScale, base=Normal, init_scale=0.5), "real"),
    "learned_laplace": (partial(LearnedScale, base=Laplace, init_scale=0.5), "real"),
    "optimal_normal": (partial(OptimalNormal, min_scale=0.01), "real"),
    "full_normal": (partial(FullNormal, min_scale=1e-6), "real"),
    "normal_mixture": (partial(NormalMixture, num_components=3, spread=1.0, init_scale=0.5, min_scale=0.01), "real"),
    "planar": (partial(FlowFamily, steps=partial(Planar, num_steps=2), min_scale=0.01), "real"),
    "radial": (partial(FlowFamily, steps=partial(Radial, num_steps=2), min_scale=0.01), "real"),
    "sylvester": (partial(FlowFamily, steps=partial(Sylvester, num_steps=2, columns=COLUMNS), min_scale=0.01), "real"),
    "iaf": (partial(FlowFamily, steps=partial(NETWORKS, num_parameters=3), min_scale=0.01), "real"),
    "discretised_logistic": (partial(DiscretisedLogisticFamily, levels=LEVELS), "grid"),
    "logistic_mixture": (partial(LogisticMixtureFamily, levels=LEVELS, num_components=3), "grid"),
    "categorical": (partial(CategoricalFamily, levels=LEVELS), "grid"),
}
"""Recipes, and where draws live: ``bits``, ``classes``, ``grid``, ``unit`` or ``real``."""

FLOWS = {"planar", "radial", "sylvester", "iaf"}
"""Those whose mean is not known; `tests/distributions/test_flows.py` integrates them, in the plane."""

OF_VECTORS = {"full_normal", "normal_mixture", "one_hot", "relaxed_one_hot", *FLOWS}
"""Those that have no images."""

SPHERES = {"von_mises_fisher": VonMisesFisherFamily}
"""Families of points of length 1: `tests/distributions/test_hypersphere.py`."""

BOXES = {"uniform": partial(UniformBox, min_scale=0.01)}
"""Families whose support moves with their parameters: `tests/distributions/test_uniform.py`."""

FAMILIES_WITHOUT_DENSITY = {"deterministic": Deterministic}

PRIORS = {
    "standard_normal": (StandardNormal, (40,)),
    "scaled_normal": (partial(ScaledNormal, scale=3.0), (40,)),
    "mixture": (partial(Mixture, num_components=3, spread=1.0), (40,)),
    "uniform": (partial(UniformPrior, bound=2.0), (40,)),
    "fitted_mixture": (partial(FittedMixture, num_components=3), (40,)),
    "bernoulli": (partial(FixedBernoulli, probability=0.5), (40,)),
    "categories": (UniformCategories, (12, 10)),
    "ring": (partial(GaussianRing, num_components=3, radius=4.0, radial_scale=1.0, tangential_scale=0.4), (2,)),
    "swiss_roll": (partial(SwissRoll, turns=2.0, outer_radius=5.0, num_labels=3), (2,)),
    "hypersphere": (Hypersphere, (40,)),
    "flow": (partial(FlowPrior, steps=partial(NETWORKS, step=Inverse)), (40,)),
    "class_centres": (partial(ClassCentres, spread=1.0), (40,)),
    "conditional_normal": (partial(Head, net=mlp(5), family=DiagonalNormal), (40,)),
}
"""Recipes (parents, event), and the shape of a draw; two draws are never the same."""

NEED_PARENTS = {"class_centres", "conditional_normal"}
PRIORS_WITHOUT_DENSITY = {"swiss_roll"}

NORMAL, POINT = (partial(Head, net=mlp(5), family=family) for family in (DiagonalNormal, Deterministic))

POSTERIORS = {
    "head": NORMAL,
    "ignore": partial(Ignore, conditional=NORMAL),
    "denoising": partial(Denoising, corruption=partial(masking, probability=0.5), posterior=POINT),
    "universal": partial(Universal, net=mlp(5), num_noise=3),
    "in_data_units": lambda parents, event: InDataUnits(NORMAL(parents, event), log_scale=3.0),
}
"""Recipes (parents, event) that read the first parent, and whose draws have a gradient."""

CORRUPTIONS = {
    "gaussian_noise": partial(gaussian_noise, scale=0.5),
    "masking": partial(masking, probability=0.25),
    "salt_and_pepper": partial(salt_and_pepper, probability=0.25),
    "bit_flip": partial(bit_flip, probability=0.25),
    "im2017": partial(im2017, probability=0.5),
}
