"""Relaxations of discrete variables (Maddison et al. 2017; Jang et al. 2017)."""

from typing import Self, final

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent, OneHotCategorical, constraints, register_kl
from torch.nn.functional import logsigmoid
from typing_extensions import override

from elbolab.batch import Shape
from elbolab.distributions.family import NO_SAMPLES, Family, Relaxed, Sizes
from elbolab.distributions.inversion import inside_unit
from elbolab.distributions.one_hot import one_hot


@final
class RelaxedBernoulli(Relaxed):
    """The binary Concrete, elementwise: sigmoid((logits + logistic noise) / temperature).

    Args:
        logits: of the Bernoulli variable that is relaxed.
        temperature: positive; at 0 the draws would be binary.
        straight_through: draws are the binary variable, with the gradient of the relaxed one.
        validate_args: as in torch.
    """

    arg_constraints = {"logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(
        self, logits: Tensor, temperature: float, straight_through: bool, validate_args: bool | None = None
    ) -> None:
        self.logits, self.temperature, self.straight_through = logits, temperature, straight_through
        super().__init__(logits.shape, validate_args=validate_args)

    @override
    def expand(self, batch_shape: Sizes, _instance: Self | None = None) -> Self:
        logits = self.logits.expand(batch_shape)
        return type(self)(logits, self.temperature, self.straight_through, validate_args=False)

    @property
    def probs(self) -> Tensor:
        """Probability that the discrete variable is 1."""
        return self.logits.sigmoid()

    @property
    @override
    def mean(self) -> Tensor:
        """The discrete variable's mean; the relaxed draw's own differs unless it is straight-through."""
        return self.probs

    @override
    def rsample(self, sample_shape: Sizes = NO_SAMPLES) -> Tensor:
        shape = self._extended_shape(sample_shape)
        u = torch.rand(shape, dtype=self.logits.dtype, device=self.logits.device)
        noise = torch.logit(u, eps=torch.finfo(u.dtype).eps)
        soft = torch.sigmoid((self.logits + noise) / self.temperature)
        if not self.straight_through:
            return soft
        # In this order the value is exactly binary: the bracket is exactly zero.
        return (soft > 0.5).to(soft.dtype) + (soft - soft.detach())


@final
class RelaxedProduct(Independent, Relaxed):
    """Independent relaxed factors; torch's `Independent` in everything."""


@register_kl(RelaxedBernoulli, Bernoulli)
def _kl_relaxed_to_bernoulli(q: RelaxedBernoulli, p: Bernoulli) -> Tensor:
    """KL between the discrete variables: q log(q/p) + (1-q) log((1-q)/(1-p)), each logarithm from its logit."""
    log_ratio_one = logsigmoid(q.logits) - logsigmoid(p.logits)
    log_ratio_zero = logsigmoid(-q.logits) - logsigmoid(-p.logits)
    return q.logits.sigmoid() * log_ratio_one + (-q.logits).sigmoid() * log_ratio_zero


@final
class RelaxedBernoulliLatent(Family):
    """Binary latents: relaxed while training, hard in evaluation; raw outputs are logits.

    Args:
        event: shape of one draw.
        temperature: of the relaxation, positive.
        straight_through: binary draws with relaxed gradients.

    Raises:
        ValueError: the temperature is not positive.
    """

    def __init__(self, event: Shape, temperature: float, straight_through: bool) -> None:
        super().__init__(event, event)
        check_temperature(temperature)
        self.temperature, self.straight_through = temperature, straight_through

    @override
    def forward(self, raw: Tensor) -> Distribution:
        if self.training:
            return RelaxedProduct(RelaxedBernoulli(raw, self.temperature, self.straight_through), len(self.event))
        return Independent(Bernoulli(logits=raw), len(self.event))

    @override
    def raw_for(self, mean: Tensor) -> Tensor:
        """logit(mean), the mean kept in [0.001, 0.999]."""
        return torch.logit(inside_unit(mean))


@final
class RelaxedOneHot(Relaxed):
    """The Concrete: softmax((logits + Gumbel noise) / temperature) over the last dimension.

    Args:
        logits: of the one-hot variable that is relaxed, (*batch, C).
        temperature: positive; at 0 the draws would be one-hot.
        straight_through: draws are the one-hot variable, with the gradient of the relaxed one.
        validate_args: as in torch.
    """

    arg_constraints = {"logits": constraints.real_vector}
    support = constraints.simplex
    has_rsample = True

    def __init__(
        self, logits: Tensor, temperature: float, straight_through: bool, validate_args: bool | None = None
    ) -> None:
        self.logits = logits.log_softmax(-1)
        self.temperature, self.straight_through = temperature, straight_through
        super().__init__(logits.shape[:-1], logits.shape[-1:], validate_args=validate_args)

    @override
    def expand(self, batch_shape: Sizes, _instance: Self | None = None) -> Self:
        logits = self.logits.expand(*batch_shape, *self.event_shape)
        return type(self)(logits, self.temperature, self.straight_through, validate_args=False)

    @property
    @override
    def mean(self) -> Tensor:
        """The discrete variable's probabilities; the relaxed draw's own mean differs unless it is straight-through."""
        return self.logits.exp()

    @override
    def rsample(self, sample_shape: Sizes = NO_SAMPLES) -> Tensor:
        u = torch.rand(self._extended_shape(sample_shape), dtype=self.logits.dtype, device=self.logits.device)
        noise = -(-u.clamp(torch.finfo(u.dtype).tiny, 1 - torch.finfo(u.dtype).eps).log()).log()
        soft = ((self.logits + noise) / self.temperature).softmax(-1)
        if not self.straight_through:
            return soft
        hard = torch.zeros_like(soft).scatter_(-1, soft.argmax(-1, keepdim=True), 1)
        return hard + (soft - soft.detach())  # the bracket is exactly zero


@register_kl(RelaxedOneHot, OneHotCategorical)
def _kl_relaxed_to_one_hot(q: RelaxedOneHot, p: OneHotCategorical) -> Tensor:
    """KL between the discrete variables, sum_c q_c (log q_c - log p_c)."""
    return (q.logits.exp() * (q.logits - p.logits)).sum(-1)


@final
class RelaxedOneHotLatent(Family):
    """Categorical latents, G groups of C classes: relaxed while training, hard in evaluation; raw outputs are logits.

    Args:
        event: (C,), or (G, C).
        temperature: of the relaxation, positive.
        straight_through: one-hot draws with relaxed gradients.

    Raises:
        ValueError: the temperature is not positive.
    """

    def __init__(self, event: Shape, temperature: float, straight_through: bool) -> None:
        super().__init__(event, event)
        check_temperature(temperature)
        self.temperature, self.straight_through = temperature, straight_through

    @override
    def forward(self, raw: Tensor) -> Distribution:
        if self.training:
            return RelaxedProduct(RelaxedOneHot(raw, self.temperature, self.straight_through), len(self.event) - 1)
        return one_hot(raw, self.event)

    @override
    def raw_for(self, mean: Tensor) -> Tensor:
        """log(mean), a class that never occurs kept possible."""
        return mean.clamp(min=1e-3).log()


def check_temperature(temperature: float) -> None:
    """Raises ValueError unless a temperature is positive."""
    if not temperature > 0:
        raise ValueError(f"posterior temperature={temperature}: a temperature is positive")
