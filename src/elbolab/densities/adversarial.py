"""Autoencoders whose codes a critic matches to a prior (Makhzani et al. 2015): a distortion, draws, and no bound.

Shapes: *S = samples, B = data in a batch, D = latent dimensions, C = categories.
"""

from abc import ABC, abstractmethod
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, OneHotCategorical

from elbolab.batch import Spec
from elbolab.densities.base import Classifying, Densities, Styled
from elbolab.densities.checks import (
    build_likelihood,
    check_code,
    check_latent_dim,
    check_likelihood,
    check_matched,
    initialise_heads,
)
from elbolab.densities.terms import Latent, Terms, Undefined, scored
from elbolab.distributions.conditional import Conditional, MakeConditional, lead_of


@final
class Matched(Latent):
    """A code whose distribution over all data, q(z), is brought to the prior by a critic.

    Args:
        z: the draw, (*S, B, *latent_shape).
        p: the prior, batch shape (B,) or ().
    """

    def __init__(self, z: Tensor, p: Distribution) -> None:
        self.z, self.p = z, p

    @property
    def kl(self) -> Tensor:
        """Raises Undefined."""
        raise Undefined("no rate: a critic matches q(z) to the prior, and no KL is part of that")

    @property
    def log_ratio(self) -> Tensor:
        """Raises Undefined."""
        raise Undefined("no importance weight: a critic matches q(z) to the prior, and q(z | x) need have no density")

    @property
    def kl_per_dim(self) -> Tensor:
        """Raises Undefined."""
        raise Undefined("no KL per dimension: a critic matches q(z) to the prior")

    @property
    def is_bound(self) -> bool:
        """False."""
        return False

    @property
    def is_class(self) -> bool:
        """Whether the prior draws one-hot vectors."""
        return isinstance(self.p, OneHotCategorical)


@final
class AdversarialAutoencoder(Densities):
    """q(z | x, c), whatever can be drawn from, a likelihood p(x | z, c) and a prior p(z | c) to draw from.

    Args:
        spec: what is known of the data.
        latent_dim: D, dimensions of the code.
        prior: recipe of p(z | c), without parameters.
        posterior: recipe of q(z | x, c): deterministic, Gaussian, or a universal approximator (section 2.1).
        likelihood: recipe of p(x | z, c).

    Raises:
        ValueError: latent_dim below 1, a missing recipe, a prior with parameters, codes that are discrete, or a
            likelihood that is none of this data.
    """

    def __init__(
        self,
        spec: Spec,
        latent_dim: int,
        prior: MakeConditional | None,
        posterior: MakeConditional | None,
        likelihood: MakeConditional,
    ) -> None:
        super().__init__()
        check_latent_dim(latent_dim)
        self.spec = spec
        self.latent_shape = (latent_dim,)
        self.prior = _given(prior, PRIOR_MISSING)(spec.given, self.latent_shape)
        self.posterior = _given(posterior, POSTERIOR_MISSING)((spec.x, *spec.given), self.latent_shape)
        self.likelihood = build_likelihood(likelihood, (self.latent_shape, *spec.given), spec)
        check_matched(self.prior, self.posterior, spec)
        check_likelihood(self.likelihood, self.latent_shape, spec)

    def terms(
        self, x: Tensor, *given: Tensor, sample_shape: tuple[int, ...] = (), proposal: Distribution | None = None
    ) -> Terms:
        """Log p(x | z, c) at ``sample_shape`` draws of z per datum; no rate and no bound."""
        q = self.posterior(x, *given) if proposal is None else proposal
        z = q.rsample(sample_shape)
        return scored(self.likelihood(z, *given), x, (Matched(z, self.prior(*given)),))

    def generate(self, num: int, *given: Tensor) -> Distribution:
        """p(x | z, c) at draws from the prior."""
        return self.decode(self.prior(*given).sample((num,)), *given)

    def encode(self, x: Tensor, *given: Tensor) -> Tensor:
        """The posterior mean."""
        return self.posterior(x, *given).mean

    def decode(self, z: Tensor, *given: Tensor) -> Distribution:
        """p(x | z, c)."""
        return self.likelihood(z, *given)

    def initialise_to_mean(self, mean: Tensor) -> None:
        """Hands the mean to the likelihood's heads."""
        initialise_heads(self.likelihood, mean)


class Grouping(Densities, ABC):
    """What a model that sorts data into groups without names answers; evaluation names them by labelled data.

    Shapes: B data, C groups.
    """

    @abstractmethod
    def log_group_probs(self, x: Tensor) -> Tensor:
        """Log q(y | x), (B, C)."""

    @abstractmethod
    def generate_groups(self, num: int) -> Distribution:
        """p(x | z, y) at ``num`` draws z ~ p(z), the same in every group: batch shape (C, num)."""


