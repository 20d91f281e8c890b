"""The latent variables of a bound: what was drawn, how, from which distribution, and under which prior.

Shapes: *S = sample dimensions, B = data in a batch, D = latent dimensions; quantities in nats are (*S, B).
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from typing import Any, Self, final

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal, OneHotCategorical, kl_divergence

from elbolab.batch import Shape
from elbolab.densities.gradients import path_score, stop_parameters, with_gradient
from elbolab.distributions.family import Drawn, KnowsDraws, Relaxed


class Undefined(NotImplementedError):
    """A quantity that does not exist for this model; evaluation leaves it out instead of inventing a number."""


Draw = Callable[[Distribution, Shape], Drawn]
"""(distribution, shape) -> as many draws, independent of each other."""


def sample(p: Distribution, shape: Shape = ()) -> Drawn:
    """Random draws, reparameterised where they can be: torch's ``Normal.sample`` waits for the device."""
    if isinstance(p, KnowsDraws):
        return p.draw(shape)
    size = torch.Size(shape)
    return Drawn(p.rsample(size) if p.has_rsample else p.sample(size))


def centre(p: Distribution, shape: Shape = ()) -> Drawn:
    """The mean, and of a class its mode, as often as is asked for."""
    point = p.mode if isinstance(p, OneHotCategorical) else p.mean
    return Drawn(point.expand(*shape, *point.shape))


@final
@dataclass(frozen=True, eq=False)
class Latent:
    """One latent variable. Its densities and its KL are computed when they are asked for.

    Attributes:
        z: the draw, (*S, B, *latent_shape).
        q: the distribution that it was drawn from, None where there is none with a density.
        p: the prior, None where the model has none. Its batch shape is (B,), () or (*S, B).
        drawn_log_q: log q(z), (*S, B), where drawing knows it and ``q`` does not: a flow, a mixture of posteriors.
        drawn_log_p: log p(z), (*S, B), used instead of that of ``p``.
        noise: what z was made of, (*S, B, *latent_shape), where ``drawn_log_q`` is the density of a flow.
        closed_form: False where ``p`` depends on this very draw, so that a closed form of KL(q || p) does not hold.
        is_relaxed: whether the draw relaxes a discrete variable, so that the likelihood at it is not the model's.
        is_class: whether it is a class, z a one-hot vector or its probabilities: one latent, whatever the length of z.
        penalty: what the draw adds to a loss beside the bound, (*S, B): a commitment, say. None: nothing.
    """

    z: Tensor
    q: Distribution | None = None
    p: Distribution | None = None
    _: KW_ONLY
    drawn_log_q: Tensor | None = None
    drawn_log_p: Tensor | None = None
    noise: Tensor | None = None
    closed_form: bool = True
    is_relaxed: bool = False
    is_class: bool = False
    penalty: Tensor | None = None

    @classmethod
    def drawn(cls, draw: Draw, shape: Shape, q: Distribution, p: Distribution | None, **options: Any) -> Self:
        """A latent of ``shape`` draws z ~ q for each datum."""
        z, log_q, noise = draw(q, shape)
        return cls(z, q, p, drawn_log_q=log_q, noise=noise, is_relaxed=isinstance(q, Relaxed), **options)

    def follow(self, z: Tensor) -> Self:
        """The same latent at ``z``, which are its draws, with a log q whose gradient reaches them alone.

        Its value is that of `log_q`; the parameters of q receive no gradient but through the draws (Roeder et al. 2017,
        eq. 6).

        Raises:
            Undefined: q has no density, or one that is known at the draws without the way back.
        """
        if self.noise is not None:
            log_q = with_gradient(self.log_q, (path_score(self.log_q, self.z, self.noise) * z).sum(-1))
        elif self.drawn_log_q is not None:
            raise Undefined("no gradient by the path alone: drawing knows the density of q, and not its gradient")
        else:
            log_q = _log_density(None if self.q is None else stop_parameters(self.q), z, "posterior")
        return replace(self, z=z, drawn_log_q=log_q)

    @cached_property
    def log_q(self) -> Tensor:
        """Log q(z); raises Undefined where q has no density."""
        return self.drawn_log_q if self.drawn_log_q is not None else _log_density(self.q, self.z, "posterior")

    @cached_property
    def log_p(self) -> Tensor:
        """Log p(z); raises Undefined where there is no prior, or none with a density."""
        return self.drawn_log_p if self.drawn_log_p is not None else _log_density(self.p, self.z, "prior")

    @property
    def log_ratio(self) -> Tensor:
        """Log p(z) - log q(z); raises Undefined where p or q has no density."""
        if self.p is None and self.drawn_log_p is None:
            raise Undefined("no rate and no importance weight: this model has no prior")
        log_q = self.log_q
        return self.log_p - log_q

    @cached_property
    def kl(self) -> Tensor:
        """KL(q || p), (*S, B) or (B,): in closed form where there is one, else log q(z) - log p(z) at the draw.

        Raises:
            Undefined: p or q has no density.
        """
        pair = self._closed_pair()
        with suppress(NotImplementedError):
            if pair is not None:
                return kl_divergence(*pair)
        return -self.log_ratio

    @cached_property
    def kl_per_dim(self) -> Tensor:
        """KL of each latent dimension, (*S, B, D) or (B, D); at the draw where `closed_form` is False.

        Raises:
            Undefined: q or p does not factorise, or drawing alone knows a density.
        """
        if not self.closed_form and self.drawn_log_q is None and self.drawn_log_p is None:
            match self.q, self.p:
                case Independent(base_dist=q) as joint, Independent(base_dist=p):
                    return (q.log_prob(self.z) - p.log_prob(self.z)).flatten(self.z.dim() - len(joint.event_shape))
        match self._closed_pair():
            case Independent(base_dist=q) as joint, Independent(base_dist=p):
                try:
                    return kl_divergence(q, p).flatten(len(joint.batch_shape))
                except NotImplementedError as error:
                    raise Undefined("no KL per dimension: torch has no closed form") from error
            case None:
                raise Undefined("no KL per dimension: there is no closed form of the draw's density and its prior")
            case q, p:
                names = f"{type(q).__name__} or {type(p).__name__}"
                raise Undefined(f"no KL per dimension: {names} does not factorise")

    def _closed_pair(self) -> tuple[Distribution, Distribution] | None:
        """The distributions q and p where the KL is that between them; None where the draw has its own densities."""
        q, p, has_own = self.q, self.p, self.drawn_log_q is not None or self.drawn_log_p is not None
        if q is None or p is None or has_own or not self.closed_form:
            return None
        # torch's discrete KLs do not broadcast; those of normals do, and expanding costs
        is_normal = isinstance(p, Independent) and isinstance(p.base_dist, Normal)
        return q, p if is_normal or p.batch_shape == q.batch_shape else p.expand(q.batch_shape)


