"""Several layers of latents: p(z_L) ... p(z_1 | z_2) p(x | z) with posteriors from the bottom up or from the top down.

z_1 is next to the data and z_L on top. Wiring functions build the layers of configurations; see `densities.layer`.
"""

from abc import ABC
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import final

from torch import Tensor, nn
from torch.distributions import Distribution
from typing_extensions import override

from elbolab.batch import Batch, Shape, Spec
from elbolab.common.refusal import Refusal, choose
from elbolab.densities.base import initialise_parts
from elbolab.densities.capabilities import Inferring
from elbolab.densities.checks import (
    build_likelihood,
    build_posterior,
    check_latent_dim,
    check_latents,
    require_part,
    share_posterior,
)
from elbolab.densities.latents import Draw, Latent, Latents, sample
from elbolab.distributions.conditional import Conditional, Ignore, MakeConditional, OfPosterior, Recipe


class Hierarchy(Inferring, ABC):
    """Layers of latents whose prior is p(z_L | c) ... p(z_1 | z_2, c); what is final adds a posterior and a likelihood.

    Args:
        spec: what is known of the data.
        latent_shapes: shapes of the latents, top first.
        priors: p(z_L | c), then p(z_l | z_{l+1}, c), top first.
        posteriors: of each latent, in the order in which they are drawn.
        likelihood: p(x | z, c).
    """

    posterior: nn.ModuleList

    def __init__(
        self,
        spec: Spec,
        latent_shapes: Sequence[Shape],
        priors: Sequence[Conditional],
        posteriors: Sequence[Conditional],
        likelihood: Conditional,
    ) -> None:
        super().__init__()
        self.spec, self.code_shapes = spec, tuple(latent_shapes)
        self.priors, self.posterior, self.likelihood = nn.ModuleList(priors), nn.ModuleList(posteriors), likelihood

    @final
    @override
    def imagine(self, shape: Shape, *given: Tensor, top: tuple[Tensor, ...] = (), draw: Draw = sample) -> Latents:
        latents: list[Latent] = []
        for number, prior in enumerate(self.priors):
            p = prior(*(latent.z for latent in latents[-1:]), *given)
            z = top[number] if number < len(top) else draw(p, () if latents else shape).z
            latents.append(Latent(z, p=p))
        return Latents(latents)

    @final
    @override
    def initialise(self, data: Batch, mean: Tensor) -> None:
        initialise_parts(self, self.likelihood, data, mean)


@final
class BottomUp(Hierarchy):
    """q(z_1 | x, c) q(z_2 | z_1, c) ... with p(x | z_1, c) (Burda et al. 2016, eqs. 1 and 2).

    The prior of all latents but the highest depends on the draw above them, which was made of their own: their KL is
    log q - log p at the draws. That of the highest is closed, whatever was drawn below.
    """

    @override
    def infer(self, x: Tensor, *given: Tensor, shape: Shape = (), draw: Draw = sample) -> Latents:
        """Draws from the bottom up."""
        drawn: list[Latent] = []
        for posterior in self.posterior:
            q = posterior(drawn[-1].z if drawn else x, *given)
            drawn.append(Latent.drawn(draw, () if drawn else shape, q, None))
        highest, *lower = reversed(drawn)
        latents = [replace(highest, p=self.priors[0](*given))]
        for latent, prior in zip(lower, self.priors[1:], strict=True):
            latents.append(replace(latent, p=prior(latents[-1].z, *given), closed_form=False))
        return Latents(latents)

    @override
    def likelihood_of(self, latents: Latents, *given: Tensor) -> Distribution:
        return self.likelihood(latents[-1].z, *given)


@final
class TwoLayer(Hierarchy):
    """q(z_2 | x, c) q(z_1 | x, z_2, c) with p(x | z_1, z_2, c) (HVAE: Tomczak & Welling 2018, eqs. 11 to 14).

    Both KLs are closed: that of z_1 at a draw of z_2, on which both its posterior and its prior depend.
    """

    @override
    def infer(self, x: Tensor, *given: Tensor, shape: Shape = (), draw: Draw = sample) -> Latents:
        of_z2, of_z1 = self.posterior
        z2 = Latent.drawn(draw, shape, of_z2(x, *given), self.priors[0](*given))
        z1 = Latent.drawn(draw, (), of_z1(x, z2.z, *given), self.priors[1](z2.z, *given))
        return Latents([z2, z1])

    @override
    def likelihood_of(self, latents: Latents, *given: Tensor) -> Distribution:
        z2, z1 = latents
        return self.likelihood(z1.z, z2.z, *given)


