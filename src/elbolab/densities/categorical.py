"""Autoencoders with a style and a category, both matched to priors by critics (Makhzani et al. 2015, sections 4, 5).

They have a distortion, draws, and no bound. Shapes: *S = samples, B = data in a batch, D = latent dimensions, C =
categories.
"""

from abc import ABC
from typing import final

import torch
from torch import Tensor
from torch.distributions import Distribution, OneHotCategorical
from typing_extensions import override

from elbolab.batch import Batch, Shape, Spec
from elbolab.common.refusal import Refusal, change, choose
from elbolab.densities.base import Densities, initialise_heads
from elbolab.densities.capabilities import Classifying, Grouping
from elbolab.densities.checks import build_likelihood, check_code, check_latent_dim, check_matched, require_part
from elbolab.densities.latents import Draw, Latent, Latents, sample
from elbolab.distributions.conditional import Conditional, Recipe


class Categorical(Densities, ABC):
    """A style z and a category y, both read from one network, and p(x | z, y).

    The code is (z, y) in one vector, y the probabilities q(y | x), which a critic makes certain and evenly spread.

    Args:
        spec: what is known of the data.
        latent_dim: D, dimensions of the style.
        num_categories: C.
        prior: the style's p(z), without parameters.
        posterior: the network of both, a point mass of shape (D + C,); it may see a corrupted x while training.
        likelihood: p(x | z, y).
    """

    uniform: Tensor

    def __init__(
        self,
        spec: Spec,
        latent_dim: int,
        num_categories: int,
        prior: Conditional,
        posterior: Conditional,
        likelihood: Conditional,
    ) -> None:
        super().__init__()
        self.spec, self.latent_dim, self.class_dim = spec, latent_dim, num_categories
        self.code_shapes = ((num_categories,), (latent_dim,))
        self.prior, self.posterior, self.likelihood = prior, posterior, likelihood
        self.register_buffer("uniform", torch.full((num_categories,), 1 / num_categories), persistent=False)

    @final
    def read(self, x: Tensor, shape: Shape = (), draw: Draw = sample) -> tuple[Tensor, Tensor]:
        """The style (*S, B, D), and log q(y | x), (*S, B, C)."""
        z, logits = draw(self.posterior(x), shape).z.tensor_split([self.latent_dim], dim=-1)
        return z, logits.log_softmax(-1)

    @final
    @override
    def infer(self, x: Tensor, *given: Tensor, shape: Shape = (), draw: Draw = sample) -> Latents:
        """The probabilities of the category, and the style: neither has a density."""
        z, log_y = self.read(x, shape, draw)
        category = Latent(log_y.exp(), p=OneHotCategorical(self.uniform), is_class=True)
        return Latents([category, Latent(z, p=self.prior())])

    @final
    @override
    def imagine(self, shape: Shape, *given: Tensor, top: tuple[Tensor, ...] = (), draw: Draw = sample) -> Latents:
        uniform = OneHotCategorical(self.uniform)
        y = top[0] if top else draw(uniform, shape).z
        p = self.prior().expand(y.shape[:-1])
        z = top[1] if len(top) > 1 else draw(p, ()).z
        return Latents([Latent(y, p=uniform, is_class=True), Latent(z, p=p)])

    @final
    @override
    def likelihood_of(self, latents: Latents, *given: Tensor) -> Distribution:
        category, style = latents
        return self.likelihood(style.z, category.z)

    @final
    @override
    def initialise(self, data: Batch, mean: Tensor) -> None:
        initialise_heads(self.likelihood, mean)


@final
class ClassAutoencoder(Categorical, Classifying):
    """`Categorical` whose categories are the classes of the data (section 4)."""

    @override
    def log_class_probs(self, x: Tensor) -> Tensor:
        return self.read(x)[1]


@final
class GroupAutoencoder(Categorical, Grouping):
    """`Categorical` whose categories are groups that the model finds (section 5)."""

    @override
    def log_group_probs(self, x: Tensor) -> Tensor:
        return self.read(x)[1]


def class_autoencoder(
    spec: Spec, latent_dim: int, prior: Recipe, posterior: Recipe, likelihood: Recipe
) -> ClassAutoencoder:
    """A style and the class of data with classes."""
    if spec.num_classes is None:
        raise Refusal("this model needs data with class labels", choose("data", "mnist"), choose("model", "aae"))
    parts = _build_parts(spec, latent_dim, spec.num_classes, prior, posterior, likelihood)
    return ClassAutoencoder(spec, latent_dim, spec.num_classes, *parts)


def group_autoencoder(
    spec: Spec, num_groups: int, latent_dim: int, prior: Recipe, posterior: Recipe, likelihood: Recipe
) -> GroupAutoencoder:
    """A style and one of ``num_groups`` groups."""
    if num_groups < 2:
        raise ValueError(f"densities.num_groups={num_groups}: at least two groups")
    parts = _build_parts(spec, latent_dim, num_groups, prior, posterior, likelihood)
    return GroupAutoencoder(spec, latent_dim, num_groups, *parts)


def _build_parts(
    spec: Spec, latent_dim: int, num_categories: int, prior: Recipe, posterior: Recipe, likelihood: Recipe
) -> tuple[Conditional, Conditional, Conditional]:
    style, category = check_latent_dim(latent_dim), (num_categories,)
    if spec.given:
        raise Refusal("a categorical autoencoder finds the category itself", change("data.given", "none"))
    p = require_part(prior, "prior", "normal", "gaussian_ring", "swiss_roll")((), style)
    encoders = ("deterministic", "denoising_deterministic")
    q = require_part(posterior, "posterior", *encoders)((spec.x,), (latent_dim + num_categories,))
    decoder = build_likelihood(likelihood, (style, category), spec)
    check_code(q, spec)
    check_matched(p, q, spec, event=style)
    return p, q, decoder