@final
class Latents(tuple[Latent, ...]):
    """The latent variables of a datum, top first.

    Args:
        latents: the variables.
        state: what the likelihood reads beside the last of them, (*S, B, ...), None where that is nothing.
    """

    state: Tensor | None

    def __new__(cls, latents: Iterable[Latent] = (), state: Tensor | None = None) -> Self:
        """A tuple with one attribute more."""
        made = super().__new__(cls, latents)
        made.state = state
        return made

    def at(self, samples: slice, data: slice) -> "Latents":
        """Some of the samples (S, B) of some of the data, with the log-densities that they must have."""
        selected = []
        for latent in self:
            penalty = None if latent.penalty is None else latent.penalty[samples, data]
            z, log_q, log_p = (values[samples, data] for values in (latent.z, latent.log_q, latent.log_p))
            selected.append(replace(latent, z=z, q=None, p=None, drawn_log_q=log_q, drawn_log_p=log_p, penalty=penalty))
        return Latents(selected, None if self.state is None else self.state[samples, data])

    def only(self) -> Latent:
        """The one latent of a model that has one; raises Undefined where there are none or several."""
        if len(self) != 1:
            raise Undefined(f"this needs a model with one latent variable, and this one has {len(self)}")
        return self[0]


def _log_density(p: Distribution | None, z: Tensor, part: str) -> Tensor:
    if p is None:
        raise Undefined(f"no rate and no importance weight: this model has no {part} with a density")
    try:
        return p.log_prob(z)
    except NotImplementedError as error:
        raise Undefined(f"no importance weight: {error}") from error