def bottom_up(
    spec: Spec,
    latent_dim: int | Sequence[int],
    prior: Recipe,
    posterior: Recipe,
    likelihood: Recipe,
    inner: MakeConditional,
    posterior_sees_conditions: bool = True,
) -> BottomUp:
    """Layers of latents that are inferred from the bottom up.

    Args:
        spec: what is known of the data.
        latent_dim: dimensions of each latent, from the data up; a number is that of two layers.
        prior: recipe of p(z_L | c).
        posterior: recipe of q(z_1 | x, c).
        likelihood: recipe of p(x | z_1, c).
        inner: recipe of what is between layers, q(z_{l+1} | z_l, c) and p(z_l | z_{l+1}, c).
        posterior_sees_conditions: False: no posterior sees c.

    Raises:
        Refusal: a part is missing or does not fit.
        ValueError: no layer, or one without dimensions.
    """
    shapes = _shapes_of(latent_dim)
    p = require_part(prior, "prior", "standard_normal")(spec.given, shapes[-1])
    q = build_posterior(posterior, spec, shapes[0], posterior_sees_conditions, "diagonal_normal")
    if len(shapes) == 1:
        share_posterior(p, q, spec)
    elif any(isinstance(part, OfPosterior) for part in p.modules()):
        raise Refusal(
            "this prior is made of the posterior of the highest latent given data, which has no density where the "
            "latents below it are drawn first",
            choose("densities", "two_layer", "single_layer"),
            choose("prior", "standard_normal", "mixture"),
        )
    upward = inner if posterior_sees_conditions else partial(Ignore, conditional=inner)
    posteriors = [q, *(upward((below, *spec.given), above) for below, above in pairwise(shapes))]
    priors = [p, *(inner((above, *spec.given), below) for above, below in pairwise(reversed(shapes)))]
    x_given_z = build_likelihood(likelihood, (shapes[0], *spec.given), spec)
    densities = BottomUp(spec, shapes[::-1], priors, posteriors, x_given_z)
    check_latents(densities, p, q)
    return densities


def two_layer(
    spec: Spec,
    latent_dim: int | Sequence[int],
    prior: Recipe,
    posterior: Recipe,
    likelihood: Recipe,
    inner: MakeConditional,
    posterior_sees_conditions: bool = True,
) -> TwoLayer:
    """Two layers of latents that are inferred from the top down.

    Args:
        spec: what is known of the data.
        latent_dim: dimensions of z_1 and z_2; a number is that of both.
        prior: recipe of p(z_2 | c).
        posterior: recipe of q(z_2 | x, c).
        likelihood: recipe of p(x | z_1, z_2, c).
        inner: recipe of q(z_1 | x, z_2, c) and p(z_1 | z_2, c).
        posterior_sees_conditions: False: no posterior sees c.

    Raises:
        Refusal: a part is missing or does not fit.
        ValueError: not two layers, or one without dimensions.
    """
    shapes = _shapes_of(latent_dim)
    if len(shapes) != 2:
        raise ValueError(f"densities.latent_dim={latent_dim}: one number, or two, of z_1 and of z_2")
    z1, z2 = shapes
    p = require_part(prior, "prior", "standard_normal")(spec.given, z2)
    q = build_posterior(posterior, spec, z2, posterior_sees_conditions, "diagonal_normal")
    share_posterior(p, q, spec)
    lower = inner if posterior_sees_conditions else partial(Ignore, conditional=inner, keep=2)
    posteriors = [q, lower((spec.x, z2, *spec.given), z1)]
    x_given_z = build_likelihood(likelihood, (z1, z2, *spec.given), spec)
    densities = TwoLayer(spec, (z2, z1), [p, inner((z2, *spec.given), z1)], posteriors, x_given_z)
    check_latents(densities, p, q)
    return densities


def _shapes_of(latent_dim: int | Sequence[int]) -> tuple[Shape, ...]:
    """Shapes of the latents, from the data up."""
    dims = (latent_dim, latent_dim) if isinstance(latent_dim, int) else latent_dim
    if not dims:
        raise ValueError(f"densities.latent_dim={latent_dim}: a model of layers needs at least one")
    return tuple(map(check_latent_dim, dims))