class Categorical(Densities, ABC):
    """A style z and a category y, both read from one network, and p(x | z, y) (Makhzani et al. 2015, sections 4, 5).

    The code is (z, y) in one vector, y the probabilities q(y | x), which a critic makes certain and evenly spread.

    Args:
        spec: what is known of the data.
        latent_dim: D, dimensions of the style.
        num_categories: C.
        prior: recipe of the style's p(z), without parameters.
        posterior: recipe of the network of both, a point mass; it may see a corrupted x while training.
        likelihood: recipe of p(x | z, y).

    Raises:
        ValueError: conditions, a posterior that is no point mass, and as `AdversarialAutoencoder`.
    """

    uniform: Tensor

    def __init__(
        self,
        spec: Spec,
        latent_dim: int,
        num_categories: int,
        prior: MakeConditional | None,
        posterior: MakeConditional | None,
        likelihood: MakeConditional,
    ) -> None:
        super().__init__()
        check_latent_dim(latent_dim)
        if spec.given:
            raise ValueError("a categorical autoencoder finds the category itself: choose data.given=none")
        self.spec = spec
        self.latent_dim, self.class_dim = latent_dim, num_categories
        self.latent_shape = (latent_dim + num_categories,)
        self.prior = _given(prior, PRIOR_MISSING)((), (latent_dim,))
        self.posterior = _given(posterior, POSTERIOR_MISSING)((spec.x,), self.latent_shape)
        self.likelihood = build_likelihood(likelihood, ((latent_dim,), (num_categories,)), spec)
        self.register_buffer("uniform", torch.full((num_categories,), 1 / num_categories), persistent=False)
        check_code(self.posterior, spec)
        check_matched(self.prior, self.posterior, spec, event=(latent_dim,))
        check_likelihood(_Joined(self.likelihood, latent_dim), self.latent_shape, spec)

    @final
    def infer(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The style (B, D), and log q(y | x), (B, C)."""
        z, logits = self.posterior(x).rsample().tensor_split([self.latent_dim], dim=-1)
        return z, logits.log_softmax(-1)

    @final
    def terms(
        self, x: Tensor, *given: Tensor, sample_shape: tuple[int, ...] = (), proposal: Distribution | None = None
    ) -> Terms:
        """Log p(x | z, y) at the code; no rate and no bound."""
        z, log_y = self.infer(x)
        code = torch.cat([z, log_y.exp()], -1) if proposal is None else proposal.rsample()
        z, y = code.expand(*sample_shape, *code.shape).tensor_split([self.latent_dim], dim=-1)
        latents = Matched(y, OneHotCategorical(self.uniform)), Matched(z, self.prior())
        return scored(self.likelihood(z, y), x, latents)

    @final
    def generate(self, num: int, *given: Tensor) -> Distribution:
        """p(x | z, y) at draws from both priors."""
        return self.likelihood(self.prior().sample((num,)), OneHotCategorical(self.uniform).sample((num,)))

    @final
    def encode(self, x: Tensor, *given: Tensor) -> Tensor:
        """The style, then the probabilities of the categories, (B, D + C)."""
        z, log_y = self.infer(x)
        return torch.cat([z, log_y.exp()], dim=-1)

    @final
    def decode(self, z: Tensor, *given: Tensor) -> Distribution:
        """p(x | z, y) at codes (z, y) in one vector."""
        return self.likelihood(*z.tensor_split([self.latent_dim], dim=-1))

    @final
    def initialise_to_mean(self, mean: Tensor) -> None:
        """Hands the mean to the likelihood's heads."""
        initialise_heads(self.likelihood, mean)


@final
class ClassAutoencoder(Categorical, Classifying, Styled):
    """`Categorical` whose categories are the classes of the data (section 4).

    Raises:
        ValueError: the data have no classes.
    """

    def __init__(self, spec: Spec, **parts: Any) -> None:
        if spec.num_classes is None:
            raise ValueError("this model needs data with class labels: choose e.g. data=mnist, or model=aae")
        super().__init__(spec, num_categories=spec.num_classes, **parts)

    def log_class_probs(self, x: Tensor) -> Tensor:
        """Log q(y | x), (B, C)."""
        return self.infer(x)[1]

    def style(self, x: Tensor) -> Tensor:
        """The style, (B, D)."""
        return self.infer(x)[0]

    def style_prior(self, y: Tensor) -> Distribution:
        """p(z), whatever the category."""
        return self.prior().expand(lead_of((y,), (self.uniform.shape,)))

    def restyle(self, z: Tensor, y: Tensor) -> Distribution:
        """p(x | z, y)."""
        return self.likelihood(z, y)

    def generate_of(self, y: Tensor) -> Distribution:
        """p(x | z, y) at draws from p(z)."""
        return self.restyle(self.style_prior(y).sample(), y)


@final
class GroupAutoencoder(Categorical, Grouping):
    """`Categorical` whose categories are groups that the model finds (section 5).

    Raises:
        ValueError: fewer than two groups.
    """

    def __init__(self, spec: Spec, num_groups: int, **parts: Any) -> None:
        if num_groups < 2:
            raise ValueError(f"densities.num_groups={num_groups}: at least two groups")
        super().__init__(spec, num_categories=num_groups, **parts)

    def log_group_probs(self, x: Tensor) -> Tensor:
        """Log q(y | x), (B, C)."""
        return self.infer(x)[1]

    def generate_groups(self, num: int) -> Distribution:
        """p(x | z, y) at draws of the style, a row for each group."""
        z, groups = self.prior().sample((num,)), torch.eye(len(self.uniform)).to(self.uniform)
        return self.likelihood(z.expand(len(groups), *z.shape), groups[:, None].expand(-1, num, -1))


@final
class _Joined(Conditional):
    """A likelihood of (z, y) as one of the code that holds both."""

    def __init__(self, likelihood: nn.Module, latent_dim: int) -> None:
        super().__init__()
        self.likelihood, self.latent_dim = likelihood, latent_dim

    def forward(self, *parents: Tensor) -> Distribution:
        """The likelihood at the parts of a code."""
        (code,) = parents
        return self.likelihood(*code.tensor_split([self.latent_dim], dim=-1))


PRIOR_MISSING = "this model needs a prior to draw from: choose prior=normal, gaussian_ring or swiss_roll"
POSTERIOR_MISSING = "this model needs an encoder: choose posterior=deterministic, diagonal_normal or universal"


def _given(recipe: MakeConditional | None, message: str) -> MakeConditional:
    if recipe is None:
        raise ValueError(message)
    return recipe
