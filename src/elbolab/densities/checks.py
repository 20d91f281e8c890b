"""What makes a combination of data, prior, posterior and likelihood impossible, said when the model is built."""

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from elbolab.batch import Shape, Spec, Support
from elbolab.distributions.conditional import Conditional, Head


def check_latent_dim(latent_dim: int) -> None:
    """Raises ValueError unless it is a whole number from 1 on."""
    if not isinstance(latent_dim, int) or latent_dim < 1:
        raise ValueError(f"densities.latent_dim={latent_dim}: a model needs at least one latent dimension")


@torch.no_grad()
def check_posterior(prior: Conditional, posterior: Conditional, spec: Spec) -> None:
    """Raises ValueError where draws of the posterior leave the support of the prior."""
    given = [torch.zeros(1, *shape) for shape in spec.given]
    q, p = _probe(posterior, torch.zeros(1, *spec.x), *given), _probe(prior, *given)
    with torch.random.fork_rng(devices=[]):
        inside = _contains(p, q.sample((8,)))
    if is_discrete(q) != is_discrete(p) or not inside:
        raise ValueError(
            f"the posterior ({family_of(q)}) leaves the support of the prior ({family_of(p)}): KL(q || p) is infinite. "
            "Choose posterior=bernoulli with prior=bernoulli, or posterior=diagonal_normal with prior=standard_normal"
        )


@torch.no_grad()
def check_likelihood(likelihood: Conditional, latent_shape: Shape, spec: Spec) -> None:
    """Raises ValueError where the data have values to which the likelihood gives no probability."""
    given = [torch.zeros(1, *shape) for shape in spec.given]
    p = _probe(likelihood, torch.zeros(1, *latent_shape), *given)
    if not all(_contains(p, torch.full((1, *spec.x), value)) for value in _examples(spec)):
        raise ValueError(_mend(p, spec))


def initialise_heads(conditional: Conditional, mean: Tensor) -> None:
    """Starts every head of ``conditional`` that asks for it from ``mean`` (*event)."""
    for module in conditional.modules():
        if isinstance(module, Head):
            module.initialise_to_mean(mean)


def _probe(conditional: nn.Module, *parents: Tensor) -> Distribution:
    """The distribution as evaluation sees it; the training flag is left as it was."""
    was_training = conditional.training
    conditional.eval()
    try:
        return conditional(*parents)
    finally:
        conditional.train(was_training)


def is_discrete(p: Distribution) -> bool:
    """Whether the draws of ``p`` are discrete."""
    assert p.support is not None, "every family states its support"
    return p.support.is_discrete


def _contains(p: Distribution, value: Tensor) -> bool:
    assert p.support is not None, "every family states its support"
    return bool(p.support.check(value).all())


def _examples(spec: Spec) -> list[float]:
    """Values that the data take."""
    if spec.support is Support.REAL:
        return [-1.5, 0.0, 1.5]
    if spec.support is Support.BINARY:
        return [0.0, 1.0]
    return [0.0, 1.0, 0.5 if spec.levels is None else (spec.levels // 2) / (spec.levels - 1)]


def _mend(p: Distribution, spec: Spec) -> str:
    """What is wrong between likelihood and data, and the ways out."""
    ways = {
        Support.BINARY: "choose likelihood=bernoulli",
        Support.UNIT: "binarise the data (data.binarize=dynamic), or take likelihood=continuous_bernoulli or gaussian",
        Support.REAL: "choose likelihood=gaussian or laplace",
    }
    kind = {
        Support.BINARY: "binary data",
        Support.UNIT: "grey values in [0, 1]" if spec.levels is None else f"{spec.levels} grey values in [0, 1]",
        Support.REAL: "real numbers",
    }
    return f"a {family_of(p)} likelihood is no likelihood of {kind[spec.support]}: {ways[spec.support]}"


def family_of(p: Distribution) -> str:
    """The name of a family, ``Bernoulli`` for independent Bernoullis."""
    return type(p.base_dist if isinstance(p, Independent) else p).__name__
