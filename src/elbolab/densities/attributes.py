"""CMMA: data whose latent is determined by their attributes (Pandey & Dukkipati 2017)."""

from functools import partial

import torch

from elbolab.batch import Spec
from elbolab.densities.layer import Layer, single_layer
from elbolab.distributions.conditional import Conditional, Ignore, MakeConditional


def attribute_layer(
    spec: Spec,
    latent_dim: int,
    prior: MakeConditional | None,
    posterior: MakeConditional | None,
    likelihood: MakeConditional | None,
    posterior_sees_attributes: bool = False,
) -> Layer:
    """p(z | y) p(x | z) with q(z | x), or q(z | x, y): attributes y reach the data through the latent alone.

    Args:
        spec: what is known of the data, the attributes among their conditions.
        latent_dim: D, dimensions of z.
        prior: recipe of p(z | y).
        posterior: recipe of q(z | x) or q(z | x, y).
        likelihood: recipe of p(x | z).
        posterior_sees_attributes: whether q reads y too.

    Raises:
        ValueError: no attributes, a prior that does not read them, or what `single_layer` refuses.
    """
    if not spec.given:
        raise ValueError("this model's latent is determined by attributes: choose data.given=labels, factors or own")
    if posterior is not None and not posterior_sees_attributes:
        posterior = partial(Ignore, conditional=posterior)
    of_latent = None if likelihood is None else partial(Ignore, conditional=likelihood)
    layer = single_layer(spec, latent_dim, prior, posterior, of_latent)
    assert layer.prior is not None, "`single_layer` has refused it"
    if not _reads(layer.prior, spec):
        raise ValueError(
            "the prior of this model must read the attributes: choose prior=conditional_normal, or class_centres for "
            "data.given=labels"
        )
    return layer


def _reads(prior: Conditional, spec: Spec) -> bool:
    """Whether p(z | y) can depend on y: whether its density has a gradient there."""
    given = [torch.zeros(1, *shape, requires_grad=True) for shape in spec.given]
    p = prior(*given)
    log_prob = p.log_prob(torch.zeros(1, *p.event_shape))
    return log_prob.requires_grad and any(
        gradient is not None for gradient in torch.autograd.grad(log_prob.sum(), given, allow_unused=True)
    )
